import { defineErrors } from '@kithmesh/core'

/** Every code this package throws, see docs/errors.md. */
export const punchErrors = defineErrors({
  ERR_PUNCH_IMPOSSIBLE: {
    when: 'What is known of the two networks rules out a punched connection; the message says why.',
    hint: 'Configure a relay, or open a port on one of the two routers.'
  },
  ERR_PUNCH_NO_ROUTE: {
    when: 'The two devices have no address family in common, or nothing is known of the network of one of them.',
    hint: 'Check that both have a network connection; configure a STUN server on both.'
  },
  ERR_PUNCH_STUN: {
    when: 'No STUN server told which port the router uses, and the device is not reachable by its own address.',
    hint: 'Check the STUN servers of the configuration: they must answer over TCP.'
  },
  ERR_PUNCH_PORT: {
    when: 'No free local port was found to punch from.',
    hint: 'Something on this machine uses very many ports; "ss -tan" shows them.'
  },
  ERR_PUNCH_BUSY: {
    when: 'A device is punching towards others and did not get round to this attempt in time.',
    hint: 'Try again in a few seconds; only one hole is punched at a time from one address.'
  },
  ERR_PUNCH_GLARE: {
    when: 'Both devices called each other at once, and the attempt of the other one counts.',
    hint: 'Nothing needs to be done: the connection arrives as an incoming one.'
  },
  ERR_PUNCH_REFUSED: {
    when: 'The other device did not take part; `details` carries its code and message.',
    hint: 'The message says why the other device refused.'
  },
  ERR_PUNCH_NO_ANSWER: {
    when: 'The other device did not answer the offer to punch.',
    hint: 'It may be gone, or the signalling is slow or broken.'
  },
  ERR_PUNCH_NOT_LISTENING: {
    when: 'A device was asked to punch while it accepts no connections.',
    hint: 'Start listening on the other device.'
  },
  ERR_PUNCH_MESSAGE: {
    when: 'An offer or answer of another device is malformed or exceeds a limit.',
    hint: 'Both devices should run the same version of Kithmesh.'
  },
  ERR_PUNCH_ADDRESS: {
    when: 'The dial policy forbids every address that the other device named.',
    hint: 'If the address is one of your own networks, allow it in the dial policy.'
  },
  ERR_PUNCH_NO_CONNECTION: {
    when: 'No connection came about within the time; `details` counts what happened to the packets.',
    hint: 'A relay works where punching does not.'
  },
  ERR_PUNCH_NOT_NOMINATED: {
    when: 'The other device chose no connection, although it had asked for one.',
    hint: 'It may have found a better route meanwhile.'
  },
  ERR_PUNCH_CANCELLED: {
    when: 'The other device gave up the attempt.',
    hint: 'It may have found a better route, or it is shutting down.'
  },
  ERR_PUNCH_SHUT_DOWN: { when: 'The hole-punching transport was shut down while it was being used.', hint: 'Make a new one.' }
})

import { defineErrors } from '@kithmesh/core/plugin'

/** Every code this package throws or sends to a peer, see docs/errors.md. */
export const reverseErrors = defineErrors({
  ERR_REVERSE_UNUSABLE: {
    when: 'A device cannot be asked to connect back, or nobody can connect to this one; the message says why.',
    hint: 'Forward the listening port at the router and set forwardedPort, or add hole punching or a relay.'
  },
  ERR_REVERSE_REFUSED: {
    when: 'The other device was asked to connect back and refused, or could not; `details` has its code and message.',
    hint: 'A firewall in front of this device may drop connections; forward the listening port, or use hole punching or a relay.'
  },
  ERR_REVERSE_TIMEOUT: {
    when: 'The other device was asked to connect back, and no connection came in time.',
    hint: 'A firewall in front of this device may drop connections; forward the listening port, or use hole punching or a relay.'
  },
  ERR_REVERSE_ELSEWHERE: {
    when: 'The other device says that it connected, but the connection did not arrive here.',
    hint: 'The port at the router leads to another machine or program; look at its port forwarding.'
  },
  ERR_REVERSE_REQUEST: {
    when: 'A peer asked for a connection in a way that is not understood.',
    hint: 'The programs may be of different versions.'
  },
  ERR_REVERSE_POLICY: {
    when: 'A peer asked for connections to addresses that this device does not dial at the request of others, or too often.',
    hint: 'Private addresses are dialled only on shared networks; the log of the device that refused has the reasons, its dialPolicy decides.'
  },
  ERR_REVERSE_BUSY: { when: 'Too many peers ask for connections at a time.', hint: 'Try again later.' },
  ERR_REVERSE_DIAL: {
    when: 'None of the addresses that a peer named could be connected to.',
    hint: 'A firewall or router in front of the peer lets no connections in; use hole punching or a relay.'
  },
  ERR_REVERSE_SHUT_DOWN: { when: 'The transport was shut down while it was being used.', hint: 'Make a new one.' }
})

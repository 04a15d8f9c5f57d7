import { defineErrors } from '@kithmesh/core'

/** Every code this package adds to those of `@kithmesh/stun`, see docs/errors.md. */
export const turnErrors = defineErrors({
  ERR_TURN_NONE: {
    when: 'Neither of the two devices has a relay.',
    hint: 'No relay is configured on either side: give --turn, or pass servers to turn(), on at least one of them.'
  },
  ERR_TURN_ALLOCATE: {
    when: 'None of the configured TURN servers gave a relay; `details.attempts` says why for each.',
    hint: 'Check the URL and the credentials of the servers, and that they run and can be reached from here.'
  },
  ERR_TURN_CONNECT: {
    when: 'A relay was there, but the two devices did not meet on it in time.',
    hint: 'The relayed port may be blocked by a firewall on the way of the device without a relay: configure a TURN server on both sides.'
  },
  ERR_TURN_NOT_ALLOWED: {
    when: 'The device may not connect to the relay that the other one named.',
    hint: 'The dial policy forbids the address; configure the same TURN server here if it is meant.'
  },
  ERR_TURN_OFFER: { when: 'A peer sent an offer of a relay that cannot be understood.', hint: 'Update both devices to the same version.' },
  ERR_TURN_SIGNAL: {
    when: 'The other device could not be asked over signalling, or refused.',
    hint: 'Look at the cause: the other device may be gone, not listening, or have no transport-turn.'
  },
  ERR_TURN_BUSY: {
    when: 'A peer offers more relays at a time than are taken.',
    hint: 'Wait until some of them are connected or given up.'
  },
  ERR_TURN_NOT_LISTENING: { when: 'A relay was offered to a device that accepts no connections.', hint: 'Call discovery.listen on it.' },
  ERR_TURN_TIMEOUT: {
    when: 'A connection over a relay was not there before its deadline.',
    hint: 'The report says which phase took long.'
  },
  ERR_TURN_STRANGER: {
    when: 'Who connected to a relayed port did not prove to be the peer it was opened for.',
    hint: 'Nothing has to be done: the connection was dropped, and the peer is waited for further.'
  },
  ERR_TURN_CUT: {
    when: 'A connection through a relay was closed before both sides had ended it.',
    hint: 'The relay was restarted or the other device is gone: connect again.'
  },
  ERR_TURN_SHUT_DOWN: { when: 'The relay transport was shut down while it was being used.', hint: 'Make a new one.' }
})

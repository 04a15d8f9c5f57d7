import { defineErrors } from '@kithmesh/core'

/** Every code this package throws, see docs/errors.md. */
export const datagramErrors = defineErrors({
  ERR_DATAGRAM_NO_ANSWER: {
    when: 'The other side of a datagram path did not answer while the stream was being opened.',
    hint: 'Datagrams do not get through in one of the two directions: a firewall drops UDP, or the other side gave up earlier.'
  },
  ERR_DATAGRAM_SILENT: {
    when: 'An open stream over datagrams heard nothing from the other side for too long.',
    hint: 'The other side, or the relay between, is gone or was restarted; connect again.'
  },
  ERR_DATAGRAM_RESET: {
    when: 'The other side cut the stream.',
    hint: "The message has the other side's reason; connect again if it was not meant."
  },
  ERR_DATAGRAM_PATH: {
    when: 'The way for datagrams below a stream was closed.',
    hint: 'Look at the cause: the socket or the relay failed; connect again.'
  }
})

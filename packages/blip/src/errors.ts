import { defineErrors } from '@kithmesh/core'

/** Every code this package throws or reports, see docs/errors.md. */
export const blipErrors = defineErrors({
  ERR_BLIP_FRAME: {
    when: 'A BLIP frame is too short or a number in it is malformed.',
    hint: 'The other side does not speak BLIP 3, or two byte streams were mixed up; check what is at the other end.'
  },
  ERR_BLIP_CHECKSUM: {
    when: 'The checksum of a BLIP frame does not match its content.',
    hint: 'Frames were lost, reordered or changed on the way; check the transport, then reconnect.'
  },
  ERR_BLIP_COMPRESSION: {
    when: 'A compressed BLIP frame cannot be inflated.',
    hint: 'Frames were lost, reordered or changed on the way; check the transport, then reconnect.'
  },
  ERR_BLIP_PROPERTIES: {
    when: 'The properties of a BLIP message are malformed, repeated or larger than 100 KiB.',
    hint: 'The sender is faulty; update the software at the other end.'
  },
  ERR_BLIP_TRUNCATED: {
    when: 'A BLIP message ended before its properties were complete.',
    hint: 'The sender is faulty; update the software at the other end.'
  },
  ERR_BLIP_NUMBER: {
    when: 'A BLIP message number is out of order, repeated, or answers a request never sent.',
    hint: 'Byte streams of two connections may be mixed up; check the transport, then reconnect.'
  },
  ERR_BLIP_LIMIT: {
    when: 'The other side exceeds a limit: frame size, messages at once, or bytes waiting.',
    hint: 'Raise the limit if the load is legitimate, otherwise refuse this peer.'
  },
  ERR_BLIP_BODY: {
    when: 'The body of an outgoing BLIP message could not be read to its end.',
    hint: 'See the cause; the connection is closed because a half-sent message cannot be taken back.'
  }
})

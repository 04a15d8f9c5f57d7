import { defineErrors } from '@kithmesh/core'

/** Every code this package throws or reports, see docs/errors.md. */
export const channelErrors = defineErrors({
  ERR_CHANNEL_CLOSED: {
    when: 'The channel was closed on this side, or its peer is blocked.',
    hint: 'Make another channel to talk to the peer again; a blocked peer has to be elevated first.'
  },
  ERR_CHANNEL_DISCONNECTED: {
    when: 'The connection under the channel ended before the step was done.',
    hint: 'Nothing to do: what waits is sent over the next connection. The cause says how this one ended.'
  },
  ERR_CHANNEL_FOREIGN: {
    when: 'The peer knows no channels: it is Couchbase Lite, a gateway or an older Kithmesh.',
    hint: 'Such a peer is judged by its certificate alone; use an authenticator that can: pinned ids, authorities.'
  },
  ERR_CHANNEL_TIMEOUT: {
    when: 'The peer did not say hello, prove itself, give its word or answer in time.',
    hint: 'Look at the log of the other side; the limits are in the options of the channel and of its trust protocols.'
  },
  ERR_CHANNEL_PROTOCOL: {
    when: 'The peer sent something that the channel protocol does not allow.',
    hint: 'Update the older side. If both are up to date, report it with the details.'
  },
  ERR_CHANNEL_UNTRUSTED: {
    when: 'This side does not trust the peer: the trust protocol, the handshake or the program decided so.',
    hint: 'The cause says why. Both sides need the same secret, code or list.'
  },
  ERR_CHANNEL_NOT_TRUSTED: {
    when: 'The peer does not trust this side.',
    hint: 'Look at the log of the other side for its reason.'
  },
  ERR_CHANNEL_PEER_RESTARTED: {
    when: 'The program at the other side was restarted before it answered: nobody knows whether it handled what was sent.',
    hint: 'Decide whether doing it twice is worse than not at all, and send it again or not.'
  },
  ERR_CHANNEL_FULL: {
    when: 'Too much waits to be sent to the peer.',
    hint: 'Wait for what was sent, or for channel.drained(), before sending more.'
  },
  ERR_CHANNEL_REFUSED: {
    when: 'The peer did not take a packet: its trust in this side does not allow that kind.',
    hint: 'The other side has to trust this one, or to allow enhanced packet exchange in its policy.'
  },
  ERR_CHANNEL_GATED: {
    when: 'A packet of a kind that is only for trusted peers was to be sent to one that is not.',
    hint: 'Wait until the peer is trusted, or allow enhanced packet exchange in the policy.'
  },
  ERR_CHANNEL_TOO_LARGE: {
    when: 'A packet is longer than the other side takes.',
    hint: 'Send large things as data: channel.sendFile or channel.sendStream.'
  },
  ERR_CHANNEL_REQUEST_FAILED: {
    when: 'The peer answered a request with a failure, or has no handler for it.',
    hint: 'The details say what went wrong there.'
  },
  ERR_CHANNEL_TRANSFER_REFUSED: {
    when: 'The peer does not want a file or stream that was offered, or could not store it.',
    hint: 'The message says what it said; by default nothing is taken: the other side needs a handler for data.'
  },
  ERR_CHANNEL_TRANSFER_CANCELLED: {
    when: 'The transfer of a file or stream was cancelled, here or by the peer.',
    hint: 'Offer it again if it is still wanted; a file goes on where it was.'
  },
  ERR_CHANNEL_DIGEST: {
    when: 'What arrived is not what was offered: length or SHA-256 differ.',
    hint: 'The file was probably changed while it was sent. Offer it again.'
  },
  ERR_CHANNEL_SOURCE: {
    when: 'A file or stream that is being sent cannot be read.',
    hint: 'The cause says why, on the side that sends.'
  },
  ERR_CHANNEL_SINK: {
    when: 'What arrives cannot be stored.',
    hint: 'The cause says why: room on the disk, rights, or a file that exists already.'
  }
})

import { type IncomingTrustPolicy, packetAllowed } from '@kithmesh/core'
import type { Attachment } from '../connection/attachment.ts'
import { channelErrors } from '../errors.ts'

/** The connection, while both sides' trust allows data over it. */
export function dataConnection(attachment: Attachment | undefined, policy: IncomingTrustPolicy): Attachment | undefined {
  if (attachment?.remote === undefined || attachment.word?.allows.includes('data') !== true) return undefined
  return packetAllowed('data', policy, attachment.standing.level === 'trusted') ? attachment : undefined
}

/** Why there is no data over the connection any more; undefined when there is, or may yet be. */
export function dataRefusal({ standing, word }: Attachment, policy: IncomingTrustPolicy): Error | undefined {
  if (standing.settled && !packetAllowed('data', policy, standing.level === 'trusted'))
    return channelErrors.create('ERR_CHANNEL_GATED', 'The peer is not trusted with data')
  if (word?.settled === true && !word.allows.includes('data'))
    return channelErrors.create('ERR_CHANNEL_REFUSED', 'The trust of the peer does not allow data')
  return undefined
}

import type { PublishInput } from './contracts/discovery.ts'
import type { Metadata, MetadataInput } from './contracts/metadata.ts'
import type { PublishOptions } from './contracts/provider.ts'
import { PEER_ID_KEY, peerIdMetadata } from './device-claim.ts'
import { coreErrors } from './errors.ts'
import { toMetadata } from './txt.ts'

/** @throws ERR_PD_PUBLISH_OPTIONS, ERR_PD_METADATA */
export function checkPublication(input: PublishInput, localPeerId: string): PublishOptions {
  const { displayName, port, metadata = {} } = input ?? {}
  if (typeof displayName !== 'string' || displayName === '')
    throw coreErrors.create('ERR_PD_PUBLISH_OPTIONS', 'The display name is not a text, or empty')
  if (port !== undefined && (!Number.isInteger(port) || port < 1 || port > 65535))
    throw coreErrors.create('ERR_PD_PUBLISH_OPTIONS', `${String(port)} is not a TCP port`)
  return Object.freeze({ displayName, port: port ?? 0, metadata: publishedMetadata(metadata, localPeerId) })
}

/** What the application publishes, with the claim of the peer id first, unless the application makes that itself. */
export function publishedMetadata(input: MetadataInput, localPeerId: string): Metadata {
  const given = toMetadata(input)
  return given.has(PEER_ID_KEY) ? given : new Map([...toMetadata(peerIdMetadata(localPeerId)), ...given])
}

import type { SessionCollection, SessionContext } from './context.ts'
import type { PullProgress } from './progress.ts'

/** What `subChanges` asks for: everything from where the last session ended (cbmobile.md §5). */
export function subscriptionProperties(
  { continuous, limits, skipOldTombstones, versioning }: SessionContext,
  { collection, channels }: SessionCollection,
  progress: PullProgress | undefined
): Record<string, string> {
  const properties: Record<string, string> = {}
  if (progress?.reached !== undefined) properties['since'] = progress.reached
  if (continuous) properties['continuous'] = 'true'
  properties['batch'] = String(limits.changesBatch)
  properties['sendReplacementRevs'] = 'true'
  properties['versioning'] = versioning.name
  if (skipOldTombstones && progress?.reached === undefined && collection.lastSequence === 0) properties['activeOnly'] = 'true'
  properties['revocations'] = 'true'
  if (channels !== undefined) {
    properties['filter'] = 'sync_gateway/bychannel'
    properties['channels'] = channels.join(',')
  }
  return properties
}

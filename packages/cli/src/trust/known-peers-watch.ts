import { stat } from 'node:fs/promises'
import { type Clock, type KnownPeers, type Logger, errorCode, systemClock } from '@kithmesh/core'
import { type RevocationList, openKnownPeers } from '@kithmesh/identity'

const INTERVAL_MS = 1_000

/**
 * Takes over what other programs and people change in a file of known peers while it is in use: whom they trust, block or forget, and revocations. A file that is
 * damaged meanwhile changes nothing, and is reported once; one that cannot be opened, as where no file descriptor is left, is tried again until it can: whom somebody
 * blocks stays out even if strangers take all of them.
 * @param options.onTrusted is told of each device that is trusted by now
 * @param options.warn is told of a damaged file, and of revocations that cannot be kept
 * @returns ends it
 */
export function watchKnownPeers(
  path: string,
  {
    known,
    revocations,
    onTrusted,
    warn,
    logger,
    clock = systemClock
  }: {
    readonly known: KnownPeers
    readonly revocations: RevocationList
    readonly onTrusted: (peerId: string) => void
    readonly warn: (message: string) => void
    readonly logger: Logger
    readonly clock?: Pick<Clock, 'every'>
  }
): () => void {
  // One of its own: what it has read must not count as read by the one that writes.
  const file = openKnownPeers(path)
  let seen = ''
  let present: ReadonlySet<string> = new Set(known.list.current.map(({ peerId }) => peerId))
  let looking = false
  let warned = ''
  const look = async (): Promise<void> => {
    const state = await stateOf(path)
    if (state === seen) return
    seen = state
    const peers = await file.load().catch((error: unknown) => {
      // The system's own reason, and no damage.
      if (errorCode((error as Error).cause) !== undefined) seen = ''
      throw error
    })
    for (const peer of peers) {
      const { peerId, name, level, how } = peer
      // Merely seen is no decision, and the file may not have yet what was decided here a moment ago.
      if (level === 'restricted' || known.get(peerId)?.level === level) continue
      logger.info('a known peer was changed by another program', { peerId, level })
      known.remember({ peerId, name, level, how }).catch((error: unknown) => {
        logger.warn('a known peer could not be stored', { error })
      })
      if (level === 'trusted') onTrusted(peerId)
    }
    const ids = new Set(peers.map(({ peerId }) => peerId))
    for (const peerId of present)
      if (!ids.has(peerId))
        known.forget(peerId).catch((error: unknown) => {
          logger.warn('a known peer could not be forgotten', { error })
        })
    present = ids
    await revocations.add(await file.revocations.load())
    warned = ''
  }
  return clock.every(
    INTERVAL_MS,
    () => {
      if (looking) return
      looking = true
      look()
        .catch((error: unknown) => {
          // Once for a reason, until it has been read as a whole again: damage may come in two steps.
          const reason = errorCode((error as Error).cause) ?? 'damaged'
          if (reason !== warned) warn((error as Error).message)
          warned = reason
        })
        .finally(() => {
          looking = false
        })
    },
    { background: true }
  )
}

/** Changes when the file does. */
async function stateOf(path: string): Promise<string> {
  try {
    const { ino, size, mtimeMs } = await stat(path)
    return `${ino} ${size} ${mtimeMs}`
  } catch {
    return 'none'
  }
}

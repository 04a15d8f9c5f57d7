import { unlessAborted } from '@kithmesh/core/plugin'
import type { ReplicatorEndpoint } from './endpoint.ts'
import { replicatorErrors } from './errors.ts'
import { watchNetwork } from './network-watch.ts'
import { urlEndpoint } from './url-endpoint.ts'
import type { UrlEndpointOptions } from './url-endpoint.ts'

export interface LocatedEndpointOptions extends Omit<UrlEndpointOptions, 'uid' | 'addresses' | 'session' | 'bearerToken' | 'cookies'> {
  /** Stable name of the remote, such as its peer id: checkpoints hang on it. */
  readonly uid: string
  /** For people and logs. @default the uid */
  readonly description?: string
  /**
   * Where the listener is now, asked before each try. What a peer's `resolveUrl` gives fits; undefined says that it is nowhere to be seen, which a
   * continuous replicator waits out. A rejection counts as a failed try, and ends the replication unless its code, or that of a cause, is
   * one that passes. `signal` aborts when the replicator is stopped or the deadline passed.
   */
  locate(options: {
    readonly signal: AbortSignal
  }): Promise<{ readonly url: string | URL; readonly addresses?: readonly string[] } | undefined>
  /** Calls back when the listener is seen, until the returned function is called. A continuous replicator that waits tries again at once. */
  onSeen?(seen: () => void): () => void
}

/**
 * A listener that discovery finds, and that may be somewhere else when it was started again.
 *
 * @example
 * const endpoint = locatedEndpoint({
 *   uid: device.id,
 *   trust: { mode: 'pinned', certificate },
 *   locate: async ({ signal }) => await discovery.deviceWithId(device.id)?.peers[0]?.resolveUrl({ signal }),
 *   onSeen: (seen) => discovery.addObserver({ peersAdded: seen })
 * })
 *
 * @throws TypeError for an empty uid. A URL that cannot be is an error of the try, as `urlEndpoint` throws it.
 */
export function locatedEndpoint(options: LocatedEndpointOptions): ReplicatorEndpoint {
  const { uid, description = uid, ...common } = options
  if (uid === '') throw new TypeError('locatedEndpoint needs a uid that stays the same for the same remote')
  return {
    uid,
    description,
    onReachable: (reachable, clock) => {
      const stopWatching = watchNetwork(options.clock ?? clock, reachable)
      const stopSeeing = options.onSeen?.(reachable)
      return () => {
        stopWatching()
        stopSeeing?.()
      }
    },
    open: async (given) => {
      // A `locate` that does not mind the signal must not hold up the replicator.
      const found = await unlessAborted(given.signal, () => options.locate({ signal: given.signal }))
      if (found === undefined) throw replicatorErrors.create('ERR_REPL_AWAY', `${description} is not to be seen at the moment`)
      const { url, addresses } = found
      const endpoint = urlEndpoint(url, { ...common, uid, ...(addresses !== undefined && addresses.length > 0 && { addresses }) })
      return await endpoint.open(given)
    }
  }
}

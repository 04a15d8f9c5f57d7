import { systemClock } from '@kithmesh/core'
import { closeUnused } from './connection.ts'
import type { ReplicationConnection } from './connection.ts'
import type { OpenEndpointOptions, ReplicatorEndpoint } from './endpoint.ts'

/** How long an endpoint may take to clean up after its signal aborted. */
const ABANDON_MS = 6_000

/**
 * Opens a connection, or rejects with the signal's reason. An endpoint that does not heed the signal is left alone after a while, and what it
 * opens later is closed.
 */
export function openEndpoint(endpoint: ReplicatorEndpoint, options: OpenEndpointOptions): Promise<ReplicationConnection> {
  const { signal, clock = systemClock } = options
  return new Promise((resolve, reject) => {
    let cancel = (): void => {}
    const onAbort = (): void => {
      cancel = clock.after(ABANDON_MS, () => {
        reject(signal.reason as Error)
      })
    }
    const settled = (): void => {
      cancel()
      signal.removeEventListener('abort', onAbort)
    }
    if (signal.aborted) {
      reject(signal.reason as Error)
      return
    }
    signal.addEventListener('abort', onAbort, { once: true })
    // In a promise, as `open` is the application's code and may throw.
    Promise.resolve()
      .then(() => endpoint.open(options))
      .then(
        (connection) => {
          settled()
          if (!signal.aborted) resolve(connection)
          else {
            discard(connection)
            reject(signal.reason as Error)
          }
        },
        (error: unknown) => {
          settled()
          reject(error as Error)
        }
      )
  })
}

function discard(connection: ReplicationConnection): void {
  if (!('blip' in connection)) connection.attach({ message: () => {}, drained: () => {}, closed: () => {} })
  closeUnused(connection, 1000)
}

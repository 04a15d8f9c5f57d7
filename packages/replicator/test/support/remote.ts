import type { Clock, MessageSocket } from '@kithmesh/core'
import type { Database } from '@kithmesh/database'
import { serveReplication, socketEndpoint } from '@kithmesh/replicator'
import type { OpenEndpointOptions, PassiveReplication, ServeReplicationOptions } from '@kithmesh/replicator'
import { type MemorySocket, memorySocketPair } from '@kithmesh/testkit/memory'

/** A remote, over sockets in memory, whose way can be blocked and whose connections can be held up and counted. */
export class Remote {
  readonly served: PassiveReplication[] = []
  readonly sockets: MemorySocket[] = []
  opened = 0
  /** What `open` does instead of connecting. */
  obstacle: ((options: OpenEndpointOptions) => Promise<MessageSocket>) | undefined
  reachable: (() => void) | undefined
  readonly #options: ServeReplicationOptions

  constructor(database: Database, clock: Clock, options: Partial<ServeReplicationOptions> = {}) {
    this.#options = { database, clock, ...options }
  }

  readonly endpoint = socketEndpoint({
    uid: 'remote',
    open: async (options) => {
      this.opened++
      if (this.obstacle !== undefined) return await this.obstacle(options)
      const [ours, theirs] = memorySocketPair()
      // As a WebSocket does after its own deadline, when the other side reads nothing any more.
      const close = ours.close.bind(ours)
      ours.close = (code, reason) => {
        if (theirs.paused) ours.terminate()
        else close(code, reason)
      }
      this.sockets.push(theirs)
      this.served.push(serveReplication(theirs, this.#options))
      return ours
    },
    onReachable: (reachable) => {
      this.reachable = reachable
      return () => {
        this.reachable = undefined
      }
    }
  })
}

/** An obstacle: nobody listens. */
export const refused = (): Promise<never> => Promise.reject(Object.assign(new Error('nobody listens'), { code: 'ECONNREFUSED' }))

import { joinSignals, TRANSPORT_CONTRACT_VERSION } from '@kithmesh/core/plugin'
import type { TransportFactory } from '@kithmesh/core'
import type { MemoryMedium } from './medium.ts'
import { memoryErrors } from './errors.ts'
import { openMemory } from './socket-factory.ts'

export interface MemoryTransportOptions {
  /** The machine this transport runs on. @default 'localhost' */
  readonly host?: string
}

/** The reference transport strategy: connects to `memory:` URLs and listens on a free port of its host. */
export function memoryTransport(medium: MemoryMedium, { host = 'localhost' }: MemoryTransportOptions = {}): TransportFactory {
  const capabilities = Object.freeze({ listens: true, relayed: false })
  return {
    name: 'memory',
    contractVersion: TRANSPORT_CONTRACT_VERSION,
    capabilities,
    create() {
      const listeners = new Set<{ close(): void }>()
      const life = new AbortController()
      return {
        name: 'memory',
        capabilities,
        assess: ({ resolved }) =>
          resolved.url.startsWith('memory:') ? { usable: true, rank: 0 } : { usable: false, reason: `${resolved.url} is not a memory URL` },
        async attempt({ resolved }, { signal, progress }) {
          signal.throwIfAborted()
          life.signal.throwIfAborted()
          progress('dial', resolved.url.replace(/^memory:\/\/|\/.*$/g, ''))
          const ending = joinSignals(signal, life.signal)
          return await openMemory(medium, host, resolved.url, ending.signal).finally(ending.release)
        },
        async listen({ onConnection }) {
          life.signal.throwIfAborted()
          const listener = medium.listen(host, 0, onConnection)
          listeners.add(listener)
          return {
            port: listener.port,
            addresses: [`${host}:${listener.port}`],
            async close() {
              listeners.delete(listener)
              listener.close()
            }
          }
        },
        async shutdown() {
          if (!life.signal.aborted) life.abort(memoryErrors.create('ERR_MEMORY_SHUT_DOWN', 'The memory transport was shut down'))
          for (const listener of listeners) listener.close()
          listeners.clear()
        }
      }
    }
  }
}

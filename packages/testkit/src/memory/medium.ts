import type { Duplex } from 'node:stream'
import type { Metadata } from '@kithmesh/core'
import { duplexPair, socketError } from './duplex-pair.ts'

/** A service as it is on the medium. */
export interface MemoryService {
  readonly id: string
  readonly peerGroupId: string
  readonly peerId: string
  readonly host: string
  readonly displayName: string
  readonly port: number
  readonly metadata: Metadata
}

export interface MemoryMediumListener {
  serviceAdded(service: MemoryService): void
  serviceChanged(service: MemoryService): void
  serviceRemoved(id: string): void
}

/** Called with the accepted half of a connection and the host it came from. */
export type MemoryAccept = (socket: Duplex, fromHost: string) => void

/**
 * A network inside the process: hosts, services they announce, and ports they listen on. Everything on it sees everything
 * else on it, and nothing of any other. News arrive in a later turn of the event loop, in order.
 */
export class MemoryMedium {
  readonly #services = new Map<string, MemoryService>()
  readonly #watchers = new Set<MemoryMediumListener>()
  readonly #ports = new Map<string, MemoryAccept>()
  readonly #name: string
  #nextPort = 40_000

  /** @param name part of the ids of services: media that one program uses side by side need different ones @default 'memory' */
  constructor(name = 'memory') {
    this.#name = name
  }

  /** All services that are announced now. */
  get services(): readonly MemoryService[] {
    return [...this.#services.values()]
  }

  service(id: string): MemoryService | undefined {
    return this.#services.get(id)
  }

  /** Announces a service under a free id derived from its name. */
  announce(service: Omit<MemoryService, 'id'>): MemoryService {
    let id = `${service.displayName}.${service.peerGroupId}.${this.#name}`
    for (let count = 2; this.#services.has(id); count++) id = `${service.displayName} ${count}.${service.peerGroupId}.${this.#name}`
    const announced = { ...service, id }
    this.#services.set(id, announced)
    this.#tell((watcher) => {
      watcher.serviceAdded(announced)
    })
    return announced
  }

  /** Replaces an announced service's metadata; unknown ids are ignored. */
  update(id: string, metadata: Metadata): void {
    const known = this.#services.get(id)
    if (known === undefined) return
    const changed = { ...known, metadata }
    this.#services.set(id, changed)
    this.#tell((watcher) => {
      watcher.serviceChanged(changed)
    })
  }

  /** Ends an announcement; unknown ids are ignored. */
  withdraw(id: string): void {
    if (!this.#services.delete(id)) return
    this.#tell((watcher) => {
      watcher.serviceRemoved(id)
    })
  }

  /** Tells of all services there are and of every change from now on, until the returned function is called. */
  watch(watcher: MemoryMediumListener): () => void {
    const present = this.services
    this.#watchers.add(watcher)
    setImmediate(() => {
      for (const service of present) {
        if (this.#watchers.has(watcher) && this.#services.has(service.id))
          watcher.serviceAdded(this.#services.get(service.id) as MemoryService)
      }
    })
    return () => {
      this.#watchers.delete(watcher)
    }
  }

  /** Accepts connections at a port of a host; port 0 picks a free one. @throws EADDRINUSE */
  listen(host: string, port: number, accept: MemoryAccept): { readonly port: number; close(): void } {
    const own = port === 0 ? this.#nextPort++ : port
    const key = `${host}:${own}`
    if (this.#ports.has(key)) throw socketError('EADDRINUSE', `${key} is taken`)
    this.#ports.set(key, accept)
    return {
      port: own,
      close: () => {
        if (this.#ports.get(key) === accept) this.#ports.delete(key)
      }
    }
  }

  /** Connects to a port; the accepting side gets its half in a later turn. @throws ECONNREFUSED */
  connect(fromHost: string, host: string, port: number): Duplex {
    const accept = this.#ports.get(`${host}:${port}`)
    if (accept === undefined) throw socketError('ECONNREFUSED', `nobody listens at ${host}:${port}`)
    const [dialled, accepted] = duplexPair()
    setImmediate(() => {
      // Both halves report a cut to their owners; one that nobody owns yet must not take the process down.
      if (accepted.destroyed) return
      accept(accepted, fromHost)
    })
    accepted.on('error', () => {})
    return dialled
  }

  #tell(news: (watcher: MemoryMediumListener) => void): void {
    setImmediate(() => {
      for (const watcher of this.#watchers) news(watcher)
    })
  }
}

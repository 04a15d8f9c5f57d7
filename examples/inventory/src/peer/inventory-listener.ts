import { X509Certificate } from 'node:crypto'
import { errorCode } from '@kithmesh/core'
import type { Database } from '@kithmesh/database'
import { passwordAuthenticator } from '@kithmesh/identity'
import type { Identity } from '@kithmesh/identity'
import { UrlEndpointListener } from '@kithmesh/replicator'
import type { ListenerClient, PassiveReplication } from '@kithmesh/replicator'
import type { ListenerView, TlsMode } from '../contracts.ts'
import type { UserList } from '../model/users.ts'
import { viewOfCertificate } from './certificates.ts'
import { viewOf } from './errors.ts'
import { DATABASE_NAME, type Neighbourhood } from './neighbourhood.ts'

export interface InventoryListenerOptions {
  readonly database: Database
  readonly users: UserList
  readonly neighbourhood: Neighbourhood
  /** Shown to others on the network. */
  readonly displayName: string
  readonly givenIdentity: () => Identity
  readonly interfaces: readonly string[] | undefined
  readonly onChange: () => void
}

/** The passive peer: serves the database to whoever is on the user list, and is advertised while it runs. */
export class InventoryListener {
  readonly #options: InventoryListenerOptions
  readonly #clients = new Map<PassiveReplication, ListenerClient>()
  #listener: UrlEndpointListener | undefined
  #state: ListenerView['state'] = 'off'
  #tls: TlsMode = 'anonymous'
  #port = 0
  #advertised = false
  #error: unknown
  #transition: Promise<void> = Promise.resolve()

  constructor(options: InventoryListenerOptions) {
    this.#options = options
  }

  get view(): ListenerView {
    const certificate = this.certificate
    const { connectionCount = 0, activeConnectionCount = 0 } = this.#listener?.status ?? {}
    return {
      state: this.#state,
      tls: this.#tls,
      urls: this.#listener?.urls ?? [],
      connections: connectionCount,
      activeConnections: activeConnectionCount,
      clients: [...this.#clients].map(([{ status }, { user, remote }]) => ({ user: user ?? '', remote, activity: status.activity })),
      advertised: this.#advertised,
      ...(certificate !== undefined && { certificate: viewOfCertificate(certificate) }),
      ...(this.#error !== undefined && { error: viewOf(this.#error) })
    }
  }

  /** What clients get to see, while it runs with TLS. */
  get certificate(): X509Certificate | undefined {
    const der = this.#listener?.identity?.certificateDer
    return this.#state === 'on' && this.#tls !== 'off' && der !== undefined ? new X509Certificate(der) : undefined
  }

  /** Starts; when it runs with another TLS mode, stops first. */
  async start(tls: TlsMode): Promise<void> {
    await this.#after(async () => {
      if (this.#listener !== undefined && this.#tls === tls) return
      if (this.#listener !== undefined) await this.#close()
      this.#tls = tls
      this.#error = undefined
      this.#enter('starting')
      try {
        this.#listener = await this.#open()
        this.#enter('on')
      } catch (error) {
        this.#error = error
        this.#enter('off')
        throw error
      }
      await this.#advertise()
    })
  }

  /** Clients are disconnected, and come back by themselves when it is started again. */
  async stop(): Promise<void> {
    await this.#after(async () => {
      await this.#close()
    })
  }

  async #open(): Promise<UrlEndpointListener> {
    const { database, users, givenIdentity, interfaces, onChange } = this.#options
    const at = (port: number): UrlEndpointListener => {
      const listener = new UrlEndpointListener({
        databases: { [DATABASE_NAME]: { database, collections: [{ scope: '_default', name: '_default' }] } },
        port,
        ...(interfaces?.length === 1 && (interfaces[0] === 'lo' ? { host: '127.0.0.1' } : { networkInterface: interfaces[0] as string })),
        tls: this.#tls === 'off' ? 'off' : this.#tls === 'anonymous' ? 'self-signed' : givenIdentity(),
        authenticator: passwordAuthenticator(async (user, password) => await users.check(user, password)),
        deltas: true
      })
      listener.onStatus(onChange)
      listener.onConnection((replication, client) => {
        this.#clients.set(replication, client)
        replication.onStatus(onChange)
        void replication.ended.finally(() => {
          this.#clients.delete(replication)
          onChange()
        })
        onChange()
      })
      return listener
    }
    // The port of last time, so that URLs that somebody wrote down stay right; any other when it is taken.
    let listener = at(this.#port)
    try {
      await listener.start()
    } catch (error) {
      if (this.#port === 0 || errorCode(error) !== 'ERR_REPL_LISTEN') throw error
      listener = at(0)
      await listener.start()
    }
    this.#port = listener.port ?? 0
    return listener
  }

  /** A listener that nobody can find still serves those who know its URL. */
  async #advertise(): Promise<void> {
    const { neighbourhood, displayName, onChange } = this.#options
    try {
      await neighbourhood.advertise(displayName, this.#port, this.#tls !== 'off')
      this.#advertised = true
    } catch (error) {
      this.#error = error
    }
    onChange()
  }

  async #close(): Promise<void> {
    const listener = this.#listener
    if (listener === undefined) return
    this.#enter('stopping')
    try {
      await this.#options.neighbourhood.conceal().catch((error: unknown) => {
        this.#error = error
      })
      await listener.stop()
    } finally {
      this.#advertised = false
      this.#listener = undefined
      this.#enter('off')
    }
  }

  #enter(state: ListenerView['state']): void {
    this.#state = state
    this.#options.onChange()
  }

  async #after(work: () => Promise<void>): Promise<void> {
    const next = this.#transition.then(work)
    this.#transition = next.catch(() => {})
    await next
  }
}

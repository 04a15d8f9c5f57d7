import { join } from 'node:path'
import type { ConnectRequest, TlsMode, ValidationMode } from '../contracts.ts'
import type { UserList } from '../model/users.ts'
import type { Certificates } from './certificates.ts'
import { Connections } from './connections.ts'
import { inventoryErrors } from './errors.ts'
import { InventoryListener } from './inventory-listener.ts'
import { Neighbourhood } from './neighbourhood.ts'
import { readRemembered, writeRemembered } from './remembered.ts'
import { InventoryStore, type Sample } from './store.ts'

export interface SessionOptions {
  /** The device's; each user's database is a directory in it. */
  readonly directory: string
  readonly deviceName: string
  readonly hostName: string
  readonly group: string
  readonly interfaces: readonly string[] | undefined
  readonly users: UserList
  readonly sample: Sample
  readonly certificates: Certificates
  readonly username: string
  readonly password: string
  readonly onChange: () => void
}

/** All that runs while somebody is logged in. */
export class Session {
  readonly username: string
  readonly store: InventoryStore
  readonly listener: InventoryListener
  readonly connections: Connections
  readonly neighbourhood: Neighbourhood
  #offline = false
  /** The mode in which the listener is to run, whether it does or we are offline. */
  #listening: TlsMode | undefined
  readonly #rememberedIn: string
  #writing: Promise<void> = Promise.resolve()
  readonly #unwatch: (() => void)[]

  private constructor(options: SessionOptions, store: InventoryStore) {
    const { username, password, certificates, interfaces, users, onChange, deviceName } = options
    const displayName = `${deviceName} (${username})`
    this.username = username
    this.#rememberedIn = join(options.directory, 'users', `${username}.json`)
    this.store = store
    this.neighbourhood = new Neighbourhood({
      group: options.group,
      peerId: certificates.device.peerId,
      hostName: options.hostName,
      interfaces
    })
    this.listener = new InventoryListener({
      database: store.database,
      users,
      neighbourhood: this.neighbourhood,
      displayName,
      givenIdentity: () => certificates.given,
      interfaces,
      onChange
    })
    this.connections = new Connections({
      store,
      neighbourhood: this.neighbourhood,
      displayName,
      credentials: { username, password },
      authorities: () => certificates.authorities,
      onChange
    })
    this.#unwatch = [store.watch(onChange), this.neighbourhood.onChanged(onChange)]
  }

  /** Opens the user's database and begins to look for listeners. */
  static async open(options: SessionOptions): Promise<Session> {
    const store = await InventoryStore.open(join(options.directory, 'users', options.username), options.sample)
    try {
      const session = new Session(options, store)
      // Without a network there is nobody to be found; the page says why, and the list works all the same.
      await session.neighbourhood.browse(true).catch(() => {})
      await session.#restore()
      return session
    } catch (error) {
      await store.close()
      throw error
    }
  }

  get offline(): boolean {
    return this.#offline
  }

  async connect(request: ConnectRequest): Promise<void> {
    await this.connections.connect(request)
    await this.#remember()
  }

  async disconnect(key: string): Promise<void> {
    await this.connections.disconnect(key)
    await this.#remember()
  }

  /** Forgets a typed address. */
  async forget(key: string): Promise<void> {
    await this.connections.forget(key)
    await this.#remember()
  }

  /** @throws ERR_INVENTORY_REFUSED while offline. */
  async startListener(tls: TlsMode): Promise<void> {
    if (this.#offline) throw inventoryErrors.create('ERR_INVENTORY_REFUSED', 'You are working offline', { hint: 'Go online first.' })
    await this.listener.start(tls)
    this.#listening = tls
    await this.#remember()
  }

  async stopListener(): Promise<void> {
    await this.listener.stop()
    this.#listening = undefined
    await this.#remember()
  }

  /** Connects to every listener there is, and to those that come. */
  connectToAll(mode: ValidationMode): void {
    const tried = new Set<string>()
    const connect = (): void => {
      for (const { id } of this.neighbourhood.devices) {
        if (tried.has(id) || this.connections.has(id)) continue
        tried.add(id)
        void this.connect({ key: id, mode }).catch(() => tried.delete(id))
      }
    }
    this.#unwatch.push(this.neighbourhood.onChanged(connect))
    connect()
  }

  /** As in flight mode: no connection either way, until it is undone; everything comes back then. */
  async goOffline(on: boolean): Promise<void> {
    if (on === this.#offline) return
    this.#offline = on
    this.connections.suspend(on)
    if (on) await this.listener.stop()
    else if (this.#listening !== undefined) await this.listener.start(this.#listening)
  }

  /** What ran at the last logout runs again; what cannot is shown on the page as any other failure. */
  async #restore(): Promise<void> {
    const { listener, connections } = await readRemembered(this.#rememberedIn)
    for (const connection of connections) await this.connections.restore(connection).catch(() => {})
    if (listener === undefined) return
    this.#listening = listener
    await this.listener.start(listener).catch(() => {})
  }

  /** Kept by the way: that it cannot be written must not stop anybody from working. */
  async #remember(): Promise<void> {
    this.#writing = this.#writing.then(async () => {
      const listener = this.#listening
      const remembered = { connections: this.connections.remembered, ...(listener !== undefined && { listener }) }
      await writeRemembered(this.#rememberedIn, remembered).catch(() => {})
    })
    await this.#writing
  }

  /** The users of the network first, then the database. */
  async close(): Promise<void> {
    for (const unwatch of this.#unwatch) unwatch()
    try {
      await this.#writing
      await Promise.all([this.connections.stop(), this.listener.stop()])
      await this.neighbourhood.shutdown()
    } finally {
      await this.store.close()
    }
  }
}

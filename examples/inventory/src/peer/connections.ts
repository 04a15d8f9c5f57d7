import type { ConnectRequest, NeighbourView } from '../contracts.ts'
import { readCertificate } from './certificates.ts'
import { Connection } from './connection.ts'
import { inventoryErrors } from './errors.ts'
import { Neighbourhood } from './neighbourhood.ts'
import type { RememberedConnection } from './remembered.ts'
import type { InventoryStore } from './store.ts'

/** A listener that was connected to since the login, or whose URL was typed in. */
interface Entry {
  readonly name: string
  readonly typedUrl: string | undefined
  connection: Connection | undefined
  /** How to connect again; undefined for credentials that are not those of the login. */
  remembered: RememberedConnection | undefined
}

const MAX_CONNECTIONS = 32

export interface ConnectionsOptions {
  readonly store: InventoryStore
  readonly neighbourhood: Neighbourhood
  /** Of this device, for the notes on conflicts. */
  readonly displayName: string
  readonly credentials: { readonly username: string; readonly password: string }
  readonly authorities: () => readonly string[]
  readonly onChange: () => void
}

/** All listeners around, and the connections with them. */
export class Connections {
  readonly #options: ConnectionsOptions
  readonly #entries = new Map<string, Entry>()
  #suspended = false

  constructor(options: ConnectionsOptions) {
    this.#options = options
  }

  get views(): NeighbourView[] {
    const found = this.#options.neighbourhood.devices.map((device): NeighbourView => {
      const tls = Neighbourhood.hasTls(device)
      return { key: device.id, name: device.displayName, present: true, typed: false, ...(tls !== undefined && { tls }) }
    })
    const present = new Set(found.map(({ key }) => key))
    const others = [...this.#entries]
      .filter(([key, { typedUrl, connection }]) => !present.has(key) && (typedUrl !== undefined || connection !== undefined))
      .map(([key, { name, typedUrl }]): NeighbourView => ({ key, name, present: typedUrl !== undefined, typed: typedUrl !== undefined }))
    return [...found, ...others].map((view) => {
      const connection = this.#entries.get(view.key)?.connection
      return connection === undefined ? view : { ...view, connection: connection.view }
    })
  }

  /** The connections to make again at the next login. */
  get remembered(): RememberedConnection[] {
    return [...this.#entries.values()].flatMap(({ connection, remembered }) => (connection === undefined ? [] : (remembered ?? [])))
  }

  has(key: string): boolean {
    return this.#entries.get(key)?.connection !== undefined
  }

  /**
   * Connects, in place of an earlier connection to the same listener.
   * @throws ERR_INVENTORY_REFUSED or ERR_INVENTORY_CERTIFICATE for what cannot be.
   */
  async connect({ key: given = '', url, mode, user, password, certificate }: ConnectRequest): Promise<void> {
    const typedUrl = url === undefined ? this.#entries.get(given)?.typedUrl : checkedUrl(url)
    const key = typedUrl ?? given
    const name = typedUrl ?? this.views.find((view) => view.key === key)?.name
    if (name === undefined) throw inventoryErrors.create('ERR_INVENTORY_REFUSED', 'That listener is not there any more')
    const target = {
      key,
      name,
      mode,
      ...(typedUrl !== undefined && { url: typedUrl }),
      ...(certificate !== undefined && { pin: certificate })
    }
    const { credentials } = this.#options
    const isOwn = user === undefined && password === undefined
    await this.#open(target, { username: user ?? credentials.username, password: password ?? credentials.password }, isOwn)
  }

  /** Makes a connection of an earlier login again; it waits for the listener when that is not there. */
  async restore(remembered: RememberedConnection): Promise<void> {
    await this.#open(remembered, this.#options.credentials, true)
  }

  async #open(target: RememberedConnection, credentials: ConnectionsOptions['credentials'], isOwn: boolean): Promise<void> {
    const { neighbourhood, store, displayName, authorities, onChange } = this.#options
    const { key, name, url, mode } = target
    if ([...this.#entries.values()].filter(({ connection }) => connection !== undefined).length >= MAX_CONNECTIONS)
      throw inventoryErrors.create('ERR_INVENTORY_REFUSED', `There are ${MAX_CONNECTIONS} connections already`)
    const pin = target.pin === undefined ? undefined : readCertificate(decodeFile(target.pin)).raw
    const connection = new Connection({
      database: store.database,
      resolver: store.resolver([displayName, name]),
      onChange,
      endpoint: {
        uid: key,
        description: name,
        mode,
        credentials,
        ...(pin !== undefined && { pin }),
        authorities: authorities(),
        locate: async (signal) => (url === undefined ? await neighbourhood.locate(key, signal) : { url, tls: undefined }),
        onSeen: (seen) =>
          neighbourhood.onChanged(() => {
            if (neighbourhood.devices.some(({ id }) => id === key)) seen()
          })
      }
    })
    const before = this.#entries.get(key)?.connection
    this.#entries.set(key, { name, typedUrl: url, connection, remembered: isOwn ? target : undefined })
    await before?.stop()
    // Meanwhile it may have been disconnected again, or replaced.
    if (this.#entries.get(key)?.connection !== connection) return
    connection.start()
    if (this.#suspended) connection.suspend()
    onChange()
  }

  /** Ends the connection; the listener stays in the list while it is on the network. */
  async disconnect(key: string): Promise<void> {
    const entry = this.#entries.get(key)
    const connection = entry?.connection
    if (entry === undefined || connection === undefined) return
    entry.connection = undefined
    await connection.stop()
    this.#options.onChange()
  }

  /** Forgets a typed URL. */
  async forget(key: string): Promise<void> {
    await this.disconnect(key)
    this.#entries.delete(key)
    this.#options.onChange()
  }

  retry(key: string): void {
    this.#entries.get(key)?.connection?.retryNow()
  }

  suspend(on: boolean): void {
    this.#suspended = on
    for (const { connection } of this.#entries.values()) on ? connection?.suspend() : connection?.resume()
    this.#options.onChange()
  }

  async stop(): Promise<void> {
    const entries = [...this.#entries.values()]
    this.#entries.clear()
    await Promise.all(entries.map(async ({ connection }) => await connection?.stop()))
  }
}

function decodeFile(base64: string): Buffer {
  const file = Buffer.from(base64, 'base64')
  if (file.length === 0) throw inventoryErrors.create('ERR_INVENTORY_CERTIFICATE', 'The file is empty')
  return file
}

/** @throws ERR_INVENTORY_REFUSED */
function checkedUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !['ws:', 'wss:'].includes(url.protocol) || url.pathname === '/' || url.username !== '')
    throw inventoryErrors.create('ERR_INVENTORY_REFUSED', 'A listener has a URL like wss://192.168.1.4:50123/userdb')
  return url.href
}

import { X509Certificate } from 'node:crypto'
import type { AppState, ConflictView, ItemVersionView, ItemView } from '../contracts.ts'
import type { Item } from '../model/item.ts'
import { isListed, quantityOf } from '../model/item.ts'
import { listedItems } from '../model/list-document.ts'
import type { ItemVersion } from '../model/resolve.ts'
import type { ConflictRecord } from '../model/conflict-record.ts'
import { readCertificate, viewOfCertificate } from './certificates.ts'
import { inventoryErrors, viewOf } from './errors.ts'
import { Session, type SessionOptions } from './session.ts'

export type AppOptions = Omit<SessionOptions, 'username' | 'password' | 'onChange'>

/** The application of one device, without its page: who is logged in, and everything they see. */
export class App {
  readonly #options: AppOptions
  readonly #observers = new Set<() => void>()
  #session: Session | undefined
  #transition: Promise<void> = Promise.resolve()

  constructor(options: AppOptions) {
    this.#options = options
  }

  get certificates(): AppOptions['certificates'] {
    return this.#options.certificates
  }

  /** @throws ERR_INVENTORY_REFUSED when nobody is logged in. */
  get session(): Session {
    if (this.#session === undefined) throw inventoryErrors.create('ERR_INVENTORY_REFUSED', 'Nobody is logged in', { hint: 'Log in first.' })
    return this.#session
  }

  /** Calls back when the state is another one; often, so gather. The returned function ends it. */
  onChange(observer: () => void): () => void {
    this.#observers.add(observer)
    return () => {
      this.#observers.delete(observer)
    }
  }

  /** @throws ERR_INVENTORY_LOGIN */
  async logIn(username: string, password: string): Promise<void> {
    if (!(await this.#options.users.check(username, password)))
      throw inventoryErrors.create('ERR_INVENTORY_LOGIN', 'The name or the password is wrong')
    await this.#after(async () => {
      if (this.#session?.username === username) return
      await this.#close()
      this.#session = await Session.open({ ...this.#options, username, password, onChange: this.changed })
      this.changed()
    })
  }

  async logOut(): Promise<void> {
    await this.#after(async () => {
      await this.#close()
    })
  }

  readonly changed = (): void => {
    for (const observer of this.#observers) observer()
  }

  get state(): AppState {
    const { deviceName, users, certificates } = this.#options
    const session = this.#session
    const common = {
      device: deviceName,
      users: users.names,
      identity: viewOfCertificate(new X509Certificate(certificates.given.certificateDer)),
      authorities: certificates.authorities.map((pem) => viewOfCertificate(readCertificate(Buffer.from(pem))))
    }
    if (session === undefined) {
      const listener = {
        state: 'off',
        tls: 'anonymous',
        urls: [],
        connections: 0,
        activeConnections: 0,
        clients: [],
        advertised: false
      } as const
      return { ...common, offline: false, items: [], removed: [], listener, browsing: false, neighbours: [], conflicts: [] }
    }
    const { list } = session.store
    const { browsing, error } = session.neighbourhood
    return {
      ...common,
      user: session.username,
      offline: session.offline,
      items: listedItems(list).map((item) => this.#viewOfItem(item)),
      removed: [...list.values()].filter((item) => !isListed(item)).map(({ id, name }) => ({ id, name: name.value })),
      listener: session.listener.view,
      browsing,
      ...(error !== undefined && { browseError: viewOf(error) }),
      neighbours: session.connections.views,
      conflicts: session.store.conflicts.map((record) => this.#viewOfConflict(record))
    }
  }

  #viewOfItem(item: Item): ItemView {
    const picture = this.#pictureUrl(item.picture.value?.digest)
    return { id: item.id, name: item.name.value, quantity: quantityOf(item), ...(picture !== undefined && { picture }) }
  }

  #viewOfConflict({ id, at, between, decisions }: ConflictRecord): ConflictView {
    return {
      id,
      at,
      by: between[0],
      between,
      decisions: decisions.map(({ id: item, local, remote, result, why }) => ({
        item,
        ...(local !== undefined && { here: this.#viewOfVersion(local) }),
        ...(remote !== undefined && { there: this.#viewOfVersion(remote) }),
        result: this.#viewOfVersion(result),
        why
      }))
    }
  }

  #viewOfVersion({ name, quantity, removed, picture: digest }: ItemVersion): ItemVersionView {
    const picture = this.#pictureUrl(digest)
    return { name, quantity, removed, ...(picture !== undefined && { picture }) }
  }

  #pictureUrl(digest: string | undefined): string | undefined {
    return digest !== undefined && this.session.store.hasPicture(digest) ? `/api/picture/${encodeURIComponent(digest)}` : undefined
  }

  async #close(): Promise<void> {
    const session = this.#session
    this.#session = undefined
    await session?.close()
    this.changed()
  }

  async #after(work: () => Promise<void>): Promise<void> {
    const next = this.#transition.then(work)
    this.#transition = next.catch(() => {})
    await next
  }
}

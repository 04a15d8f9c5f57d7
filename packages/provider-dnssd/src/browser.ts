import type { Buffer } from 'node:buffer'
import type { Clock, Logger } from '@kithmesh/core'
import { LinkBrowser } from './link-browser.ts'
import type { LinkInstance } from './link-browser.ts'
import { groupName, nameKey, typeName } from './names.ts'
import type { Link } from './sockets.ts'
import type { Message } from './dns-message.ts'

/** A service as the links show it. */
export interface FoundService {
  /** Full name, e.g. `Shop._couchbaseP2P._tcp.local`. */
  readonly name: string
  /** TXT record data; empty when the service does not answer for it. */
  readonly txt: Buffer
}

export interface BrowserOptions {
  readonly group: string
  readonly serviceType: string
  readonly clock: Clock
  readonly logger: Logger
  readonly random: () => number
  /** Whether a service is our own and not to be reported. */
  readonly isOwn: (name: string, txt: Buffer) => boolean
  readonly found: (services: readonly FoundService[]) => void
  readonly lost: (names: readonly string[]) => void
  readonly txtChanged: (name: string, txt: Buffer) => void
}

const noTxt = new Uint8Array(0) as Buffer

/** Merges what the links say: a service is there as long as one link lists it. */
export class Browser {
  readonly #options: BrowserOptions
  readonly #links = new Map<Link, LinkBrowser>()
  readonly #known = new Map<string, FoundService>()
  readonly #watchers = new Set<() => void>()

  constructor(options: BrowserOptions) {
    this.#options = options
  }

  get links(): readonly LinkBrowser[] {
    return [...this.#links.values()]
  }

  /** The service with this name, when it is listed. */
  get(name: string): FoundService | undefined {
    return this.#known.get(nameKey(name))
  }

  addLink(link: Link): void {
    if (this.#links.has(link)) return
    const { group, serviceType, clock, logger, random } = this.#options
    const browser = new LinkBrowser({
      link,
      clock,
      logger,
      random,
      listName: groupName(group, serviceType),
      typeName: typeName(serviceType),
      changed: (names) => {
        this.#evaluate(names)
      }
    })
    this.#links.set(link, browser)
    browser.start()
  }

  /** The link's addresses changed: ask again. */
  refreshLink(link: Link): void {
    this.#links.get(link)?.start()
  }

  removeLink(link: Link): void {
    const browser = this.#links.get(link)
    if (browser === undefined) return
    browser.stop()
    this.#links.delete(link)
    this.#evaluate(new Set(this.#known.keys()))
  }

  stop(): void {
    for (const browser of this.#links.values()) browser.stop()
    this.#links.clear()
    this.#known.clear()
    for (const watcher of this.#watchers) watcher()
    this.#watchers.clear()
  }

  receive(link: Link, message: Message): void {
    this.#links.get(link)?.receive(message)
  }

  /** Calls `watcher` whenever anything new is known, until the returned function is called. */
  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher)
    return () => {
      this.#watchers.delete(watcher)
    }
  }

  #evaluate(names: ReadonlySet<string>): void {
    const found: FoundService[] = []
    const lost: string[] = []
    const changed: FoundService[] = []
    for (const key of names) {
      const known = this.#known.get(key)
      const instances = [...this.#links.values()].flatMap((browser) => browser.instance(key) ?? [])
      const best =
        instances.find((instance) => instance.txt !== undefined && !instance.leaving) ??
        instances.find(({ leaving }) => !leaving) ??
        instances[0]
      if (best === undefined) {
        if (known !== undefined) {
          this.#known.delete(key)
          lost.push(known.name)
        }
        continue
      }
      const txt = this.#txt(best, known)
      if (txt === undefined) continue
      if (known === undefined) {
        if (best.leaving || this.#options.isOwn(best.name, txt)) continue
        const service = { name: best.name, txt }
        this.#known.set(key, service)
        found.push(service)
      } else if (!known.txt.equals(txt)) {
        const service = { name: known.name, txt }
        this.#known.set(key, service)
        changed.push(service)
      }
    }
    if (lost.length > 0) this.#options.lost(lost)
    if (found.length > 0) this.#options.found(found)
    for (const { name, txt } of changed) this.#options.txtChanged(name, txt)
    for (const watcher of [...this.#watchers]) watcher()
  }

  /** Undefined while it pays to wait for the TXT record of a new service. */
  #txt(instance: LinkInstance, known: FoundService | undefined): Buffer | undefined {
    return instance.txt ?? known?.txt ?? (instance.silent ? noTxt : undefined)
  }
}

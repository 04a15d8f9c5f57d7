import { nameKey } from './names.ts'
import type { PublishedService } from './published-service.ts'
import { recordKey } from './rdata.ts'
import type { Link } from './sockets.ts'
import type { ResourceRecord } from './dns-message.ts'

/** How long a record that we sent may still come back to us without being a conflict. */
const echoMs = 10_000

/** Our services by the names of their records, and which records are ours. Pure. */
export class ServiceRegistry {
  readonly #services = new Set<PublishedService>()
  readonly #byName = new Map<string, Set<PublishedService>>()
  /** Records that may still come back to us though they have changed: record key → until when. */
  readonly #echo = new Map<string, number>()

  get size(): number {
    return this.#services.size
  }
  get all(): Iterable<PublishedService> {
    return this.#services
  }

  add(service: PublishedService): void {
    this.#services.add(service)
    for (const key of service.nameKeys()) {
      const services = this.#byName.get(key)
      if (services === undefined) this.#byName.set(key, new Set([service]))
      else services.add(service)
    }
  }

  remove(service: PublishedService, keys: readonly string[] = service.nameKeys()): void {
    this.#services.delete(service)
    for (const key of keys) {
      const services = this.#byName.get(key)
      services?.delete(service)
      if (services?.size === 0) this.#byName.delete(key)
    }
  }

  /** Services that have records of this name, by its key. */
  named(key: string): Iterable<PublishedService> {
    return this.#byName.get(key) ?? []
  }

  /** Whether a service other than `service` is the instance of this name. */
  hasInstance(name: string, service: PublishedService): boolean {
    const key = nameKey(name)
    for (const other of this.named(key)) if (other !== service && nameKey(other.name) === key) return true
    return false
  }

  /** Whether one of our services publishes this record on any of the links, or did until a moment ago. */
  isOurs(record: ResourceRecord, links: Iterable<Link>, now: number): boolean {
    const key = recordKey(record)
    if ((this.#echo.get(key) ?? -Infinity) > now) return true
    for (const service of this.named(nameKey(record.name))) {
      for (const link of links) {
        const { instance, addresses } = service.records(link)
        if ([...instance, ...addresses].some((own) => recordKey(own) === key)) return true
      }
    }
    return false
  }

  /** Notes what a service sends, or sent until now: its echo is no conflict. */
  remember(service: PublishedService, links: Iterable<Link>, now: number): void {
    for (const link of links) {
      const { instance, addresses } = service.records(link)
      for (const record of [...instance, ...addresses]) this.#echo.set(recordKey(record), now + echoMs)
    }
    if (this.#echo.size < 100 + this.#services.size * 20) return
    for (const [key, until] of this.#echo) if (until < now) this.#echo.delete(key)
  }

  /** Whether a published service offers, on this link, what is about to be said goodbye to. */
  offers(goodbye: ResourceRecord, link: Link): boolean {
    const key = recordKey(goodbye)
    for (const service of this.named(nameKey(goodbye.name))) {
      const { shared, instance } = service.records(link)
      if (service.state === 'published' && [...shared, ...instance].some((record) => recordKey(record) === key)) return true
    }
    return false
  }
}

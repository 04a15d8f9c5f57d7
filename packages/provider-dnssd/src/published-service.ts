import type { Buffer } from 'node:buffer'
import type { Clock, Logger } from '@kithmesh/core'
import { dnssdErrors } from './errors.ts'
import { instanceName, nameKey, numberedLabel } from './names.ts'
import { serviceRecords } from './records.ts'
import type { ServiceDescription, ServiceRecords } from './records.ts'
import type { Link } from './sockets.ts'

/** Three probes, this far apart, after a random wait of at most as long (RFC 6762 §8.1). */
const probes = 3
const probePauseMs = 250
/** Who loses a simultaneous probe waits this long (RFC 6762 §8.2). */
const deferMs = 1000
/** After this many conflicts within ten seconds every further attempt waits five (RFC 6762 §8.1). */
const conflictBudget = 15
const conflictWindowMs = 10_000
const conflictPauseMs = 5000
/** After the first conflict: time for the names of the link to come in, so that the next try is likely to be free. */
const learnPauseMs = 200
/** Names that are tried at most. */
const maxNames = 100

/** What a service needs from the responder that holds it. */
export interface ServiceHost {
  readonly clock: Clock
  readonly logger: Logger
  readonly random: () => number
  probe(service: PublishedService): void
  announce(service: PublishedService): void
  /** The service goes by another name now; `before` are keys of the names it had. */
  renamed(service: PublishedService, before: readonly string[]): void
  /** Whether another service of ours has the full name or, with `hearsay`, the link is known to have it. */
  isTaken(name: string, service: PublishedService, hearsay: boolean): boolean
  /** Asks the link who is there. */
  learnNames(service: PublishedService): void
}

export type ServiceState = 'probing' | 'published' | 'withdrawn' | 'failed'

/** One service of ours: its names, its records, and its way from probing to published (RFC 6762 §8, §9). */
export class PublishedService {
  /** Resolves when the first announcement is on its way; rejects with ERR_DNSSD_NAME_CONFLICT or ERR_DNSSD_STOPPED. */
  readonly ready: Promise<void>
  state: ServiceState = 'probing'
  /** Its present name has been announced. */
  announced = false
  readonly #host: ServiceHost
  readonly #original: ServiceDescription
  readonly #onFailed: (error: Error) => void
  #description: ServiceDescription
  #records = new Map<Link, ServiceRecords>()
  #labelNumber = 1
  #hostNumber = 1
  #conflicts: number[] = []
  #cancel: (() => void) | undefined
  #resolve: () => void = () => {}
  #reject: (error: Error) => void = () => {}

  constructor(description: ServiceDescription, host: ServiceHost, onFailed: (error: Error) => void) {
    this.#description = this.#original = description
    this.#host = host
    this.#onFailed = onFailed
    this.ready = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.ready.catch(() => {})
  }

  /** Full name it has now. */
  get name(): string {
    return instanceName(this.#description.label, this.#description.serviceType)
  }
  get hostName(): string {
    return `${this.#description.host}.local`
  }
  get label(): string {
    return this.#description.label
  }
  get serviceType(): string {
    return this.#description.serviceType
  }

  records(link: Link): ServiceRecords {
    let records = this.#records.get(link)
    if (records === undefined) this.#records.set(link, (records = serviceRecords(this.#description, link.addresses)))
    return records
  }

  /** Keys of all names its records have on the links. */
  nameKeys(): string[] {
    const { shared, typeListing, name, hostName } = serviceRecords(this.#description, [])
    return [...shared, typeListing].map((record) => nameKey(record.name)).concat(nameKey(name), nameKey(hostName))
  }

  /** Begins to probe, or announces at once. */
  start(probe: boolean): void {
    if (this.#host.isTaken(this.name, this, false)) this.#nextLabel()
    if (!probe) {
      this.#publish()
      return
    }
    this.#probeAfter(this.#host.random() * probePauseMs)
  }

  /** Replaces the TXT record data. */
  setTxt(txt: Buffer): void {
    this.#description = { ...this.#description, txt }
    this.#records.clear()
  }

  /** The link's addresses are others now. */
  forgetLink(link: Link): void {
    this.#records.delete(link)
  }

  /** Somebody else has one of our names, or keeps it against our probe. */
  conflict(about: 'instance' | 'host'): void {
    if (this.state !== 'probing' && this.state !== 'published') return
    const now = this.#host.clock.monotonic()
    this.#conflicts = [...this.#conflicts.filter((at) => now - at < conflictWindowMs), now]
    if (this.state === 'published') {
      // Back to probing with the same names; who holds them will say so (RFC 6762 §9).
      this.#host.logger.info('Another host uses a name of ours', { service: this.name, host: this.hostName })
      this.state = 'probing'
      this.#probeAfter(this.#pause(0))
      return
    }
    const first = this.#labelNumber === 1 && this.#hostNumber === 1
    if (about === 'host') this.#nextHost()
    else {
      if (first) this.#host.learnNames(this)
      this.#nextLabel()
    }
    if (this.#labelNumber > maxNames || this.#hostNumber > maxNames) {
      this.#end(
        'failed',
        dnssdErrors.create(
          'ERR_DNSSD_NAME_CONFLICT',
          `The name "${this.#original.label}" is taken, and so are its numbered variants up to ${maxNames}`
        )
      )
      return
    }
    this.#probeAfter(this.#pause(first && about === 'instance' ? learnPauseMs : 0))
  }

  /** Somebody probes for the same name at the same time and comes first. */
  defer(): void {
    if (this.state === 'probing') this.#probeAfter(this.#pause(deferMs))
  }

  withdraw(): void {
    this.#end('withdrawn', dnssdErrors.create('ERR_DNSSD_STOPPED', `Publishing of ${this.name} was stopped`))
  }

  #end(state: 'withdrawn' | 'failed', error: Error): void {
    const wasProbing = this.state === 'probing'
    this.#cancel?.()
    this.state = state
    if (wasProbing) this.#reject(error)
    if (state === 'failed') this.#onFailed(error)
  }

  #pause(least: number): number {
    return this.#conflicts.length >= conflictBudget ? conflictPauseMs : least
  }

  #probeAfter(ms: number, done = 0): void {
    this.#cancel?.()
    this.#cancel = this.#host.clock.after(ms, () => {
      if (this.state !== 'probing') return
      if (done === probes) {
        this.#publish()
        return
      }
      // What was learnt since the conflict may save a try.
      if (done === 0 && this.#labelNumber > 1 && this.#host.isTaken(this.name, this, true)) this.#nextLabel()
      this.#host.probe(this)
      this.#probeAfter(probePauseMs, done + 1)
    })
  }

  #publish(): void {
    this.state = 'published'
    this.announced = true
    this.#host.announce(this)
    this.#resolve()
  }

  #nextLabel(): void {
    const before = this.nameKeys()
    do {
      this.#labelNumber++
      this.#description = { ...this.#description, label: numberedLabel(this.#original.label, this.#labelNumber) }
    } while (this.#labelNumber <= maxNames && this.#host.isTaken(this.name, this, true))
    this.#renamed(before)
  }

  #nextHost(): void {
    const before = this.nameKeys()
    this.#hostNumber++
    this.#description = { ...this.#description, host: numberedLabel(this.#original.host, this.#hostNumber, '-') }
    this.#renamed(before)
  }

  #renamed(before: readonly string[]): void {
    this.announced = false
    this.#records.clear()
    this.#host.renamed(this, before)
  }
}

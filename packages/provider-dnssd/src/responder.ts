/** Publishes services on all links: probes, announces, answers, defends, says goodbye (RFC 6762 §6–§10). */
import type { Buffer } from 'node:buffer'
import type { Clock, Logger } from '@kithmesh/core'
import { answersOf, isKnown, knownAnswerMap } from './answers.ts'
import type { Answer } from './answers.ts'
import { compareProbes } from './conflicts.ts'
import { GroupQueue } from './group-queue.ts'
import { nameKey, typeName } from './names.ts'
import { packGroups, packQuery } from './packets.ts'
import { PublishedService } from './published-service.ts'
import type { ServiceHost } from './published-service.ts'
import { recordKey, rrType } from './rdata.ts'
import { goodbyeRecords } from './records.ts'
import type { ServiceDescription } from './records.ts'
import { TakenNames } from './taken-names.ts'
import type { Link, Sender } from './sockets.ts'
import type { Message, Question, ResourceRecord } from './wire.ts'

/** One record is multicast on a link at most once in this time (RFC 6762 §6). */
const repeatMs = 1000
/** The second announcement and the second goodbye come this much later. */
const secondAnnouncementMs = 1000
const secondGoodbyeMs = 60
/** A query whose list of known answers goes on is answered after this time without a further part (RFC 6762 §7.2). */
const continuationMs = 450
/** Lists under way that are kept at once. */
const maxContinuations = 256
/** Answers to resolvers that know nothing of multicast are short-lived (RFC 6762 §6.7). */
const legacyTtl = 10
/** How long a record that we sent may still come back to us without being a conflict. */
const echoMs = 10_000

interface LinkState {
  readonly link: Link
  readonly responses: GroupQueue
  readonly probes: GroupQueue
  /** When a record was, or will be, multicast last; by record key. */
  readonly sentAt: Map<string, number>
}

interface Continuation {
  questions: readonly Question[]
  known: ResourceRecord[]
  cancel: () => void
}

export interface ResponderOptions {
  readonly clock: Clock
  readonly logger: Logger
  readonly random: () => number
  /** The UDP port; queries from another one are from simple resolvers and answered directly. */
  readonly port: number
}

export class Responder {
  readonly #options: ResponderOptions
  readonly #clock: Clock
  readonly #links = new Map<Link, LinkState>()
  readonly #services = new Set<PublishedService>()
  readonly #byName = new Map<string, Set<PublishedService>>()
  readonly #taken: TakenNames
  /** Records of ours that may still come back to us though they have changed: record key → until when. */
  readonly #echo = new Map<string, number>()
  readonly #continuations = new Map<string, Continuation>()
  readonly #host: ServiceHost

  constructor (options: ResponderOptions) {
    this.#options = options
    this.#clock = options.clock
    this.#taken = new TakenNames()
    this.#host = {
      clock: options.clock,
      logger: options.logger,
      random: options.random,
      probe: (service) => { this.#probe(service) },
      announce: (service) => { this.#announce(service) },
      renamed: (service, before) => {
        this.#unindex(service, before)
        this.#index(service)
      },
      isTaken: (name, service, hearsay) => this.#isTaken(name, service, hearsay),
      learnNames: (service) => {
        for (const packet of packQuery([{ name: typeName(service.serviceType), type: rrType.PTR }])) for (const link of this.#links.keys()) link.send(packet)
      }
    }
  }

  get size (): number { return this.#services.size }

  addLink (link: Link): void {
    if (this.#links.has(link)) return
    this.#links.set(link, { link, responses: new GroupQueue(link, this.#clock, true), probes: new GroupQueue(link, this.#clock, false), sentAt: new Map() })
    for (const service of this.#services) if (service.state === 'published') this.#announce(service)
  }

  removeLink (link: Link): void {
    const state = this.#links.get(link)
    if (state === undefined) return
    this.#links.delete(link)
    state.responses.close()
    state.probes.close()
    for (const service of this.#services) {
      this.#remember(service)
      service.forgetLink(link)
    }
  }

  /** The link has other addresses: tell them. */
  refreshLink (link: Link): void {
    for (const service of this.#services) {
      this.#remember(service)
      service.forgetLink(link)
      if (service.state === 'published') this.#announce(service)
    }
  }

  stop (): void {
    for (const { cancel } of this.#continuations.values()) cancel()
    this.#continuations.clear()
    for (const link of [...this.#links.keys()]) this.removeLink(link)
  }

  /** Publishes a service; see {@link PublishedService.ready}. @param onFailed also called when it loses its name later */
  publish (description: ServiceDescription, probe: boolean, onFailed: (error: Error) => void): PublishedService {
    const service: PublishedService = new PublishedService(description, this.#host, (error) => {
      this.#remove(service)
      onFailed(error)
    })
    this.#services.add(service)
    this.#index(service)
    service.start(probe)
    return service
  }

  /** Announces new TXT record data; old copies are to be forgotten. */
  updateTxt (service: PublishedService, txt: Buffer): void {
    this.#remember(service)
    service.setTxt(txt)
    if (service.state === 'published') this.#announce(service)
  }

  /** Says goodbye, twice; resolves when both have left. */
  async withdraw (service: PublishedService): Promise<void> {
    const wasAnnounced = service.announced
    this.#remember(service)
    const farewells = [...this.#links.values()].map((state) => ({ state, records: goodbyeRecords(service.records(state.link)) }))
    service.withdraw()
    this.#remove(service)
    if (!wasAnnounced) return
    await Promise.all(farewells.map(async ({ state, records }) => {
      const make = (): { answers: ResourceRecord[] } => ({ answers: records.filter((record) => !this.#isOffered(state.link, record)) })
      await Promise.all([0, secondGoodbyeMs].map((delay) => new Promise<void>((resolve) => { state.responses.add(delay, make, resolve) })))
      await state.link.idle()
    }))
  }

  /** Takes in any packet of the link, our own included. */
  receive (link: Link, message: Message, from: Sender): void {
    if (message.response) this.#receiveResponse(message)
    else this.#receiveQuery(link, message, from)
  }

  // -- other hosts' claims -------------------------------------------------------------------------------------------

  #receiveResponse (message: Message): void {
    const now = this.#clock.monotonic()
    const conflicts = new Map<PublishedService, 'instance' | 'host'>()
    for (const record of [...message.answers, ...message.additionals]) {
      const { type } = record.data
      if (type === rrType.PTR) { this.#taken.add(record, now); continue }
      if (record.ttl === 0 || type === rrType.NSEC || this.#isOurs(record, now)) continue
      const key = nameKey(record.name)
      for (const service of this.#byName.get(key) ?? []) {
        if (key === nameKey(service.name)) conflicts.set(service, 'instance')
        else if (key === nameKey(service.hostName) && !conflicts.has(service)) conflicts.set(service, 'host')
      }
    }
    for (const [service, about] of conflicts) {
      if (about === 'instance') this.#taken.addName(service.name, now)
      service.conflict(about)
    }
  }

  #receiveProbe (link: Link, message: Message): void {
    const now = this.#clock.monotonic()
    for (const name of new Set(message.questions.map((question) => nameKey(question.name)))) {
      const proposed = message.authorities.filter((record) => nameKey(record.name) === name)
      if (proposed.every((record) => this.#isOurs(record, now))) continue
      for (const service of this.#byName.get(name) ?? []) {
        if (service.state !== 'probing') continue
        const { instance, addresses } = service.records(link)
        const own = [...instance, ...addresses].filter((record) => nameKey(record.name) === name)
        if (own.length > 0 && compareProbes(own, proposed) < 0) service.defer()
      }
    }
  }

  #isOurs (record: ResourceRecord, now: number): boolean {
    const key = recordKey(record)
    if ((this.#echo.get(key) ?? -Infinity) > now) return true
    for (const service of this.#byName.get(nameKey(record.name)) ?? []) {
      for (const link of this.#links.keys()) {
        const { instance, addresses } = service.records(link)
        if ([...instance, ...addresses].some((own) => recordKey(own) === key)) return true
      }
    }
    return false
  }

  #isTaken (name: string, service: PublishedService, hearsay: boolean): boolean {
    const key = nameKey(name)
    for (const other of this.#byName.get(key) ?? []) if (other !== service && nameKey(other.name) === key) return true
    return hearsay && this.#taken.has(name, this.#clock.monotonic())
  }

  // -- questions -----------------------------------------------------------------------------------------------------

  #receiveQuery (link: Link, message: Message, from: Sender): void {
    if (from.port !== this.#options.port) { this.#answerDirectly(link, message, from); return }
    if (message.authorities.length > 0) this.#receiveProbe(link, message)
    const key = `${link.name}|${from.address}|${message.id}`
    const earlier = this.#continuations.get(key)
    if (earlier !== undefined && message.questions.length === 0) {
      earlier.cancel()
      earlier.known.push(...message.answers)
      if (message.truncated && earlier.known.length < 100_000) earlier.cancel = this.#clock.after(continuationMs, () => { this.#answerContinued(link, key) })
      else this.#answerContinued(link, key)
    } else if (message.truncated && this.#continuations.size < maxContinuations && this.#matches(message.questions).size > 0) {
      if (earlier !== undefined) { earlier.cancel(); this.#answerContinued(link, key) }
      this.#continuations.set(key, {
        questions: message.questions,
        known: [...message.answers],
        cancel: this.#clock.after(continuationMs, () => { this.#answerContinued(link, key) })
      })
    } else if (message.questions.length > 0) {
      this.#answer(link, message.questions, message.answers, message.authorities.length > 0)
    }
  }

  #answerContinued (link: Link, key: string): void {
    const query = this.#continuations.get(key)
    this.#continuations.delete(key)
    if (query !== undefined) this.#answer(link, query.questions, query.known, false)
  }

  #matches (questions: readonly Question[]): Set<PublishedService> {
    return new Set(questions.flatMap((question) => [...this.#byName.get(nameKey(question.name)) ?? []]))
  }

  #answer (link: Link, questions: readonly Question[], knownRecords: readonly ResourceRecord[], probe: boolean): void {
    const state = this.#links.get(link)
    if (state === undefined) return
    const known = knownAnswerMap(knownRecords)
    const now = this.#clock.monotonic()
    const sharedDelay = 20 + this.#options.random() * 100
    for (const question of questions) {
      for (const service of this.#byName.get(nameKey(question.name)) ?? []) {
        if (service.state !== 'published') continue
        for (const { record, shared } of answersOf(service.records(link), question)) {
          if (isKnown(record, known)) continue
          const key = recordKey(record)
          // Asked again within a second of the last answer: the asker gets it as soon as that second is over.
          const earliest = probe ? now : Math.max(now, (state.sentAt.get(key) ?? -Infinity) + repeatMs)
          if (!probe && (state.sentAt.get(key) ?? -Infinity) > now) continue
          const due = Math.max(earliest, now + (shared ? sharedDelay : 0))
          state.sentAt.set(key, due)
          state.responses.add(due - now, () => this.#stillAnswers(service, link, question, key))
        }
      }
    }
    this.#forgetOld(state, now)
  }

  /** The answer as it is when it is sent; nothing when the record has changed or gone in the meantime. */
  #stillAnswers (service: PublishedService, link: Link, question: Question, key: string): { answers: ResourceRecord[], additionals: readonly ResourceRecord[] } | undefined {
    if (service.state !== 'published' || !this.#links.has(link)) return undefined
    const answer = answersOf(service.records(link), question).find(({ record }) => recordKey(record) === key)
    return answer === undefined ? undefined : { answers: [answer.record], additionals: answer.additionals }
  }

  /** For simple resolvers: one packet, with their id and question, without cache-flush bits (RFC 6762 §6.7). */
  #answerDirectly (link: Link, message: Message, from: Sender): void {
    const answers: Answer[] = message.questions.slice(0, 4).flatMap((question) => [...this.#byName.get(nameKey(question.name)) ?? []]
      .filter((service) => service.state === 'published')
      .flatMap((service) => answersOf(service.records(link), question)))
    if (answers.length === 0) return
    const simple = (record: ResourceRecord): ResourceRecord => ({ ...record, flush: false, ttl: Math.min(record.ttl, legacyTtl) })
    const groups = answers.map(({ record, additionals }) => ({ answers: [simple(record)], additionals: additionals.filter(({ data }) => data.type !== rrType.NSEC).map(simple) }))
    const [first = {}, ...rest] = groups
    const [packet] = packGroups([{ ...first, questions: message.questions.slice(0, 4).map(({ name, type }) => ({ name, type })) }, ...rest], { response: true, id: message.id })
    if (packet !== undefined) link.reply(packet, from)
  }

  // -- speaking up ---------------------------------------------------------------------------------------------------

  #probe (service: PublishedService): void {
    this.#remember(service)
    for (const { link, probes } of this.#links.values()) {
      probes.add(0, () => {
        if (service.state !== 'probing') return undefined
        const { name, hostName, instance, addresses } = service.records(link)
        // Not asked for unicast answers: on a port that several programs share those reach only one of them.
        return { questions: [name, hostName].map((asked) => ({ name: asked, type: rrType.ANY })), authorities: [...instance, ...addresses] }
      })
    }
  }

  #announce (service: PublishedService): void {
    for (const state of this.#links.values()) {
      for (const delay of [0, secondAnnouncementMs]) {
        state.responses.add(delay, () => {
          if (service.state !== 'published') return undefined
          this.#remember(service)
          const { shared, typeListing, instance, addresses, negative } = service.records(state.link)
          const answers = [...shared, typeListing, ...instance, ...addresses]
          const now = this.#clock.monotonic()
          for (const record of answers) state.sentAt.set(recordKey(record), now)
          return { answers, additionals: negative }
        })
      }
    }
  }

  /** Whether a service of ours (again) offers what is about to be said goodbye to. */
  #isOffered (link: Link, goodbye: ResourceRecord): boolean {
    const key = recordKey(goodbye)
    for (const service of this.#byName.get(nameKey(goodbye.name)) ?? []) {
      const { shared, instance } = service.records(link)
      if (service.state === 'published' && [...shared, ...instance].some((record) => recordKey(record) === key)) return true
    }
    return false
  }

  /** Notes which records we send, or sent until now: their echo is no conflict. */
  #remember (service: PublishedService): void {
    const now = this.#clock.monotonic()
    for (const link of this.#links.keys()) {
      const { instance, addresses } = service.records(link)
      for (const record of [...instance, ...addresses]) this.#echo.set(recordKey(record), now + echoMs)
    }
    if (this.#echo.size < 100 + this.#services.size * 20) return
    for (const [key, until] of this.#echo) if (until < now) this.#echo.delete(key)
  }

  #forgetOld (state: LinkState, now: number): void {
    if (state.sentAt.size < 1000 + this.#services.size * 10) return
    for (const [key, at] of state.sentAt) if (at < now - repeatMs) state.sentAt.delete(key)
  }

  #index (service: PublishedService): void {
    for (const key of service.nameKeys()) {
      const services = this.#byName.get(key)
      if (services === undefined) this.#byName.set(key, new Set([service]))
      else services.add(service)
    }
  }

  #unindex (service: PublishedService, keys: readonly string[]): void {
    for (const key of keys) {
      const services = this.#byName.get(key)
      services?.delete(service)
      if (services?.size === 0) this.#byName.delete(key)
    }
  }

  #remove (service: PublishedService): void {
    this.#services.delete(service)
    this.#unindex(service, service.nameKeys())
  }
}

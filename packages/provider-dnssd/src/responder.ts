/**
 * Publishes services on all links: probes, announces, answers, defends, says goodbye (RFC 6762 §6–§10).
 * One file because all of these share what was sent on a link and when.
 */
import type { Buffer } from 'node:buffer'
import type { Clock, Logger } from '@kithmesh/core'
import { answersOf, isKnown, knownAnswerMap } from './answers.ts'
import { compareProbes } from './conflicts.ts'
import { directAnswer, maxDirectQuestions } from './direct-answer.ts'
import { GroupQueue } from './group-queue.ts'
import { nameKey, typeName } from './names.ts'
import { packQuery } from './packets.ts'
import { PublishedService } from './published-service.ts'
import type { ServiceHost } from './published-service.ts'
import { recordKey, rrType } from './rdata.ts'
import { goodbyeRecords } from './records.ts'
import type { ServiceDescription } from './records.ts'
import { QueryAssembler } from './query-assembler.ts'
import { ServiceRegistry } from './service-registry.ts'
import { TakenNames } from './taken-names.ts'
import type { Link, Sender } from './sockets.ts'
import type { Message, Question, ResourceRecord } from './dns-message.ts'

/** One record is multicast on a link at most once in this time (RFC 6762 §6). */
const repeatMs = 1000
/** An answer to a probe must not wait that long (RFC 6762 §6). */
const defendMs = 250
/** The second announcement and the second goodbye come this much later. */
const secondAnnouncementMs = 1000
const secondGoodbyeMs = 60
interface LinkState {
  readonly link: Link
  readonly responses: GroupQueue
  readonly probes: GroupQueue
  /** When a record was, or will be, multicast last; by record key. */
  readonly sentAt: Map<string, number>
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
  readonly #registry = new ServiceRegistry()
  readonly #taken = new TakenNames()
  readonly #queries: QueryAssembler
  readonly #host: ServiceHost

  constructor(options: ResponderOptions) {
    this.#options = options
    this.#clock = options.clock
    this.#queries = new QueryAssembler(options.clock, (link, questions, known) => {
      this.#answer(link, questions, known, false)
    })
    this.#host = {
      clock: options.clock,
      logger: options.logger,
      random: options.random,
      probe: (service) => {
        this.#probe(service)
      },
      announce: (service) => {
        this.#announce(service)
      },
      renamed: (service, before) => {
        this.#registry.remove(service, before)
        this.#registry.add(service)
      },
      isTaken: (name, service, hearsay) =>
        this.#registry.hasInstance(name, service) || (hearsay && this.#taken.has(name, this.#clock.monotonic())),
      learnNames: (service) => {
        for (const packet of packQuery([{ name: typeName(service.serviceType), type: rrType.PTR }]))
          for (const link of this.#links.keys()) link.send(packet)
      }
    }
  }

  /** How many services there are. */
  get size(): number {
    return this.#registry.size
  }

  addLink(link: Link): void {
    if (this.#links.has(link)) return
    this.#links.set(link, {
      link,
      responses: new GroupQueue(link, this.#clock, true),
      probes: new GroupQueue(link, this.#clock, false),
      sentAt: new Map()
    })
    for (const service of this.#registry.all) if (service.state === 'published') this.#announce(service)
  }

  removeLink(link: Link): void {
    const state = this.#links.get(link)
    if (state === undefined) return
    this.#links.delete(link)
    state.responses.close()
    state.probes.close()
    for (const service of this.#registry.all) {
      this.#remember(service)
      service.forgetLink(link)
    }
  }

  /** The link has other addresses: tell them. */
  refreshLink(link: Link): void {
    for (const service of this.#registry.all) {
      this.#remember(service)
      service.forgetLink(link)
      if (service.state === 'published') this.#announce(service)
    }
  }

  stop(): void {
    this.#queries.stop()
    for (const link of [...this.#links.keys()]) this.removeLink(link)
  }

  /** Publishes a service; see {@link PublishedService.ready}. @param onFailed also called when it loses its name later */
  publish(description: ServiceDescription, probe: boolean, onFailed: (error: Error) => void): PublishedService {
    const service: PublishedService = new PublishedService(description, this.#host, (error) => {
      this.#registry.remove(service)
      onFailed(error)
    })
    this.#registry.add(service)
    service.start(probe)
    return service
  }

  /** Announces new TXT record data; old copies are to be forgotten. */
  updateTxt(service: PublishedService, txt: Buffer): void {
    this.#remember(service)
    service.setTxt(txt)
    if (service.state === 'published') this.#announce(service)
  }

  /** Says goodbye, twice; resolves when both have left. */
  async withdraw(service: PublishedService): Promise<void> {
    const wasAnnounced = service.announced
    this.#remember(service)
    const farewells = [...this.#links.values()].map((state) => ({ state, records: goodbyeRecords(service.records(state.link)) }))
    service.withdraw()
    this.#registry.remove(service)
    if (!wasAnnounced) return
    await Promise.all(
      farewells.map(async ({ state, records }) => {
        const make = (): { answers: ResourceRecord[] } => ({
          answers: records.filter((record) => !this.#registry.offers(record, state.link))
        })
        await Promise.all(
          [0, secondGoodbyeMs].map(
            (delay) =>
              new Promise<void>((resolve) => {
                state.responses.add(delay, make, resolve)
              })
          )
        )
        await state.link.idle()
      })
    )
  }

  /** Takes in any packet of the link, our own included. */
  receive(link: Link, message: Message, from: Sender): void {
    if (message.response) this.#receiveResponse(message)
    else this.#receiveQuery(link, message, from)
  }

  // -- other hosts' claims -------------------------------------------------------------------------------------------

  #receiveResponse(message: Message): void {
    const now = this.#clock.monotonic()
    const conflicts = new Map<PublishedService, 'instance' | 'host'>()
    for (const record of [...message.answers, ...message.additionals]) {
      const { type } = record.data
      if (type === rrType.PTR) {
        this.#taken.add(record, now)
        continue
      }
      if (record.ttl === 0 || type === rrType.NSEC || this.#registry.isOurs(record, this.#links.keys(), now)) continue
      const key = nameKey(record.name)
      for (const service of this.#registry.named(key)) {
        if (key === nameKey(service.name)) conflicts.set(service, 'instance')
        else if (key === nameKey(service.hostName) && !conflicts.has(service)) conflicts.set(service, 'host')
      }
    }
    for (const [service, about] of conflicts) {
      if (about === 'instance') this.#taken.addName(service.name, now)
      service.conflict(about)
    }
  }

  #receiveProbe(link: Link, message: Message): void {
    const now = this.#clock.monotonic()
    for (const name of new Set(message.questions.map((question) => nameKey(question.name)))) {
      const proposed = message.authorities.filter((record) => nameKey(record.name) === name)
      if (proposed.every((record) => this.#registry.isOurs(record, this.#links.keys(), now))) continue
      for (const service of this.#registry.named(name)) {
        if (service.state !== 'probing') continue
        const { instance, addresses } = service.records(link)
        const own = [...instance, ...addresses].filter((record) => nameKey(record.name) === name)
        if (own.length > 0 && compareProbes(own, proposed) < 0) service.defer()
      }
    }
  }

  // -- questions -----------------------------------------------------------------------------------------------------

  #receiveQuery(link: Link, message: Message, from: Sender): void {
    if (from.port !== this.#options.port) {
      this.#answerDirectly(link, message, from)
      return
    }
    if (message.authorities.length > 0) this.#receiveProbe(link, message)
    // A probe is answered at once (RFC 6762 §6).
    if (message.authorities.length > 0) this.#answer(link, message.questions, message.answers, true)
    else this.#queries.receive(link, message, from)
  }

  #answer(link: Link, questions: readonly Question[], knownRecords: readonly ResourceRecord[], probe: boolean): void {
    const state = this.#links.get(link)
    if (state === undefined) return
    const known = knownAnswerMap(knownRecords)
    const now = this.#clock.monotonic()
    const sharedDelay = 20 + this.#options.random() * 100
    for (const question of questions) {
      for (const service of this.#registry.named(nameKey(question.name))) {
        if (service.state !== 'published') continue
        for (const { record, shared } of answersOf(service.records(link), question)) {
          if (isKnown(record, known)) continue
          const key = recordKey(record)
          // Asked again within a second of the last answer: the asker gets it as soon as that second is over.
          const last = state.sentAt.get(key) ?? -Infinity
          const tooLate = probe && last - now > defendMs
          if (last > now && !tooLate) continue
          const earliest = tooLate ? now : Math.max(now, last + (probe ? defendMs : repeatMs))
          const due = Math.max(earliest, now + (shared ? sharedDelay : 0))
          state.sentAt.set(key, due)
          state.responses.add(due - now, () => this.#stillAnswers(service, link, question, key))
        }
      }
    }
    this.#forgetOld(state, now)
  }

  /** The answer as it is when it is sent; nothing when the record has changed or gone in the meantime. */
  #stillAnswers(
    service: PublishedService,
    link: Link,
    question: Question,
    key: string
  ): { answers: ResourceRecord[]; additionals: readonly ResourceRecord[] } | undefined {
    if (service.state !== 'published' || !this.#links.has(link)) return undefined
    const answer = answersOf(service.records(link), question).find(({ record }) => recordKey(record) === key)
    return answer === undefined ? undefined : { answers: [answer.record], additionals: answer.additionals }
  }

  #answerDirectly(link: Link, message: Message, from: Sender): void {
    const answers = message.questions
      .slice(0, maxDirectQuestions)
      .flatMap((question) =>
        [...this.#registry.named(nameKey(question.name))]
          .filter((service) => service.state === 'published')
          .flatMap((service) => answersOf(service.records(link), question))
      )
    if (answers.length === 0) return
    const packet = directAnswer(message, answers)
    if (packet !== undefined) link.reply(packet, from)
  }

  // -- speaking up ---------------------------------------------------------------------------------------------------

  #probe(service: PublishedService): void {
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

  #announce(service: PublishedService): void {
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

  /** Notes which records we send, or sent until now: their echo is no conflict. */
  #remember(service: PublishedService): void {
    this.#registry.remember(service, this.#links.keys(), this.#clock.monotonic())
  }

  #forgetOld(state: LinkState, now: number): void {
    if (state.sentAt.size < 1000 + this.#registry.size * 10) return
    for (const [key, at] of state.sentAt) if (at < now - repeatMs) state.sentAt.delete(key)
  }
}

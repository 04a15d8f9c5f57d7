import type { Buffer } from 'node:buffer'
import type { Clock, Logger } from '@kithmesh/core'
import { RecordCache } from './cache.ts'
import type { CachedRecord } from './cache.ts'
import { nameKey } from './names.ts'
import { packQuery } from './packets.ts'
import { rrType } from './rdata.ts'
import type { Link } from './sockets.ts'
import type { Message, Question, ResourceRecord } from './dns-message.ts'

/** The longest pause between two queries for the group (RFC 6762 §5.2). */
const maxQueryPauseMs = 3_600_000
/** Questions are collected this long, so that many share a packet. */
const gatherMs = 20
/** One question is not asked more often on a link (RFC 6762 §5.2). */
const repeatMs = 1000
/** Pauses before asking for what a listed service lacks: SRV and TXT. */
const followUpPausesMs = [100, 1000, 2000, 4000, 8000]
/** Services that are asked for what they lack at the same time. */
const maxIncomplete = 5000

export interface LinkBrowserOptions {
  readonly link: Link
  readonly clock: Clock
  readonly logger: Logger
  /** 0 ≤ x < 1. */
  readonly random: () => number
  /** Name whose PTR records list the services, `my-app._sub._couchbaseP2P._tcp.local`. */
  readonly listName: string
  /** `_couchbaseP2P._tcp.local` */
  readonly typeName: string
  /** Something is known about these names (keys) that was not known before, or not known any more. */
  readonly changed: (names: ReadonlySet<string>) => void
}

/** What a link says about one service. */
export interface LinkInstance {
  readonly name: string
  /** It said goodbye and will be gone within a second. */
  readonly leaving: boolean
  readonly txt: Buffer | undefined
  /** It has been asked for TXT more than once without an answer. */
  readonly silent: boolean
}

/** Asks one link for the services of a group and keeps what it answers. */
export class LinkBrowser {
  readonly link: Link
  readonly #options: LinkBrowserOptions
  readonly #clock: Clock
  readonly #cache: RecordCache
  readonly #listKey: string
  readonly #typeSuffix: string
  /** Listed services that lack SRV or TXT. */
  readonly #incomplete = new Map<string, { readonly name: string; tries: number; due: number }>()
  readonly #asked = new Map<string, number>()
  #questions = new Map<string, Question>()
  #queryPause = 0
  #cancelQuery: (() => void) | undefined
  #cancelGather: (() => void) | undefined
  #wake: { readonly at: number; readonly cancel: () => void } | undefined
  #full = false
  #stopped = false

  constructor(options: LinkBrowserOptions) {
    this.#options = options
    this.link = options.link
    this.#clock = options.clock
    this.#cache = new RecordCache(options.random() * 0.02)
    this.#listKey = nameKey(options.listName)
    this.#typeSuffix = '.' + nameKey(options.typeName)
  }

  /** Begins, or begins again, the series of queries: at once, after 1 s, 2 s, 4 s … up to an hour. */
  start(): void {
    this.#cancelQuery?.()
    this.#queryPause = 500
    this.#cancelQuery = this.#clock.after(20 + this.#options.random() * 100, () => {
      this.#queryList()
    })
  }

  stop(): void {
    this.#stopped = true
    this.#cancelQuery?.()
    this.#cancelGather?.()
    this.#wake?.cancel()
  }

  /** Takes in a packet of answers. */
  receive(message: Message): void {
    if (this.#stopped) return
    const now = this.#clock.monotonic()
    const records = [...message.answers, ...message.additionals].filter((record) => this.#useful(record))
    if (records.length === 0) return
    const { names, refused } = this.#cache.add(records, now)
    if (refused > 0 && !this.#full) {
      this.#full = true
      this.#options.logger.warn('The link has more services than are kept', { interface: this.link.name, records: this.#cache.size })
    }
    const touched = new Set(names)
    for (const { name, data } of records) {
      if (data.type !== rrType.PTR) continue
      const target = nameKey(data.target)
      if (names.has(nameKey(name))) touched.add(target)
      if (this.#listing(target, now) !== undefined) this.#checkComplete(data.target, target, now)
    }
    for (const key of names) if (this.#incomplete.has(key) && this.#isComplete(key, now)) this.#incomplete.delete(key)
    this.#plan(now)
    if (touched.size > 0) this.#options.changed(touched)
  }

  /** Everything known about a listed service; undefined when it is not listed on this link. */
  instance(key: string): LinkInstance | undefined {
    const now = this.#clock.monotonic()
    const listed = this.#listing(key, now)
    if (listed === undefined || listed.record.data.type !== rrType.PTR) return undefined
    const text = this.#cache.find(key, rrType.TXT, now)[0]?.record.data
    return {
      name: listed.record.data.target,
      leaving: listed.leaving,
      txt: text?.type === rrType.TXT ? text.bytes : undefined,
      silent: (this.#incomplete.get(key)?.tries ?? 0) > 1
    }
  }

  find(name: string, type: number): CachedRecord[] {
    return this.#cache.find(name, type, this.#clock.monotonic())
  }

  /** Asks soon; together with other questions, and not twice within a second. */
  ask(questions: readonly Question[]): void {
    const now = this.#clock.monotonic()
    for (const question of questions) {
      const key = `${question.type}|${nameKey(question.name)}`
      if (now - (this.#asked.get(key) ?? -Infinity) >= repeatMs) this.#questions.set(key, question)
    }
    if (this.#questions.size > 0)
      this.#cancelGather ??= this.#clock.after(gatherMs, () => {
        this.#sendQuestions()
      })
  }

  #useful({ name, data }: ResourceRecord): boolean {
    const key = nameKey(name)
    switch (data.type) {
      case rrType.PTR:
        return key === this.#listKey && nameKey(data.target).endsWith(this.#typeSuffix)
      case rrType.SRV:
      case rrType.TXT:
        return key.endsWith(this.#typeSuffix)
      case rrType.A:
      case rrType.AAAA:
        return true
      default:
        return false
    }
  }

  #listing(key: string, now: number): CachedRecord | undefined {
    return this.#cache.get(this.#listKey, `${rrType.PTR}|${key}`, now)
  }

  #isComplete(key: string, now: number): boolean {
    return this.#cache.find(key, rrType.TXT, now).length > 0 && this.#cache.find(key, rrType.SRV, now).length > 0
  }

  #checkComplete(name: string, key: string, now: number): void {
    const known = this.#incomplete.get(key)
    if (this.#isComplete(key, now)) {
      this.#incomplete.delete(key)
      return
    }
    if (known === undefined && this.#incomplete.size >= maxIncomplete) return
    if (known === undefined) this.#incomplete.set(key, { name, tries: 0, due: now + (followUpPausesMs[0] as number) })
    else if (known.tries >= followUpPausesMs.length) Object.assign(known, { tries: 1, due: now + repeatMs })
  }

  #queryList(): void {
    const now = this.#clock.monotonic()
    const question: Question = { name: this.#options.listName, type: rrType.PTR }
    // Several programs of one host share address and port: the id keeps the parts of our list apart from theirs.
    const packets = packQuery(
      [question],
      this.#cache.knownAnswers(question.name, rrType.PTR, now),
      1 + Math.floor(this.#options.random() * 65535)
    )
    for (const packet of packets) this.link.send(packet)
    this.#asked.set(`${rrType.PTR}|${this.#listKey}`, now)
    this.#queryPause = Math.min(maxQueryPauseMs, this.#queryPause * 2)
    this.#cancelQuery = this.#clock.after(this.#queryPause, () => {
      this.#queryList()
    })
  }

  #sendQuestions(): void {
    this.#cancelGather = undefined
    const now = this.#clock.monotonic()
    const questions = [...this.#questions.values()]
    this.#questions = new Map()
    for (const [key, at] of this.#asked) if (now - at > repeatMs) this.#asked.delete(key)
    for (const question of questions) this.#asked.set(`${question.type}|${nameKey(question.name)}`, now)
    const known = questions.some(({ name, type }) => type === rrType.PTR && nameKey(name) === this.#listKey)
      ? this.#cache.knownAnswers(this.#options.listName, rrType.PTR, now)
      : []
    for (const packet of packQuery(questions, known, 1 + Math.floor(this.#options.random() * 65535))) this.link.send(packet)
  }

  /** Ages the cache, asks for what is due, and sleeps until there is more to do. */
  #tend(): void {
    this.#wake = undefined
    const now = this.#clock.monotonic()
    const changed = new Set<string>()
    for (const { name, data } of this.#cache.expire(now)) {
      const key = nameKey(name)
      changed.add(key)
      if (data.type === rrType.PTR) {
        changed.add(nameKey(data.target))
        this.#incomplete.delete(nameKey(data.target))
      }
      // Asked four times where it is, and no answer: whatever the list says, nobody can reach it.
      if (data.type === rrType.SRV && this.#cache.find(name, rrType.SRV, now).length === 0) {
        this.#cache.remove(this.#options.listName, rrType.PTR, key)
        this.#incomplete.delete(key)
      }
    }
    const questions: Question[] = this.#cache
      .due(
        now,
        ({ name, data }) =>
          data.type === rrType.PTR ||
          ((data.type === rrType.SRV || data.type === rrType.TXT) && this.#listing(nameKey(name), now) !== undefined)
      )
      .map(({ name, data }) => ({ name, type: data.type }))
    for (const [key, missing] of this.#incomplete) {
      if (missing.due > now) continue
      if (this.#cache.find(key, rrType.TXT, now).length === 0) questions.push({ name: missing.name, type: rrType.TXT })
      if (this.#cache.find(key, rrType.SRV, now).length === 0) questions.push({ name: missing.name, type: rrType.SRV })
      missing.tries++
      missing.due = now + (followUpPausesMs[missing.tries] ?? Infinity)
      if (missing.tries === 2) changed.add(key)
    }
    this.ask(questions)
    this.#plan(now)
    if (changed.size > 0) this.#options.changed(changed)
  }

  #plan(now: number): void {
    let at = this.#cache.nextEvent()
    for (const { due } of this.#incomplete.values()) at = Math.min(at, due)
    if (this.#wake !== undefined && this.#wake.at <= at) return
    this.#wake?.cancel()
    this.#wake = undefined
    if (at === Infinity || this.#stopped) return
    const delay = Math.min(Math.max(at - now, 10), 2_000_000_000)
    this.#wake = {
      at,
      cancel: this.#clock.after(delay, () => {
        this.#tend()
      })
    }
  }
}

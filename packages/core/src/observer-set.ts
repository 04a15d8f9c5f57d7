import type { Logger } from './contracts/logger.ts'

/** What a member of an observer is called with. */
export type ObserverArguments<Observer, Member extends keyof Observer> =
  NonNullable<Observer[Member]> extends (...args: infer A) => unknown ? A : never

/** Joins two successive calls of a member into one, for batches. */
export type Mergers<Observer> = {
  readonly [Member in keyof Observer]?: (
    earlier: ObserverArguments<Observer, Member>,
    later: ObserverArguments<Observer, Member>
  ) => ObserverArguments<Observer, Member>
}

interface Registration<Observer> {
  readonly observer: Observer
  active: boolean
  reported: boolean
}

interface Delivery<Observer> {
  readonly member: keyof Observer & string
  args: unknown[]
  /** Who was registered when it happened. The array is shared by deliveries until somebody comes or goes. */
  readonly to: readonly Registration<Observer>[]
}

/**
 * Observers with optional members, called in the order of registration.
 *
 * - Nobody is called from inside `notify`: deliveries happen in a later microtask, in order.
 * - An observer that throws, or returns a promise that rejects, is logged once as an error and disturbs nobody.
 * - An observer sees what happened between its registration and its removal, nothing else; both may happen during a delivery.
 */
export class ObserverSet<Observer extends object> {
  readonly #logger: Logger
  readonly #mergers: Mergers<Observer>
  #registrations: readonly Registration<Observer>[] = []
  #queue: Delivery<Observer>[] = []
  #idle: Promise<void> | undefined

  constructor(logger: Logger, mergers: Mergers<Observer> = {}) {
    this.#logger = logger
    this.#mergers = mergers
  }

  /** Registering an observer that is registered does nothing; either way the returned function removes it. */
  add(observer: Observer): () => void {
    let registration = this.#registrations.find((known) => known.observer === observer)
    if (registration === undefined) {
      registration = { observer, active: true, reported: false }
      this.#registrations = [...this.#registrations, registration]
    }
    const own = registration
    return () => {
      this.#drop(own)
    }
  }

  remove(observer: Observer): void {
    const registration = this.#registrations.find((known) => known.observer === observer)
    if (registration !== undefined) this.#drop(registration)
  }

  clear(): void {
    for (const registration of this.#registrations) registration.active = false
    this.#registrations = []
    this.#queue = []
  }

  /** Calls the member of every observer soon. Where a merger is given, calls of one member in a row become one. */
  notify<Member extends keyof Observer & string>(member: Member, ...args: ObserverArguments<Observer, Member>): void {
    if (this.#registrations.length === 0) return
    const last = this.#queue.at(-1)
    const merge = this.#mergers[member]
    if (merge !== undefined && last?.member === member && last.to === this.#registrations) {
      last.args = merge(last.args as ObserverArguments<Observer, Member>, args)
      return
    }
    this.#queue.push({ member, args, to: this.#registrations })
    this.#idle ??= Promise.resolve().then(() => {
      this.#deliver()
    })
  }

  /** Asks now, in the order of registration, until one answers true. An observer that throws counts as "no". */
  ask<Member extends keyof Observer & string>(member: Member, ...args: ObserverArguments<Observer, Member>): boolean {
    return this.#registrations.some((registration) => registration.active && this.#call(registration, member, args) === true)
  }

  /** Resolves when everything notified so far, and what that led to, is delivered. */
  async idle(): Promise<void> {
    while (this.#idle !== undefined) await this.#idle
  }

  #deliver(): void {
    const queue = this.#queue
    this.#queue = []
    this.#idle = undefined
    for (const { member, args, to } of queue) {
      for (const registration of to) {
        if (registration.active) this.#call(registration, member, args)
      }
    }
  }

  #call(registration: Registration<Observer>, member: keyof Observer & string, args: unknown[]): unknown {
    try {
      const call = registration.observer[member] as ((...args: unknown[]) => unknown) | undefined
      const result = call?.apply(registration.observer, args)
      if (result instanceof Promise)
        result.catch((error: unknown) => {
          this.#report(registration, member, error)
        })
      return result
    } catch (error) {
      this.#report(registration, member, error)
      return undefined
    }
  }

  #report(registration: Registration<Observer>, member: string, error: unknown): void {
    if (registration.reported) {
      this.#logger.debug(`An observer failed again in ${member}`, { error })
      return
    }
    registration.reported = true
    this.#logger.error(`An observer failed in ${member}; its further failures are logged at debug level`, { error })
  }

  #drop(registration: Registration<Observer>): void {
    registration.active = false
    if (this.#registrations.includes(registration)) this.#registrations = this.#registrations.filter((known) => known !== registration)
  }
}

// The one file that imports tsyringe (style.md §5.2). Tokens and factories only: no decorators, nothing on the process-wide
// container, no lifetimes of its container either: those are the Disposer's.
import './reflect.ts'
import { container as processWide, instancePerContainerCachingFactory } from 'tsyringe'
import type { DependencyContainer } from 'tsyringe'
import { coreErrors } from '../errors.ts'
import { Disposer } from './disposer.ts'

declare const typeTag: unique symbol

/** Names a component and carries its type. */
export type Token<T> = symbol & { readonly [typeTag]?: (value: T) => T }

export const token = <T>(description: string): Token<T> => Symbol(description) as Token<T>

/** Builds the components of one composition, each at most once, on first use. */
export class Injector {
  readonly #container: DependencyContainer
  readonly #disposer: Disposer
  /** Tokens being resolved, outermost first; shared with children. */
  readonly #resolving: symbol[]

  constructor(parent?: Injector) {
    this.#container = (parent === undefined ? processWide : parent.#container).createChildContainer()
    this.#disposer = parent === undefined ? new Disposer() : parent.#disposer
    this.#resolving = parent === undefined ? [] : parent.#resolving
  }

  value<T>(key: Token<T>, value: T): this {
    this.#container.register<T>(key, { useValue: value })
    return this
  }

  /** `make` is given this injector, not the one that asks, so a parent's component never captures a child's. */
  factory<T>(key: Token<T>, make: (injector: Injector) => T): this {
    this.#container.register<T>(key, { useFactory: instancePerContainerCachingFactory(() => make(this)) })
    return this
  }

  /** @throws ERR_CORE_INJECTION for an unknown token, ERR_CORE_INJECTION_CYCLE naming the circle, or what the factory throws. */
  get<T>(key: Token<T>): T {
    const names = (keys: readonly symbol[]): string => keys.map((each) => each.description ?? '?').join(' → ')
    const at = this.#resolving.indexOf(key)
    if (at !== -1)
      throw coreErrors.create('ERR_CORE_INJECTION_CYCLE', `Components need each other: ${names([...this.#resolving.slice(at), key])}`)
    if (!this.#container.isRegistered(key, true))
      throw coreErrors.create('ERR_CORE_INJECTION', `Nothing is registered for ${names([...this.#resolving, key])}`)
    this.#resolving.push(key)
    try {
      return this.#container.resolve<T>(key)
    } finally {
      this.#resolving.pop()
    }
  }

  /** Has something ended by {@link Injector.dispose}, after everything that is registered later. */
  own(dispose: () => Promise<void>): void {
    this.#disposer.own(dispose)
  }

  /** Ends everything owned, last first. @throws ERR_CORE_DISPOSE */
  async dispose(): Promise<void> {
    await this.#disposer.dispose()
  }
}

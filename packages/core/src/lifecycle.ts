import { Deferred } from './deferred.ts'

export type LifecycleState = 'stopped' | 'starting' | 'started' | 'stopping'

/** What a {@link Lifecycle} drives. */
export interface LifecycleHooks {
  /**
   * Takes everything into use. The signal aborts when a stop is requested meanwhile: heeding it makes that stop quicker,
   * ignoring it is correct too. When it rejects, `stop` is called to undo what had been started.
   */
  start(signal: AbortSignal): Promise<void>
  /** Releases everything, also after a `start` that got only half way. Never called concurrently with `start`. */
  stop(): Promise<void>
  /** Told of every change of state, synchronously. */
  stateChanged?(state: LifecycleState): void
}

/**
 * Serialises start and stop of one thing. Both are idempotent and may be called in any order, any number of times:
 * concurrent calls of the same kind share one promise, the opposite call waits for its turn, a start that fails is rolled back.
 * The hooks must not await their own `start()` or `stop()`.
 *
 * @example
 * const lifecycle = new Lifecycle({ start: async () => { await server.listen() }, stop: async () => { await server.close() } })
 * await lifecycle.start()
 */
export class Lifecycle {
  readonly #hooks: LifecycleHooks
  #state: LifecycleState = 'stopped'
  /** The kind and promise of the transition that was requested last; undefined when it has ended. */
  #latest: { readonly to: 'started' | 'stopped'; readonly promise: Promise<void> } | undefined
  #startAbort: AbortController | undefined

  constructor(hooks: LifecycleHooks) {
    this.#hooks = hooks
  }

  get state(): LifecycleState {
    return this.#state
  }

  /**
   * Resolves once started; at once when it is.
   * Rejects with what the start hook threw, after the roll-back; when the roll-back failed too, with an AggregateError of both.
   */
  start(): Promise<void> {
    if (this.#latest?.to === 'started') return this.#latest.promise
    if (this.#latest === undefined && this.#state === 'started') return Promise.resolve()
    const abort = new AbortController()
    this.#startAbort = abort
    return this.#enqueue('started', () => this.#doStart(abort.signal))
  }

  /** Resolves once stopped; at once when it is. Rejects with what the stop hook threw; the state is `stopped` nevertheless. */
  stop(): Promise<void> {
    if (this.#latest?.to === 'stopped') return this.#latest.promise
    if (this.#latest === undefined && this.#state === 'stopped') return Promise.resolve()
    this.#startAbort?.abort(new DOMException('Stopped while starting', 'AbortError'))
    return this.#enqueue('stopped', () => this.#doStop())
  }

  #enqueue(to: 'started' | 'stopped', run: () => Promise<void>): Promise<void> {
    const done = new Deferred<void>()
    const previous = this.#latest?.promise
    const latest = { to, promise: done.promise }
    this.#latest = latest
    const finish = (settle: () => void): void => {
      if (this.#latest === latest) this.#latest = undefined
      settle()
    }
    const go = (): void => {
      run().then(
        () => {
          finish(() => {
            done.resolve()
          })
        },
        (error: unknown) => {
          finish(() => {
            done.reject(error)
          })
        }
      )
    }
    if (previous === undefined) go()
    else previous.then(go, go)
    return done.promise
  }

  async #doStart(signal: AbortSignal): Promise<void> {
    this.#become('starting')
    try {
      await this.#hooks.start(signal)
    } catch (error) {
      await this.#rollBack(error)
      throw error
    }
    this.#become('started')
  }

  async #rollBack(error: unknown): Promise<void> {
    try {
      await this.#hooks.stop()
    } catch (second) {
      throw new AggregateError([error, second], 'Starting failed, and so did undoing it', { cause: error })
    } finally {
      this.#become('stopped')
    }
  }

  async #doStop(): Promise<void> {
    if (this.#state === 'stopped') return
    this.#become('stopping')
    try {
      await this.#hooks.stop()
    } finally {
      this.#become('stopped')
    }
  }

  #become(state: LifecycleState): void {
    this.#state = state
    this.#hooks.stateChanged?.(state)
  }
}

import { Lifecycle, type Logger } from '@kithmesh/core/plugin'
import { bleErrors } from '../errors.ts'

export interface BackendLifeHooks {
  /**
   * Takes everything into use, in order.
   * @param gone to be called when Bluetooth goes, now or later
   * @param signal aborts when it is not to go on
   */
  start(gone: (error: Error) => void, signal: AbortSignal): Promise<void>
  /** What has to be given up, in order; all of it is, also when some fails, and also when it was not begun. Settles what `start` waits for. */
  readonly stop: readonly (() => Promise<void> | void)[]
}

/** One start, until the stop or loss that follows it. */
interface Run {
  lost: ((error: Error) => void) | undefined
  readonly controller: AbortController
}

/** Start, stop and loss of a backend, as its contract has them: `lost` is told once, and after everything has ended. */
export class BackendLife {
  readonly #lifecycle: Lifecycle
  readonly #hooks: BackendLifeHooks
  readonly #logger: Logger
  #wanted: ((error: Error) => void) | undefined
  #run: Run | undefined

  constructor(hooks: BackendLifeHooks, logger: Logger) {
    this.#hooks = hooks
    this.#logger = logger
    this.#lifecycle = new Lifecycle({ start: (signal) => this.#begin(signal), stop: () => this.#end() })
  }

  /** Whether it was started, and not stopped or lost since. */
  get started(): boolean {
    return this.#lifecycle.state === 'started' && this.#run?.controller.signal.aborted === false
  }

  async start(lost: (error: Error) => void): Promise<void> {
    this.#wanted = lost
    await this.#lifecycle.start()
    if (this.#run !== undefined && this.#wanted === lost) this.#run.lost = lost
  }

  async stop(): Promise<void> {
    this.#wanted = undefined
    if (this.#run !== undefined) this.#run.lost = undefined
    await this.#lifecycle.stop()
  }

  async #begin(stopped: AbortSignal): Promise<void> {
    const controller = new AbortController()
    const { signal } = controller
    const run: Run = { lost: this.#wanted, controller }
    this.#run = run
    let started = false
    const gone = (error: Error): void => {
      if (signal.aborted) return
      controller.abort(error)
      if (started) void this.#lose(run, error)
    }
    const onStop = (): void => {
      controller.abort(stopReason())
    }
    stopped.addEventListener('abort', onStop, { once: true })
    try {
      await new Promise<void>((resolve, reject) => {
        signal.addEventListener(
          'abort',
          () => {
            reject(signal.reason as Error)
          },
          { once: true }
        )
        this.#hooks.start(gone, signal).then(resolve, reject)
      })
      started = true
    } catch (error) {
      controller.abort(error)
      throw error
    } finally {
      stopped.removeEventListener('abort', onStop)
    }
  }

  async #end(): Promise<void> {
    this.#run?.controller.abort(stopReason())
    for (const stop of this.#hooks.stop) {
      try {
        await stop()
      } catch (error) {
        this.#logger.warn('Something of Bluetooth did not end properly', { error })
      }
    }
  }

  async #lose(run: Run, error: Error): Promise<void> {
    // Not through `stop`, which would forget who is to be told.
    await this.#lifecycle.stop()
    run.lost?.(error)
  }
}

function stopReason(): Error {
  return bleErrors.create('ERR_BLE_SHUT_DOWN', 'Bluetooth was stopped')
}

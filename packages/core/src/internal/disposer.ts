import { coreErrors } from '../errors.ts'

/** Ends things in the reverse order of their registration, all of them, whatever fails (Node 20 has no AsyncDisposableStack). */
export class Disposer {
  readonly #entries: Array<() => Promise<void>> = []
  #disposing: Promise<void> | undefined

  /** @throws TypeError when it is disposed already. */
  own(dispose: () => Promise<void>): void {
    if (this.#disposing !== undefined) throw new TypeError('Already disposed')
    this.#entries.push(dispose)
  }

  /** Idempotent. @throws ERR_CORE_DISPOSE at the end when something failed, with an AggregateError as the cause. */
  dispose(): Promise<void> {
    this.#disposing ??= this.#run()
    return this.#disposing
  }

  async #run(): Promise<void> {
    const errors: unknown[] = []
    for (let entry = this.#entries.pop(); entry !== undefined; entry = this.#entries.pop()) {
      try {
        await entry()
      } catch (error) {
        if (error instanceof AggregateError) errors.push(...(error.errors as unknown[]))
        else errors.push(error)
      }
    }
    if (errors.length === 0) return
    const messages = errors.map((error) => (error instanceof Error ? error.message : String(error))).join('; ')
    throw coreErrors.create('ERR_CORE_DISPOSE', `Shutting down failed in part: ${messages}`, {
      cause: new AggregateError(errors, messages)
    })
  }
}

/** Runs all side by side and waits for all. @throws AggregateError of every failure. */
export async function allSettledOrThrow(runs: ReadonlyArray<() => Promise<void>>): Promise<void> {
  const results = await Promise.allSettled(
    runs.map(async (run) => {
      await run()
    })
  )
  const errors = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []))
  if (errors.length > 0) throw new AggregateError(errors, 'Several operations failed')
}

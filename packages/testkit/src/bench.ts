import assert from 'node:assert/strict'
import { eventually, within } from './eventually.ts'

/** What the suites' benches have in common: every wait is bounded by the time that the harness gives its subject to settle. */
export abstract class Bench {
  /** Milliseconds. */
  readonly settleMs: number

  constructor(settleMs: number) {
    this.settleMs = settleMs
  }

  async eventually<T>(reason: string, check: () => T): Promise<Exclude<T, undefined | false>> {
    return (await eventually(reason, check, { withinMs: this.settleMs })) as Exclude<T, undefined | false>
  }

  async eventuallyAsync(reason: string, check: () => Promise<boolean>): Promise<void> {
    await eventually(reason, check, { withinMs: this.settleMs })
  }

  async settles<T>(promise: Promise<T>, what: string): Promise<T> {
    return await within(promise, this.settleMs, what)
  }

  /** The error a promise rejects with. */
  async rejection(promise: Promise<unknown>, what: string): Promise<unknown> {
    const outcome = await this.settles(
      promise.then(
        () => undefined,
        (error: unknown) => ({ error })
      ),
      what
    )
    assert.ok(outcome !== undefined, `${what} resolved, and it has to reject`)
    return outcome.error
  }
}

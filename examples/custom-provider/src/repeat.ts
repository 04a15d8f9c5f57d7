import { type Clock, withDeadline } from '@kithmesh/core/plugin'

export interface RepeatOptions {
  readonly clock: Clock
  /** Pause between one round and the next. */
  readonly everyMs: number
  /** How long a round may take: a medium may hang for as long as its server is away. */
  readonly deadlineMs: number
  /** Begins the message of the error when a round takes longer. */
  readonly what: string
  readonly round: () => Promise<void>
  /** A round failed once more after as many before it; no other follows. */
  readonly failed: (error: unknown) => void
}

/** Failures in a row that are put up with. */
const MAX_FAILURES = 3

/** Runs rounds one after another. The returned function ends that and resolves when none is under way any more. */
export function repeat({ clock, everyMs, deadlineMs, what, round, failed }: RepeatOptions): () => Promise<void> {
  let running: Promise<void> = Promise.resolve()
  let ended = false
  let failures = 0
  let cancel = clock.after(everyMs, next)

  function next(): void {
    running = withDeadline(round, { clock, ms: deadlineMs, what }).then(
      () => {
        failures = 0
        if (!ended) cancel = clock.after(everyMs, next)
      },
      (error: unknown) => {
        if (ended) return
        if (++failures > MAX_FAILURES) failed(error)
        else cancel = clock.after(everyMs, next)
      }
    )
  }

  return async () => {
    ended = true
    cancel()
    await running
  }
}

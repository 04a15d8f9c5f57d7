import { joinSignals } from '@kithmesh/core/plugin'
import type { ChangeEntry } from './contracts/replication.ts'

export interface FeedOptions {
  readonly since: number
  /** Signals that end it. */
  readonly ends: ReadonlyArray<AbortSignal | undefined>
  read(since: number, limit: number): ChangeEntry[]
  watch(listener: () => void): () => void
}

const BATCH = 200

/** Yields changes as they come; holds one batch at most and reads on only when that is used up. */
export async function* feed({ since, ends, read, watch }: FeedOptions): AsyncGenerator<ChangeEntry, void, undefined> {
  let wake = (): void => {}
  let changed = true
  const onChange = (): void => {
    changed = true
    wake()
  }
  const unwatch = watch(onChange)
  const { signal, release } = joinSignals(...ends)
  signal.addEventListener('abort', onChange)
  try {
    while (!signal.aborted) {
      if (!changed)
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      if (signal.aborted) return
      changed = false
      for (;;) {
        const batch = read(since, BATCH)
        for (const change of batch) {
          yield change
          since = change.sequence
          if (signal.aborted) return
        }
        if (batch.length < BATCH) break
      }
    }
  } finally {
    release()
    unwatch()
  }
}

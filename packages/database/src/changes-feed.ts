import type { ChangeEntry } from './contracts/replication.ts'

export interface FeedOptions {
  readonly since: number
  readonly signal: AbortSignal
  read(since: number, limit: number): ChangeEntry[]
  watch(listener: () => void): () => void
}

const BATCH = 200

/** Yields changes as they come; holds one batch at most and reads on only when that is used up. */
export async function* feed({ since, signal, read, watch }: FeedOptions): AsyncGenerator<ChangeEntry, void, undefined> {
  let wake = (): void => {}
  let changed = true
  const onChange = (): void => {
    changed = true
    wake()
  }
  const unwatch = watch(onChange)
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
    signal.removeEventListener('abort', onChange)
    unwatch()
  }
}

import type { OpenResources } from './messages.ts'

/** Follows which handles and timers keep a process alive, and since which check. */
export class ResourceWatch {
  readonly #baseline: ReadonlyMap<string, number>
  readonly #samples: { readonly name: string; readonly counts: ReadonlyMap<string, number> }[] = []

  constructor() {
    this.#baseline = counted()
  }

  /** A check is over. */
  sample(name: string): void {
    this.#samples.push({ name, counts: counted() })
  }

  /** What is there now and was not at the beginning. */
  open(): readonly OpenResources[] {
    const found: OpenResources[] = []
    for (const [type, now] of counted()) {
      const before = this.#baseline.get(type) ?? 0
      if (now <= before) continue
      // The last check after which there were fewer than now is followed by the one that left the last of them.
      let since: string | undefined = this.#samples[0]?.name
      this.#samples.forEach(({ counts }, index) => {
        if ((counts.get(type) ?? 0) <= before) since = this.#samples[index + 1]?.name
      })
      found.push({ type, count: now - before, since })
    }
    return found
  }
}

function counted(): Map<string, number> {
  const counts = new Map<string, number>()
  for (const type of process.getActiveResourcesInfo()) counts.set(type, (counts.get(type) ?? 0) + 1)
  return counts
}

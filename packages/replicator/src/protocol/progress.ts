import { completedUpTo, rangesInclude, rangesWithout } from './checkpoint.ts'
import type { Ranges } from './checkpoint.ts'
import { NumberMap } from '@kithmesh/core/plugin'
import type { RemoteSequence } from './sequences.ts'

/** Which local sequences are pushed: everything up to `scannedTo` that is not pending, and what an earlier session did beyond. */
export class PushProgress {
  #scannedTo: number
  #beyond: Ranges
  readonly #pending = new NumberMap<true>()

  constructor(completed: Ranges) {
    this.#scannedTo = completedUpTo(completed)
    this.#beyond = completed.filter(([, end]) => end > this.#scannedTo + 1)
  }

  get scannedTo(): number {
    return this.#scannedTo
  }
  get pendingCount(): number {
    return this.#pending.size
  }
  /** Everything up to here is pushed. */
  get upTo(): number {
    const { first } = this.#pending
    return first === undefined ? this.#scannedTo : first - 1
  }

  /** Whether an earlier session already pushed this sequence, which was not scanned yet. */
  isCompletedEarlier(sequence: number): boolean {
    return this.#beyond.length > 0 && sequence > this.#scannedTo && rangesInclude(this.#beyond, sequence)
  }

  /** Records a scan up to `upTo`, in which `pending` (ascending) remain to be pushed. */
  scanned(upTo: number, pending: readonly number[]): void {
    for (const sequence of pending) this.#pending.set(sequence, true)
    this.#scannedTo = upTo
    if (this.#beyond.length > 0) this.#beyond = this.#beyond.filter(([, end]) => end > upTo + 1)
  }

  /** Something completed has to be pushed once more. */
  reopen(sequence: number): void {
    if (sequence <= this.#scannedTo) this.#pending.set(sequence, true)
  }

  complete(sequence: number): void {
    this.#pending.delete(sequence)
  }

  isPending(sequence: number): boolean {
    return sequence > this.#scannedTo ? !this.isCompletedEarlier(sequence) : this.#pending.has(sequence)
  }

  completed(): Ranges {
    return rangesWithout(this.#scannedTo, this.#pending.keys(), this.#beyond)
  }
}

/** One announced remote revision on its way. */
export interface RemoteEntry {
  readonly sequence: RemoteSequence
  readonly id: string
  done: boolean
}

/** How far the remote's sequences are pulled: they are opaque, so order of arrival is what counts (cbmobile.md §4). */
export class PullProgress {
  #reached: RemoteSequence | undefined
  readonly #queue: RemoteEntry[] = []
  #head = 0

  constructor(reached: RemoteSequence | undefined) {
    this.#reached = reached
  }

  /** The last sequence with everything before it done. */
  get reached(): RemoteSequence | undefined {
    return this.#reached
  }
  get missing(): number {
    return this.#queue.length - this.#head
  }

  announce(sequence: RemoteSequence, done: boolean, id = ''): RemoteEntry | undefined {
    if (done && this.#head === this.#queue.length) {
      this.#reached = sequence
      return undefined
    }
    const entry = { sequence, id, done }
    this.#queue.push(entry)
    return entry
  }

  complete(entry: RemoteEntry): void {
    entry.done = true
    const queue = this.#queue
    while (this.#head < queue.length && (queue[this.#head] as RemoteEntry).done) {
      this.#reached = (queue[this.#head++] as RemoteEntry).sequence
    }
    if (this.#head === queue.length) {
      queue.length = 0
      this.#head = 0
    } else if (this.#head > 1024 && this.#head * 2 > queue.length) {
      queue.splice(0, this.#head)
      this.#head = 0
    }
  }
}

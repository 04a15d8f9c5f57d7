/**
 * A fingerprint of all that happened, in its order: two runs are the same when theirs are. Cheap enough to be on always. With `keep`, the
 * last events are kept as text as well, to be shown when something went wrong.
 */
export class Trace {
  #low = 0x811c9dc5
  #high = 0x1b873593
  #events = 0
  readonly #kept: string[] = []
  readonly #keep: number

  constructor(keep = 0) {
    this.#keep = keep
  }

  get events(): number {
    return this.#events
  }

  /** 16 hex digits. */
  get hash(): string {
    const hex = (part: number): string => (part >>> 0).toString(16).padStart(8, '0')
    return hex(this.#high) + hex(this.#low)
  }

  /** What was noted last, oldest first; empty unless it is kept. */
  get last(): readonly string[] {
    return this.#kept
  }

  /** Something happened at an instant: what kind of thing, and two numbers that say more. */
  note(at: number, kind: number, one: number, two: number): void {
    this.#events++
    this.#mix(at)
    this.#mix((kind << 24) ^ one)
    this.#mix(two)
  }

  /** The same in words. */
  say(at: number, what: string): void {
    this.#events++
    this.#mix(at)
    for (let i = 0; i < what.length; i++) this.#mix(what.charCodeAt(i))
    if (this.#keep === 0) return
    if (this.#kept.length === this.#keep) this.#kept.shift()
    this.#kept.push(`${(at / 1000).toFixed(3)} s  ${what}`)
  }

  #mix(value: number): void {
    this.#low = Math.imul(this.#low ^ value, 0x01000193)
    this.#high = Math.imul(this.#high ^ (this.#low >>> 13) ^ value, 0x85ebca6b)
  }
}

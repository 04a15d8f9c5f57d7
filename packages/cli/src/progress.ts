import type { Io } from './io.ts'

/** A progress line on stderr, rewritten in place on a terminal and silent elsewhere. */
export class Progress {
  readonly #io: Io
  #shownAt = 0
  #shown = false

  constructor(io: Io) {
    this.#io = io
  }

  /** Shows `text` unless something was shown less than 100 ms ago. */
  update(text: () => string): void {
    if (!this.#io.interactive) return
    const now = performance.now()
    if (now - this.#shownAt < 100) return
    this.#shownAt = now
    this.#shown = true
    this.#io.stderr.write(`\r${text()}\u001b[K`)
  }

  /** Clears the line and leaves `text` in its place, also where nothing was shown before. */
  finish(text: string): void {
    this.#io.stderr.write(`${this.#shown ? '\r\u001b[K' : ''}${text}\n`)
    this.#shown = false
  }

  clear(): void {
    if (this.#shown) this.#io.stderr.write('\r\u001b[K')
    this.#shown = false
  }
}

import type { Clock } from '../contracts/clock.ts'
import type { Logger } from '../contracts/logger.ts'
import { withDeadline } from '../deadline.ts'
import { coreErrors } from '../errors.ts'

/** Changes that are not urgent wait so long for others. */
const COALESCE_MS = 1_000
const MAX_RETRY_MS = 60_000
/** For one write. One that takes longer has failed; until it has ended, no other begins. */
const WRITE_MS = 10_000

export interface StoreWriterOptions {
  /** Writes everything as it is now. */
  readonly save: () => Promise<void>
  readonly clock: Clock
  readonly logger: Logger
  /** For messages. */
  readonly what: string
}

/** Writes a whole list to its store whenever it has changed: one write at a time, many changes in one, again and again when it fails. */
export class StoreWriter {
  readonly #options: StoreWriterOptions
  /** Counts changes; what is written is known by the count. */
  #changed = 0
  #written = 0
  #writing: Promise<void> | undefined
  #hanging = false
  #cancelTimer: (() => void) | undefined
  #retryMs = COALESCE_MS
  #failure: { readonly error: unknown } | undefined
  #started = false

  constructor(options: StoreWriterOptions) {
    this.#options = options
  }

  get started(): boolean {
    return this.#started
  }

  /** The last failure, until a write succeeds. */
  get error(): unknown {
    return this.#failure?.error
  }

  /** Nothing is written before. What was read counts as written. */
  start(): void {
    this.#started = true
    this.#written = this.#changed
  }

  /** Something has changed; it is written within a second, or when the store works again. */
  later(): void {
    this.#changed++
    if (this.#writing === undefined) this.#cancelTimer ??= this.#options.clock.after(COALESCE_MS, this.#onTimer)
  }

  /** Something has changed; resolves when it is written. @throws ERR_KNOWN_PEERS_STORE; it is tried again later */
  async now(): Promise<void> {
    this.#changed++
    await this.#reach(this.#changed)
  }

  /** Writes what is left. @throws ERR_KNOWN_PEERS_STORE; it is tried again later */
  async flush(): Promise<void> {
    await this.#reach(this.#changed)
  }

  /** Writes what is left. @throws ERR_KNOWN_PEERS_STORE; then it is still started, and goes on trying */
  async stop(): Promise<void> {
    await this.flush()
    this.#started = false
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
  }

  async #reach(change: number): Promise<void> {
    // A write that runs may have begun before the change: then the next one has it.
    while (this.#written < change) {
      this.#writing ??= this.#write()
      await this.#writing
    }
  }

  async #write(): Promise<void> {
    const { clock, logger, what } = this.#options
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    // Changes in a row, e.g. in one turn of the program, go into one write.
    await Promise.resolve()
    const change = this.#changed
    try {
      await withDeadline(() => this.#save(), { clock, ms: WRITE_MS, what: 'The store' })
      this.#written = change
      this.#retryMs = COALESCE_MS
      if (this.#failure !== undefined) logger.info(`${what} is written again`)
      this.#failure = undefined
    } catch (cause) {
      const error = coreErrors.create(
        'ERR_KNOWN_PEERS_STORE',
        `Cannot write ${what}: ${cause instanceof Error ? cause.message : String(cause)}`,
        {
          cause
        }
      )
      if (this.#failure === undefined) logger.warn(`${what} could not be written and is kept in memory until it can`, { error })
      this.#failure = { error }
      this.#cancelTimer = clock.after(this.#retryMs, this.#onTimer)
      this.#retryMs = Math.min(2 * this.#retryMs, MAX_RETRY_MS)
      throw error
    } finally {
      this.#writing = undefined
    }
    if (this.#written !== this.#changed) this.#cancelTimer ??= clock.after(COALESCE_MS, this.#onTimer)
  }

  async #save(): Promise<void> {
    if (this.#hanging) throw coreErrors.create('ERR_CORE_TIMEOUT', 'The store has not finished an earlier write')
    this.#hanging = true
    try {
      await this.#options.save()
    } finally {
      this.#hanging = false
    }
  }

  readonly #onTimer = (): void => {
    this.#cancelTimer = undefined
    this.#reach(this.#changed).catch(() => {})
  }
}

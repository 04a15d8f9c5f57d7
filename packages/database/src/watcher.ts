import { watch } from 'node:fs'
import type { FSWatcher } from 'node:fs'
import type { Clock, Logger } from '@kithmesh/core/plugin'

/** How often the store is asked when the file system says nothing, milliseconds. */
const POLL_MS = 1000

/**
 * When the store is asked after a file system event, milliseconds from one time to the next: the event tells of the write, the commit it belongs to
 * is visible a sync of the disk later. Most events are of our own writes, which are announced already: they must not pay for a check at once.
 */
const CHECK_AFTER_MS = [1, 2, 4, 8, 16, 32, 64, 128]

export interface StoreWatcherOptions {
  readonly directory: string
  /** Of the storage engine: differs once another process committed. */
  dataVersion(): number
  changedElsewhere(): void
  failed(error: unknown): void
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * Notices commits of other processes in the same directory: file system events (writes to the log file arrive at once, our own too, which the
 * data version tells apart), and a slow poll for file systems that have no events. Started and stopped any number of times.
 */
export class StoreWatcher {
  readonly #options: StoreWatcherOptions
  #files: FSWatcher | undefined
  #stopPolling: (() => void) | undefined
  #version = 0
  #cancelCheck: (() => void) | undefined
  #eventSinceCheck = false

  constructor(options: StoreWatcherOptions) {
    this.#options = options
  }

  start(): void {
    if (this.#stopPolling !== undefined) return
    const { directory, clock, logger, dataVersion } = this.#options
    this.#version = dataVersion()
    this.#stopPolling = clock.every(POLL_MS, () => {
      this.#check()
    })
    try {
      this.#files = watch(directory, { persistent: false }, (_event, name) => {
        if (name === null || name.includes('-wal')) this.#onEvent()
      })
      this.#files.on('error', (error) => {
        logger.warn('File system events ended; changes of other processes are polled for', { directory, error })
        this.#files?.close()
        this.#files = undefined
      })
    } catch (error) {
      logger.debug('No file system events here; changes of other processes are polled for', { directory, error })
    }
  }

  stop(): void {
    this.#stopPolling?.()
    this.#stopPolling = undefined
    this.#files?.close()
    this.#files = undefined
    this.#cancelCheck?.()
    this.#cancelCheck = undefined
  }

  #onEvent(): void {
    if (this.#cancelCheck === undefined) this.#checkSoon(0)
    else this.#eventSinceCheck = true
  }

  #checkSoon(step: number): void {
    const delay = CHECK_AFTER_MS[step]
    if (delay === undefined) {
      this.#cancelCheck = undefined
      return
    }
    this.#cancelCheck = this.#options.clock.after(delay, () => {
      const again = this.#eventSinceCheck
      this.#eventSinceCheck = false
      const changed = this.#check()
      if (this.#stopPolling !== undefined) this.#checkSoon(again ? 0 : changed ? CHECK_AFTER_MS.length : step + 1)
    })
  }

  #check(): boolean {
    if (this.#stopPolling === undefined) return false
    try {
      const version = this.#options.dataVersion()
      if (version === this.#version) return false
      this.#version = version
      this.#options.changedElsewhere()
    } catch (error) {
      this.#options.failed(error)
      return false
    }
    return true
  }
}

import { watch } from 'node:fs'
import type { FSWatcher } from 'node:fs'
import type { Clock, Logger } from '@kithmesh/core'

/** How often the store is asked when the file system says nothing, milliseconds. */
export const POLL_MS = 1000

export interface StoreWatcherOptions {
  readonly directory: string
  /** Of the storage engine: differs once another process committed. */
  dataVersion (): number
  changedElsewhere (): void
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
  #scheduled: NodeJS.Immediate | undefined

  constructor (options: StoreWatcherOptions) { this.#options = options }

  start (): void {
    if (this.#stopPolling !== undefined) return
    const { directory, clock, logger, dataVersion } = this.#options
    this.#version = dataVersion()
    this.#stopPolling = clock.every(POLL_MS, () => { this.#check() })
    try {
      this.#files = watch(directory, { persistent: false }, (_event, name) => {
        if (name === null || name.includes('-wal')) this.#scheduled ??= setImmediate(() => { this.#scheduled = undefined; this.#check() })
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

  stop (): void {
    this.#stopPolling?.()
    this.#stopPolling = undefined
    this.#files?.close()
    this.#files = undefined
    if (this.#scheduled !== undefined) clearImmediate(this.#scheduled)
    this.#scheduled = undefined
  }

  #check (): void {
    if (this.#stopPolling === undefined) return
    try {
      const version = this.#options.dataVersion()
      if (version === this.#version) return
      this.#version = version
      this.#options.changedElsewhere()
    } catch (error) {
      this.#options.logger.warn('The store could not be asked for changes', { error })
    }
  }
}

import { closeSync, fsync, openSync } from 'node:fs'
import { promisify } from 'node:util'

const fileSync = promisify(fsync)

interface Entry {
  started: boolean
  done: Promise<void>
}

/**
 * Makes renames durable. Those who ask while a sync of the same directory is under way share the next one,
 * because the running one may have begun before their rename.
 */
export class DirectorySync {
  readonly #latest = new Map<string, Entry>()

  sync(directory: string): Promise<void> {
    const latest = this.#latest.get(directory)
    if (latest !== undefined && !latest.started) return latest.done
    const entry: Entry = { started: false, done: Promise.resolve() }
    const before = latest === undefined ? Promise.resolve() : latest.done.catch(() => {})
    entry.done = before.then(async () => {
      entry.started = true
      try {
        const descriptor = openSync(directory, 'r')
        try {
          await fileSync(descriptor)
        } finally {
          closeSync(descriptor)
        }
      } finally {
        if (this.#latest.get(directory) === entry) this.#latest.delete(directory)
      }
    })
    this.#latest.set(directory, entry)
    return entry.done
  }
}

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Database } from '@kithmesh/database'
import type { OpenOptions } from '@kithmesh/database'

/** Directories and databases that a test makes; everything is gone after `clean`. */
export class Temporary {
  readonly #directories: string[] = []
  readonly #databases: Database[] = []

  directory(): string {
    const directory = mkdtempSync(join(tmpdir(), 'kithmesh-database-'))
    this.#directories.push(directory)
    return directory
  }

  async open(directory = join(this.directory(), 'db'), options: OpenOptions = {}): Promise<Database> {
    const database = await Database.open(directory, options)
    this.#databases.push(database)
    return database
  }

  async clean(): Promise<void> {
    for (const database of this.#databases.splice(0)) await database.close()
    for (const directory of this.#directories.splice(0)) rmSync(directory, { recursive: true, force: true })
  }
}

/** What a call throws. */
export function thrownBy(run: () => unknown): Error & { code?: string; hint?: string } {
  try {
    run()
  } catch (error) {
    return error as Error
  }
  throw new Error('nothing was thrown')
}

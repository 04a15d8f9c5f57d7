import { randomBytes } from 'node:crypto'
import { mkdir, open, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { MAX_RECORD_BYTES } from './record.ts'

/** Most files that are looked at: whoever can write to the folder must not be able to use up the memory of those who read it. */
const MAX_RECORDS = 1000
const RECORD_NAME = /^([0-9a-f]{64})\.json$/

/**
 * The medium: where the records of a group's devices are, one text for each peer id. Knows nothing of what is in them. Here it is a folder; in a provider
 * of your own, put a table, a bucket or a registry with an HTTP interface in its place. A medium that tells of changes needs no rounds: look whenever it does.
 */
export class Store {
  readonly #directory: string

  constructor(directory: string) {
    this.#directory = directory
  }

  async create(): Promise<void> {
    await mkdir(this.#directory, { recursive: true })
  }

  /** The texts by peer id. Files that are too long, or vanish meanwhile, are left out. */
  async read(): Promise<ReadonlyMap<string, string>> {
    const entries = await readdir(this.#directory, { withFileTypes: true })
    const texts = new Map<string, string>()
    for (const entry of entries) {
      const peerId = RECORD_NAME.exec(entry.name)?.[1]
      // Only files: opening a named pipe would wait for whoever writes to it.
      if (peerId === undefined || !entry.isFile() || texts.size === MAX_RECORDS) continue
      const text = await this.#readFile(entry.name)
      if (text !== undefined) texts.set(peerId, text)
    }
    return texts
  }

  /** Readers see the old text or the new one, never a part of it: it is written beside and then takes the place. */
  async write(peerId: string, text: string): Promise<void> {
    const path = this.#path(peerId)
    const temporary = `${path}.${randomBytes(6).toString('hex')}.new`
    try {
      await writeFile(temporary, text)
      await rename(temporary, path)
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => {})
      throw error
    }
  }

  async remove(peerId: string): Promise<void> {
    await rm(this.#path(peerId), { force: true })
  }

  async #readFile(name: string): Promise<string | undefined> {
    try {
      const file = await open(join(this.#directory, name))
      try {
        const { bytesRead, buffer } = await file.read({ buffer: Buffer.allocUnsafe(MAX_RECORD_BYTES + 1), position: 0 })
        return bytesRead > MAX_RECORD_BYTES ? undefined : buffer.toString('utf8', 0, bytesRead)
      } finally {
        await file.close()
      }
    } catch {
      return undefined
    }
  }

  #path(peerId: string): string {
    return join(this.#directory, `${peerId}.json`)
  }
}

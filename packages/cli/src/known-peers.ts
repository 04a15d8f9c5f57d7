import { randomBytes } from 'node:crypto'
import { open, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { TrustStore } from '@kithmesh/identity'
import { cliErrors } from './error-catalogue.ts'

/**
 * `known-peers.json` in a database directory: which peer id first came under which name. May be edited while it is in use.
 * @throws ERR_CLI_FILE from `get` and `set` when the file is damaged or unreadable; nobody is accepted then.
 */
export function knownPeersFile(directory: string): TrustStore {
  const path = join(directory, 'known-peers.json')
  const read = async (): Promise<Map<string, string>> => {
    let text: string
    try {
      text = await readFile(path, 'utf8')
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return new Map()
      throw cliErrors.create('ERR_CLI_FILE', `${path} cannot be read: ${(cause as Error).message}`, { cause })
    }
    try {
      const value: unknown = JSON.parse(text)
      if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new TypeError('It is not a JSON object')
      return new Map(Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'))
    } catch (cause) {
      throw cliErrors.create('ERR_CLI_FILE', `${path} is damaged: ${(cause as Error).message}`, {
        cause,
        hint: 'Repair or delete it; deleted, everybody is accepted anew at first sight.'
      })
    }
  }
  let writing = Promise.resolve()
  return {
    get: async (name) => (await read()).get(name),
    set: (name, peerId) => {
      const written = writing.then(async () => {
        const known = (await read()).set(name, peerId)
        await replaceFile(path, `${JSON.stringify(Object.fromEntries(known), null, 2)}\n`)
      })
      writing = written.catch(() => {})
      return written
    }
  }
}

/** Whole or not at all, whatever happens meanwhile. */
async function replaceFile(path: string, text: string): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}`
  try {
    const file = await open(temporary, 'wx', 0o600)
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
  } catch (cause) {
    await rm(temporary, { force: true })
    throw cliErrors.create('ERR_CLI_FILE', `${path} cannot be written: ${(cause as Error).message}`, { cause })
  }
}

import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TrustStore } from '@kithmesh/identity'

/** `known-peers.json` in a database directory: which peer id first came under which name. */
export function knownPeersFile (directory: string): TrustStore {
  const path = join(directory, 'known-peers.json')
  const read = async (): Promise<Record<string, string>> => {
    try {
      return JSON.parse(await readFile(path, 'utf8')) as Record<string, string>
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {}
      throw error
    }
  }
  let writing = Promise.resolve()
  return {
    get: async (name) => Object.getOwnPropertyDescriptor(await read(), name)?.value as string | undefined,
    set: (name, peerId) => {
      writing = writing.catch(() => {}).then(async () => {
        const temporary = `${path}.${process.pid}.tmp`
        await writeFile(temporary, `${JSON.stringify({ ...await read(), [name]: peerId }, null, 2)}\n`, { mode: 0o600 })
        await rename(temporary, path)
      })
      return writing
    }
  }
}

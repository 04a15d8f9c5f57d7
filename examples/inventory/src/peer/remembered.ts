import { readFile, rename, writeFile } from 'node:fs/promises'
import type { TlsMode, ValidationMode } from '../contracts.ts'
import { tlsModes, validationModes } from '../model/modes.ts'

/** A connection that is made again at the next login. Only those with the credentials of the login are: no password is kept. */
export interface RememberedConnection {
  readonly key: string
  readonly name: string
  /** Of one whose address was typed in. */
  readonly url?: string
  readonly mode: ValidationMode
  /** Base64 of the pinned certificate. */
  readonly pin?: string
}

/** What a user had running, so that it runs again at the next login. */
export interface Remembered {
  /** The listener's mode, when it was started. */
  readonly listener?: TlsMode
  readonly connections: readonly RememberedConnection[]
}

/** Nothing when there is no file, or one that makes no sense. */
export async function readRemembered(path: string): Promise<Remembered> {
  try {
    return parseRemembered(JSON.parse(await readFile(path, 'utf8')))
  } catch {
    return { connections: [] }
  }
}

/** Replaces the file as a whole, so that a crash leaves the old or the new one. */
export async function writeRemembered(path: string, remembered: Remembered): Promise<void> {
  await writeFile(`${path}.new`, `${JSON.stringify(remembered, null, 2)}\n`, { mode: 0o600 })
  await rename(`${path}.new`, path)
}

/** Pure: takes what can be used. */
export function parseRemembered(value: unknown): Remembered {
  const { listener, connections } = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>
  const tls = tlsModes.find((mode) => mode === listener)
  const found = (Array.isArray(connections) ? connections : []).flatMap((entry: Partial<Record<string, unknown>> | null) => {
    const mode = validationModes.find((candidate) => candidate === entry?.['mode'])
    const { key, name, url, pin } = entry ?? {}
    if (mode === undefined || typeof key !== 'string' || typeof name !== 'string') return []
    return [{ key, name, mode, ...(typeof url === 'string' && { url }), ...(typeof pin === 'string' && { pin }) }]
  })
  return { connections: found, ...(tls !== undefined && { listener: tls }) }
}

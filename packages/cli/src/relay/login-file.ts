import { randomBytes } from 'node:crypto'
import { mkdir, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { Io } from '../io.ts'
import { fileError, makeNewFile } from '../named-file.ts'

/** 144 bits, in letters that need no quotes in a shell or a URL. */
const PASSWORD_BYTES = 18

/** Where a relay keeps what it made for itself: `kithmesh/relay` in the place for the state of programs (XDG Base Directory Specification). */
export function stateDirectory(io: Io): string {
  const given = io.environment['XDG_STATE_HOME'] ?? ''
  return join(given.startsWith('/') ? given : join(io.environment['HOME'] || homedir(), '.local', 'state'), 'kithmesh', 'relay')
}

/**
 * The file with the login of a relay that was given none, made when it is missing: a random password, readable by the owner only.
 * @throws ERR_CLI_FILE
 */
export async function loginFile(directory: string): Promise<{ readonly path: string; readonly made: boolean }> {
  const path = join(directory, 'login')
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 })
  } catch (cause) {
    throw fileError(path, 'written', cause)
  }
  return { path, made: await makeNewFile(path, `team:${randomBytes(PASSWORD_BYTES).toString('base64url')}\n`, 0o600) }
}

/** Whether others than the owner may read a file. Windows knows no such modes. */
export async function readableByOthers(path: string): Promise<boolean> {
  if (process.platform === 'win32') return false
  const found = await stat(path).catch(() => undefined)
  return found?.isFile() === true && (found.mode & 0o077) !== 0
}

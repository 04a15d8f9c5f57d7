import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { copyFile, link, open, readFile, realpath, rename, rm, stat } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { errorCode } from '@kithmesh/core/plugin'
import { cliErrors } from './errors.ts'

/** The bytes of a file that the user named. @throws ERR_CLI_FILE */
export async function readNamedFile(path: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (cause) {
    throw fileError(path, 'read', cause)
  }
}

/** Opens a file that the user named. @throws ERR_CLI_FILE */
export async function openNamedFile(path: string, flags: 'r' | 'w'): Promise<FileHandle> {
  try {
    return await open(path, flags)
  } catch (cause) {
    throw fileError(path, flags === 'r' ? 'read' : 'written', cause)
  }
}

/**
 * Writes a file that the user named, so that nobody ever sees half of it: what `write` writes goes into a new file beside it, which takes its
 * place at the end, durably. What was there stays when something fails. Devices and pipes are written to directly.
 * @param write Writes and does not close.
 * @throws ERR_CLI_FILE, or what `write` throws.
 */
export async function replaceNamedFile<T>(path: string, write: (handle: FileHandle) => Promise<T>): Promise<T> {
  const present = await stat(path).catch(() => undefined)
  if (present !== undefined && !present.isFile()) {
    const handle = await openNamedFile(path, 'w')
    try {
      return await write(handle)
    } finally {
      await handle.close().catch(() => {})
    }
  }
  const target = await realpath(path).catch(() => path)
  const temporary = `${target}.${randomUUID()}.tmp`
  let handle: FileHandle
  try {
    handle = await open(temporary, 'wx', present?.mode ?? 0o666)
  } catch (cause) {
    throw fileError(path, 'written', cause)
  }
  try {
    const result = await write(handle)
    try {
      await handle.sync()
      await handle.close()
      await rename(temporary, target)
    } catch (cause) {
      throw fileError(path, 'written', cause)
    }
    return result
  } catch (error) {
    await handle.close().catch(() => {})
    await rm(temporary, { force: true })
    throw error
  }
}

/**
 * Makes a file that was not there before, whole and on the disk in one step, so that nobody ever finds half a key or an empty token in it. What is in its place,
 * also a link, stays.
 * @returns false when there is something already
 * @throws ERR_CLI_FILE
 */
export async function makeNewFile(path: string, text: string, mode: number): Promise<boolean> {
  const temporary = `${path}.${randomUUID()}.tmp`
  try {
    const file = await open(temporary, 'wx', mode)
    try {
      // The mask of the process may leave less of a secret's than was asked for, but never more.
      if ((mode & 0o077) === 0) await file.chmod(mode)
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    await link(temporary, path).catch(async (cause: unknown) => {
      if (errorCode(cause) === 'EEXIST') throw cause
      // A file system without hard links.
      await copyFile(temporary, path, constants.COPYFILE_EXCL)
    })
    return true
  } catch (cause) {
    if (errorCode(cause) === 'EEXIST') return false
    throw fileError(path, 'written', cause)
  } finally {
    await rm(temporary, { force: true }).catch(() => {})
  }
}

export function fileError(path: string, what: 'read' | 'written', cause: unknown): Error {
  const code = errorCode(cause)
  return cliErrors.create('ERR_CLI_FILE', `${path} cannot be ${what}: ${cause instanceof Error ? cause.message : String(cause)}`, {
    cause,
    ...(code === 'ENOSPC' || code === 'EDQUOT' ? { hint: 'Free some space, or choose a place on another disk.' } : {})
  })
}

import { randomUUID } from 'node:crypto'
import { open, readFile, realpath, rename, rm, stat } from 'node:fs/promises'
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

export function fileError(path: string, what: 'read' | 'written', cause: unknown): Error {
  const code = errorCode(cause)
  return cliErrors.create('ERR_CLI_FILE', `${path} cannot be ${what}: ${cause instanceof Error ? cause.message : String(cause)}`, {
    cause,
    ...(code === 'ENOSPC' || code === 'EDQUOT' ? { hint: 'Free some space, or choose a place on another disk.' } : {})
  })
}

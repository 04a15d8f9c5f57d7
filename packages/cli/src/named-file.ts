import { open, readFile } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { errorCode } from '@kithmesh/core'
import { cliErrors } from './error-catalogue.ts'

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

export function fileError(path: string, what: 'read' | 'written', cause: unknown): Error {
  const code = errorCode(cause)
  return cliErrors.create('ERR_CLI_FILE', `${path} cannot be ${what}: ${cause instanceof Error ? cause.message : String(cause)}`, {
    cause,
    ...(code === 'ENOSPC' || code === 'EDQUOT' ? { hint: 'Free some space, or choose a place on another disk.' } : {})
  })
}

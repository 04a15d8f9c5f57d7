import { randomBytes } from 'node:crypto'
import { link, mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { errorCode } from '@kithmesh/core'
import { createIdentity, type CreateIdentityOptions } from './create-identity.ts'
import { identityErrors } from './errors.ts'
import { identityToPem, loadIdentity, type Identity } from './identity.ts'

const FILE_NAME = 'identity.pem'

/**
 * The identity kept in `directory/identity.pem`; made and stored there, readable by the owner only, when there is none.
 * Safe against a crash at any instant and against two programs doing it at once: all of them get the same identity.
 * The file may be a link of the user's own; one that leads nowhere (a disk that is not there) is no reason to make another identity.
 * A new one is valid for ten years unless `validDays` says otherwise, because a new certificate is a new peer id.
 * @throws ERR_IDENTITY_STORE when the directory cannot be used; ERR_IDENTITY_LOAD or ERR_IDENTITY_KEY_MISMATCH when
 * the file is damaged (it is never overwritten).
 */
export async function openOrCreateIdentity(directory: string, options: CreateIdentityOptions): Promise<Identity> {
  const path = join(directory, FILE_NAME)
  const existing = await readIfPresent(path)
  if (existing !== undefined) return existing
  const identity = await createIdentity({ validDays: 3650, ...options })
  const temporary = `${path}.${randomBytes(6).toString('hex')}`
  try {
    await mkdir(directory, { recursive: true })
    await writeDurably(temporary, identityToPem(identity))
    try {
      await link(temporary, path)
    } catch (error) {
      if (errorCode(error) === 'EEXIST') {
        const winner = await readIfPresent(path)
        if (winner !== undefined) return winner
        throw new Error(`${FILE_NAME} is a link to a file that is not there`, { cause: error })
      }
      // A file system without hard links: the rename is atomic too, only the race with another program is lost.
      await rename(temporary, path)
    }
    return identity
  } catch (cause) {
    if (errorCode(cause)?.startsWith('ERR_IDENTITY_') === true) throw cause
    throw identityErrors.create('ERR_IDENTITY_STORE', `Cannot store the identity in ${directory}: ${(cause as Error).message}`, {
      cause,
      details: { path }
    })
  } finally {
    await rm(temporary, { force: true }).catch(() => {})
  }
}

async function readIfPresent(path: string): Promise<Identity | undefined> {
  let pem: string
  try {
    pem = await readFile(path, 'latin1')
  } catch (cause) {
    if (errorCode(cause) === 'ENOENT') return undefined
    throw identityErrors.create('ERR_IDENTITY_STORE', `Cannot read ${path}: ${(cause as Error).message}`, { cause, details: { path } })
  }
  return await loadIdentity({ pem })
}

async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    // The mask of the process may leave less than was asked for, but never more.
    await file.chmod(0o600)
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
}

import { createHash, randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, copyFile, link, lstat, open, rename, unlink } from 'node:fs/promises'
import { basename, dirname, extname, join } from 'node:path'
import { errorCode } from '@kithmesh/core'
import { channelErrors } from '../errors.ts'
import type { OpenSink } from './incoming.ts'

/** How a file is stored. */
export interface FileTarget {
  readonly directory: string
  /** One that is safe, or the program's own. */
  readonly name: string
  /** What to do when there is a file of that name. */
  readonly existing: 'refuse' | 'replace' | 'another-name'
  /** Of the content, when it is known: a part of it is gone on with. */
  readonly sha256: string | undefined
  readonly size: number | undefined
  readonly peerId: string
  /** Parts that are being written by this channel. */
  readonly inUse: Set<string>
}

const MAX_NAMES = 1_000
const READ_BYTES = 1024 * 1024

/** How many hex digits of digest and peer id name a part. */
const DIGITS = 16

/**
 * A file beside its place, moved there when it is complete. Nothing that exists is written to, but for a part of the same content from the same
 * peer; links are not followed.
 * @throws ERR_CHANNEL_SINK
 */
export async function openFileSink(target: FileTarget, signal: AbortSignal): Promise<OpenSink> {
  const { directory, sha256, inUse } = target
  const resumable = join(directory, `.${sha256?.slice(0, DIGITS)}-${target.peerId.slice(0, DIGITS)}.part`)
  const keeps = sha256 !== undefined && !inUse.has(resumable)
  const path = keeps ? resumable : join(directory, `.${randomBytes(DIGITS / 2).toString('hex')}.part`)
  inUse.add(path)
  let file: FileHandle | undefined
  try {
    if (target.existing === 'refuse' && (await exists(join(directory, target.name))))
      throw channelErrors.create('ERR_CHANNEL_SINK', `${target.name} exists already in ${directory}`)
    const known = keeps ? await openPart(path, target.size, signal) : undefined
    file = known?.file ?? (await open(path, 'wx', 0o666))
    return fileSink(target, path, file, known?.offset ?? 0, known?.hash ?? createHash('sha256'), keeps)
  } catch (error) {
    inUse.delete(path)
    await file?.close()
    throw error
  }
}

function fileSink(
  target: FileTarget,
  path: string,
  file: FileHandle,
  offset: number,
  hash: ReturnType<typeof createHash>,
  keeps: boolean
): OpenSink {
  let position = offset
  let open = true
  const close = async (): Promise<void> => {
    if (!open) return
    open = false
    await file.close()
  }
  return {
    offset,
    hash,
    write: async (bytes) => {
      for (let from = 0; from < bytes.length; ) {
        const { bytesWritten } = await file.write(bytes, from, bytes.length - from, position)
        from += bytesWritten
        position += bytesWritten
      }
    },
    end: async () => {
      await file.datasync()
      await close()
      const final = await moveIntoPlace(path, target)
      target.inUse.delete(path)
      return final
    },
    abort: async (error) => {
      await close()
      // What is right so far can be gone on with; what is wrong cannot.
      if (!keeps || errorCode(error) === 'ERR_CHANNEL_DIGEST') await unlink(path)
      target.inUse.delete(path)
    }
  }
}

/** What an earlier try left, with its digest so far. */
async function openPart(
  path: string,
  size: number | undefined,
  signal: AbortSignal
): Promise<{ readonly file: FileHandle; readonly offset: number; readonly hash: ReturnType<typeof createHash> } | undefined> {
  let file: FileHandle
  try {
    file = await open(path, constants.O_RDWR | (constants.O_NOFOLLOW ?? 0))
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  }
  try {
    const facts = await file.stat()
    if (!facts.isFile() || facts.nlink > 1)
      throw channelErrors.create('ERR_CHANNEL_SINK', `${path} is not the part of a file that it should be`)
    // More than there is to come is not ours.
    const offset = facts.size <= (size ?? 0) ? facts.size : 0
    if (offset !== facts.size) await file.truncate(0)
    const hash = createHash('sha256')
    const piece = Buffer.allocUnsafe(Math.max(1, Math.min(READ_BYTES, offset)))
    for (let from = 0; from < offset; ) {
      signal.throwIfAborted()
      const { bytesRead } = await file.read(piece, 0, piece.length, from)
      if (bytesRead === 0) throw channelErrors.create('ERR_CHANNEL_SINK', `${path} became shorter while it was read`)
      hash.update(piece.subarray(0, bytesRead))
      from += bytesRead
    }
    return { file, offset, hash }
  } catch (error) {
    await file.close()
    throw error
  }
}

async function moveIntoPlace(part: string, { directory, name, existing }: FileTarget): Promise<string> {
  if (existing === 'replace') {
    const path = join(directory, name)
    await rename(part, path)
    return path
  }
  for (let count = 0; count < (existing === 'refuse' ? 1 : MAX_NAMES); count++) {
    const path = join(directory, numbered(name, count))
    try {
      await linkOrCopy(part, path)
    } catch (error) {
      if (errorCode(error) === 'EEXIST') continue
      throw error
    }
    await unlink(part)
    return path
  }
  throw channelErrors.create('ERR_CHANNEL_SINK', `${name} exists already in ${directory}`)
}

/** Fails when there is something at `path`, which `rename` would replace. */
async function linkOrCopy(part: string, path: string): Promise<void> {
  try {
    await link(part, path)
  } catch (error) {
    // File systems without hard links: FAT, some network drives.
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'].includes(errorCode(error) ?? '')) throw error
    await copyFile(part, path, constants.COPYFILE_EXCL)
  }
}

function numbered(name: string, count: number): string {
  if (count === 0) return name
  const extension = extname(name)
  return `${basename(name, extension)} (${count})${extension}`
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path)
    return true
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false
    throw error
  }
}

/** A path of the program's own, as directory and name. */
export function splitPath(path: string): { readonly directory: string; readonly name: string } {
  return { directory: dirname(path), name: basename(path) }
}

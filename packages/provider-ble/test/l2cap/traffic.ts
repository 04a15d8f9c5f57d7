import { createHash } from 'node:crypto'
import type { Duplex } from 'node:stream'

/** Bytes that differ everywhere, the same for the same seed. */
export function noise(length: number, seed = 0): Buffer {
  const bytes = Buffer.alloc(length)
  let state = seed + 1
  for (let index = 0; index < length; index++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    bytes[index] = state >>> 24
  }
  return bytes
}

export function sha256(...parts: readonly Uint8Array[]): string {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest('hex')
}

export interface Collected {
  readonly bytes: number
  /** At `end`; rejects with the error, or when it is closed without either. */
  readonly ended: Promise<void>
  sha256(): string
}

/** Reads everything. */
export function collected(stream: Duplex): Collected {
  const chunks: Buffer[] = []
  const result = {
    bytes: 0,
    ended: new Promise<void>((resolve, reject) => {
      stream.once('end', resolve)
      stream.once('error', reject)
      stream.once('close', () => reject(new Error('closed without an end')))
    }),
    sha256: () => sha256(...chunks)
  }
  result.ended.catch(() => {})
  stream.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    result.bytes += chunk.length
  })
  return result
}

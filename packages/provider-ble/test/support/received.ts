import { createHash } from 'node:crypto'
import type { Duplex } from 'node:stream'

export const sha256 = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex')

/** The hash of the first bytes that come. Who reads counts them, as channels end both ways at once. */
export function received(stream: Duplex, bytes: number): Promise<string> {
  const hash = createHash('sha256')
  let count = 0
  return new Promise((resolve, reject) => {
    stream.once('error', reject)
    stream.on('data', (chunk: Buffer) => {
      hash.update(chunk)
      count += chunk.length
      if (count >= bytes) resolve(hash.digest('hex'))
    })
  })
}

// Our side of a meeting.
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { realClock, recordingLogger } from '@kithmesh/testkit'
import { hciBackend } from '@kithmesh/provider-ble'

/** So many bytes that depend on the seed alone, as `stream` in src/channels.py makes them. */
export function bytesOf(seed, bytes) {
  const blocks = Array.from({ length: Math.ceil(bytes / 32) }, (_, block) => createHash('sha256').update(`${seed}:${block}`).digest())
  return Buffer.concat(blocks).subarray(0, bytes)
}

/** Sends so many bytes and reads as many: `{ sent, received }`, their hashes. */
export async function echo(stream, seed, bytes) {
  const data = bytesOf(seed, bytes)
  const received = createHash('sha256')
  let missing = bytes
  const all = (async () => {
    for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
      received.update(chunk)
      missing -= chunk.length
      if (missing <= 0) break
    }
    if (missing !== 0) throw new Error(`${missing} bytes are missing`)
  })()
  for (let start = 0; start < bytes; start += 8192) {
    if (!stream.write(data.subarray(start, start + 8192))) await Promise.race([once(stream, 'drain'), all])
  }
  await all
  return { sent: createHash('sha256').update(data).digest('hex'), received: received.digest('hex') }
}

/** A backend on a controller, with a noble and a bleno of one family, not yet started; `logger` has what it logged. */
export function createBackend(family, adapter) {
  const logger = recordingLogger()
  const backend = hciBackend({ adapter, library: family })({ clock: realClock, logger })
  return Object.assign(backend, { logger })
}

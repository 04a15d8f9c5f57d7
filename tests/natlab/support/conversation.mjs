// What two peers of the lab say to each other over an authenticated stream: JSON lines, and payloads with their hashes.
// `{ op: 'echo' }` is answered by `{ ok: true }`; after `{ op: 'transfer', bytes }` both sides send that many bytes, their SHA-256, and one byte that
// says whether what came in was intact.
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'

const CHUNK = 65_536
const ANSWER_MS = 10_000
const TRANSFER_MS = 60_000

export class Conversation {
  #stream
  /** Rejects when the stream is over; never resolves. */
  #over
  #waiting = Promise.resolve()

  constructor(stream) {
    this.#stream = stream
    stream.on('error', () => undefined)
    this.#over = new Promise((_resolve, reject) => {
      const fail = () => reject(stream.errored ?? new Error('the stream ended'))
      if (stream.destroyed || stream.readableEnded) fail()
      stream.once('close', fail)
      stream.once('end', fail)
    })
    this.#over.catch(() => undefined)
    // Read by need, never by events.
    stream.pause()
  }

  async echo() {
    await this.#within(ANSWER_MS, async () => {
      this.#send(Buffer.from('{"op":"echo"}\n'))
      if ((await this.#line()).ok !== true) throw new Error('the echo is not one')
    })
  }

  /** Resolves with { bytes, ms } when both directions arrived intact. */
  async transfer(bytes) {
    return await this.#within(TRANSFER_MS, async () => {
      const from = performance.now()
      this.#send(Buffer.from(`${JSON.stringify({ op: 'transfer', bytes })}\n`))
      await this.#exchange(bytes)
      return { bytes, ms: performance.now() - from }
    })
  }

  /** Answers until the stream ends. */
  async serve() {
    try {
      for (;;) {
        const { op, bytes } = await this.#line()
        if (op === 'echo') this.#send(Buffer.from('{"ok":true}\n'))
        else if (op === 'transfer') await this.#exchange(bytes)
        else throw new Error(`unknown: ${op}`)
      }
    } catch {
      this.#stream.destroy()
    }
  }

  end() {
    this.#stream.end()
    this.#stream.resume()
    setTimeout(() => this.#stream.destroy(), 500).unref()
  }

  async #exchange(bytes) {
    const [, intact] = await Promise.all([this.#sendPayload(bytes), this.#receivePayload(bytes)])
    this.#send(Buffer.from([intact ? 1 : 0]))
    const [theirs] = await this.#bytes(1)
    if (!intact) throw new Error('what arrived here is not what was sent')
    if (theirs !== 1) throw new Error('what arrived there is not what was sent')
  }

  async #sendPayload(bytes) {
    const hash = createHash('sha256')
    for (let left = bytes; left > 0; left -= CHUNK) {
      const chunk = randomBytes(Math.min(CHUNK, left))
      hash.update(chunk)
      if (!this.#stream.write(chunk)) await Promise.race([once(this.#stream, 'drain'), this.#over])
    }
    this.#stream.write(hash.digest())
  }

  async #receivePayload(bytes) {
    const hash = createHash('sha256')
    for (let left = bytes; left > 0; ) {
      const chunk = await this.#bytes(Math.min(CHUNK, left))
      hash.update(chunk)
      left -= chunk.length
    }
    return hash.digest().equals(await this.#bytes(32))
  }

  #send(data) {
    this.#stream.write(data)
  }

  async #line() {
    let line = ''
    for (;;) {
      const char = (await this.#bytes(1)).toString('latin1')
      if (char === '\n') return JSON.parse(line)
      line += char
    }
  }

  /** Exactly so many bytes. */
  async #bytes(count) {
    const parts = []
    for (let have = 0; have < count; ) {
      const part = this.#stream.read(Math.min(count - have, this.#stream.readableLength || count - have))
      if (part === null) {
        if (this.#stream.readableEnded || this.#stream.destroyed) throw new Error('the stream ended')
        await Promise.race([once(this.#stream, 'readable'), this.#over])
        continue
      }
      parts.push(part)
      have += part.length
    }
    return parts.length === 1 ? parts[0] : Buffer.concat(parts)
  }

  /** One thing after the other, each with a bound. */
  async #within(ms, action) {
    const before = this.#waiting
    const done = (async () => {
      await before
      const timer = setTimeout(() => this.#stream.destroy(new Error(`no answer within ${ms} ms`)), ms)
      try {
        return await action()
      } finally {
        clearTimeout(timer)
      }
    })()
    this.#waiting = done.catch(() => undefined)
    return await done
  }
}

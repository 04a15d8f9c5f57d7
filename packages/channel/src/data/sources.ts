import { createHash } from 'node:crypto'
import { type FileHandle, open } from 'node:fs/promises'
import { channelErrors } from '../errors.ts'

/** What is sent, read from somewhere on. */
export interface ChunkSource {
  /** Bytes of the whole, once it is open. */
  readonly size: number | undefined
  /** Its SHA-256, when it is known in advance. */
  readonly sha256: string | undefined
  open(signal: AbortSignal): Promise<void>
  /** At most `max` bytes from `offset`; none at the end. Waits until there is something. @throws ERR_CHANNEL_SOURCE */
  read(offset: number, max: number): Promise<Uint8Array>
  /** Nothing before `offset` is asked for again. */
  release(offset: number): void
  /** Whether reading on at `offset` has to wait until more is released. */
  blocked(offset: number): boolean
  close(): void
}

const HASH_PIECE = 1024 * 1024

/** A file. Its size is the one that it has in the beginning. */
export class FileSource implements ChunkSource {
  readonly #path: string
  readonly #ahead: boolean
  #file: FileHandle | undefined
  #closed = false
  size: number | undefined
  sha256: string | undefined

  constructor(path: string, ahead: boolean) {
    this.#path = path
    this.#ahead = ahead
  }

  async open(signal: AbortSignal): Promise<void> {
    try {
      const file = await open(this.#path, 'r')
      this.#file = file
      const facts = await file.stat()
      if (!facts.isFile()) throw new Error('it is no file')
      this.size = facts.size
      if (this.#ahead) this.sha256 = await this.#digest(file, facts.size, signal)
      if (this.#closed) this.#release(file)
    } catch (cause) {
      this.close()
      throw signal.aborted ? signal.reason : unreadable(cause)
    }
  }

  async read(offset: number, max: number): Promise<Uint8Array> {
    const length = Math.min(max, (this.size ?? 0) - offset)
    if (length <= 0) return Buffer.alloc(0)
    try {
      if (this.#file === undefined) throw new Error('it is closed')
      const { bytesRead, buffer } = await this.#file.read(Buffer.allocUnsafe(length), 0, length, offset)
      if (bytesRead === 0) throw new Error(`it has become shorter: ${offset} bytes instead of ${this.size}`)
      return buffer.subarray(0, bytesRead)
    } catch (cause) {
      throw unreadable(cause)
    }
  }

  release(): void {}

  blocked(): boolean {
    return false
  }

  close(): void {
    this.#closed = true
    const file = this.#file
    this.#file = undefined
    if (file !== undefined) this.#release(file)
  }

  async #digest(file: FileHandle, size: number, signal: AbortSignal): Promise<string> {
    const hash = createHash('sha256')
    const piece = Buffer.allocUnsafe(Math.max(1, Math.min(HASH_PIECE, size)))
    for (let offset = 0; offset < size; ) {
      signal.throwIfAborted()
      const { bytesRead } = await file.read(piece, 0, piece.length, offset)
      if (bytesRead === 0) throw new Error('it became shorter while it was read')
      hash.update(piece.subarray(0, bytesRead))
      offset += bytesRead
    }
    return hash.digest('hex')
  }

  #release(file: FileHandle): void {
    file.close().catch(() => {
      /* Nothing was written to it. */
    })
  }
}

/**
 * Anything that gives bytes one after the other, read ahead within bounds. What the other side has not stored yet is kept, so that it can be sent
 * again.
 */
export class StreamSource implements ChunkSource {
  readonly sha256 = undefined
  readonly size: number | undefined
  readonly #maxKept: number
  readonly #pieces: AsyncIterator<Uint8Array> | Iterator<Uint8Array>
  /** From `#keptFrom` on, up to what was read. */
  #kept: Uint8Array[] = []
  #keptFrom = 0
  #readTo = 0
  /** There is no more, or why. */
  #ended = false
  #failure: unknown
  #closed = false
  /** Settles when there is another piece, or the end. */
  #pulling: Promise<void> | undefined

  constructor(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, size: number | undefined, maxKept: number) {
    this.size = size
    this.#maxKept = maxKept
    this.#pieces = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]()
  }

  async open(): Promise<void> {}

  async read(offset: number, max: number): Promise<Uint8Array> {
    if (offset < this.#keptFrom) throw unreadable(new Error(`what is before byte ${this.#keptFrom} is gone`))
    this.#fill()
    while (offset >= this.#readTo && !this.#ended) await this.#pulling
    if (offset >= this.#readTo && this.#failure !== undefined) throw unreadable(this.#failure)
    return this.#slice(offset, max)
  }

  release(offset: number): void {
    while (this.#kept.length > 0 && this.#keptFrom + this.#kept[0]!.length <= offset) {
      this.#keptFrom += this.#kept[0]!.length
      this.#kept.shift()
    }
    if (this.#readTo > 0) this.#fill()
  }

  blocked(offset: number): boolean {
    return offset >= this.#readTo && !this.#ended && this.#full
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#kept = []
    if (this.#ended) return
    this.#ended = true
    // A failing clean-up has nobody left to tell.
    void (async () => this.#pieces.return?.())().catch(() => {})
  }

  get #full(): boolean {
    return this.#readTo - this.#keptFrom >= this.#maxKept
  }

  /** Reads on in the background, as far as there is room. */
  #fill(): void {
    if (this.#pulling !== undefined || this.#ended || this.#full) return
    this.#pulling = this.#pull().then(() => {
      this.#pulling = undefined
      this.#fill()
    })
  }

  async #pull(): Promise<void> {
    try {
      const result = await this.#pieces.next()
      if (result.done !== true && !(result.value instanceof Uint8Array)) throw new TypeError('A piece of a stream must be a Uint8Array')
      if (this.#closed) return
      if (result.done === true) this.#ended = true
      else if (result.value.length > 0) {
        this.#kept.push(result.value)
        this.#readTo += result.value.length
      }
    } catch (cause) {
      this.#ended = true
      this.#failure = cause ?? new Error('it failed')
    }
  }

  /** What is kept from `offset` on: a part of one piece, or several small ones together. */
  #slice(offset: number, max: number): Uint8Array {
    const found: Uint8Array[] = []
    let room = max
    let from = this.#keptFrom
    for (const piece of this.#kept) {
      if (room === 0) break
      const end = from + piece.length
      if (offset < end) {
        const start = Math.max(0, offset - from)
        const part = piece.subarray(start, start + room)
        found.push(part)
        room -= part.length
      }
      from = end
    }
    return found.length === 1 ? found[0]! : Buffer.concat(found)
  }
}

function unreadable(cause: unknown): Error {
  const why = cause instanceof Error ? cause.message : String(cause)
  return channelErrors.create('ERR_CHANNEL_SOURCE', `What is sent cannot be read: ${why}`, { cause })
}

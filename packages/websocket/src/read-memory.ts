import { MessageChannel } from 'node:worker_threads'

/** To a port whose other side is closed: what is transferred goes nowhere, and its memory is free at once. */
const nowhere = closedPort()

/**
 * Frees the memory of what was read from a socket as soon as nobody needs it, instead of leaving it to the garbage collector. Node allocates 64 KiB for each read, V8 counts
 * them towards its next collection of the whole heap, and a stream of blobs has one every few megabytes: a third of what receiving costs.
 *
 * `ws` hands over views of what was read, several messages of one read as a rule, and copies: of messages that straddle two reads or came in several frames. A copy is free
 * when it is released. A read is free when all its messages are and a view of another read comes, since `ws` has left it behind by then; a copy says nothing of that.
 * Whatever still looks at them has a length of 0 then. Small buffers may be parts of one that Node shares among many: they are left alone,
 * which from Node 24 on is all of them, as that one is as large as a read there.
 */
export class ReadMemory {
  #last: Uint8Array | undefined
  #read: ArrayBufferLike | undefined
  #handed = 0
  #released = 0
  #off = false

  /** The next message is about to be handed over. */
  handing(message: Buffer): void {
    if (this.#off) return
    this.#last = message
    const { buffer } = message
    if (!isLarge(buffer) || isAlone(message)) return
    if (buffer !== this.#read) {
      const left = this.#read
      const isReleased = this.#handed === this.#released
      this.#read = buffer
      this.#handed = 0
      this.#released = 0
      if (left !== undefined && isReleased) free(left)
    }
    this.#handed++
  }

  /** Nothing is kept of the message, which is the one that was handed over last. */
  released(message: Uint8Array): void {
    if (message !== this.#last) return
    this.#last = undefined
    const { buffer } = message
    if (buffer === this.#read) this.#released++
    else if (isLarge(buffer) && isAlone(message)) free(buffer)
  }

  /** Somebody else may keep what was read: from now on all is left to the garbage collector. */
  stop(): void {
    this.#off = true
    this.#last = undefined
    this.#read = undefined
  }
}

/** Whether the message is all there is in its buffer. */
function isAlone(message: Uint8Array): boolean {
  return message.length === message.buffer.byteLength
}

function isLarge(buffer: ArrayBufferLike): boolean {
  return buffer.byteLength > Math.max(8192, Buffer.poolSize)
}

function free(buffer: ArrayBufferLike): void {
  if (!(buffer instanceof ArrayBuffer)) return
  try {
    nowhere.postMessage(undefined, [buffer])
  } catch {
    /* Marked as not to be transferred: the collector's. */
  }
}

function closedPort(): MessageChannel['port1'] {
  const { port1, port2 } = new MessageChannel()
  port2.close()
  port1.unref()
  return port1
}

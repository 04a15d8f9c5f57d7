import { MessageChannel } from 'node:worker_threads'

/** To a port whose other side is closed: what is transferred goes nowhere, and its memory is free at once. */
const nowhere = closedPort()

/**
 * Frees the memory of what was read from a socket as soon as nobody needs it, instead of leaving it to the garbage collector. Node allocates 64 KiB for each read, V8 counts
 * them towards its next collection of the whole heap, and a stream of blobs has one every few megabytes: a third of what receiving costs.
 *
 * `ws` hands over views of what was read, several messages of one read as a rule, and copies: of messages that straddle two reads or came in several frames. A copy is free
 * when it is released. A read is free when all its messages are and a view of another read comes, since `ws` has left it behind by then; a copy says nothing of that.
 * Whatever still looks at them has a length of 0 then.
 */
export class ReadMemory {
  #read: ArrayBufferLike | undefined
  #handed = 0
  #released = 0
  #off = false

  /** The next message is about to be handed over. */
  handing(message: Buffer): void {
    if (this.#off || !isShared(message)) return
    if (message.buffer !== this.#read) {
      const left = this.#read
      const isReleased = this.#handed === this.#released
      this.#read = message.buffer
      this.#handed = 0
      this.#released = 0
      if (left !== undefined && isReleased) free(left)
    }
    this.#handed++
  }

  /** Nothing of the message is kept; it is the one that was handed over last. */
  released(message: Uint8Array): void {
    if (this.#off) return
    if (message.buffer === this.#read) this.#released++
    else if (!isShared(message)) free(message.buffer)
  }

  /** Somebody else may keep what was read: from now on all is left to the garbage collector. */
  stop(): void {
    this.#off = true
    this.#read = undefined
  }
}

/** Whether there is more in its buffer than the message. */
function isShared(message: Uint8Array): boolean {
  return message.length < message.buffer.byteLength
}

function free(buffer: ArrayBufferLike): void {
  // Small buffers may be parts of one that Node shares among many; large ones never are.
  if (buffer instanceof ArrayBuffer && buffer.byteLength > Math.max(8192, Buffer.poolSize)) nowhere.postMessage(undefined, [buffer])
}

function closedPort(): MessageChannel['port1'] {
  const { port1, port2 } = new MessageChannel()
  port2.close()
  port1.unref()
  return port1
}

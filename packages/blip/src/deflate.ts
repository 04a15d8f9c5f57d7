import zlib from 'node:zlib'
import { ZStream, zlibDeflate, zlibDeflateInit2, zlibInflate, zlibInflateInit2 } from 'pako'

/**
 * A raw deflate or inflate stream that works synchronously, one call after the other. After `write`,
 * `availIn` and `availOut` say what is left of the input and of the room for output.
 */
export interface SyncZlib {
  readonly availIn: number
  readonly availOut: number
  /** Runs with a sync flush. @throws Error when the input is no deflate data. */
  write(input: Uint8Array, inputStart: number, inputLength: number, output: Uint8Array, outputStart: number, outputLength: number): void
  /** Frees native memory. Idempotent; not to be used afterwards. */
  close(): void
}

export interface SyncZlibFactory {
  readonly name: string
  deflate(level: number): SyncZlib
  inflate(): SyncZlib
}

const MEM_LEVEL = 9
const WINDOW_BITS = 15
const { Z_SYNC_FLUSH } = zlib.constants

/** The parts of Node's zlib streams that allow synchronous use of one stream; not documented, therefore tested before use. */
interface NativeStream {
  readonly _handle: {
    onerror: (message: string, errno: number, code: string) => void
    writeSync(
      flush: number,
      input: Uint8Array,
      inputStart: number,
      inputLength: number,
      output: Uint8Array,
      outputStart: number,
      outputLength: number
    ): void
  }
  readonly _writeState: Uint32Array
  close(): void
}

function nativeZlib(stream: NativeStream): SyncZlib {
  const handle = stream._handle
  const state = stream._writeState
  let failure: string | undefined
  let closed = false
  if (typeof handle.writeSync !== 'function' || !(state instanceof Uint32Array)) throw new Error('This Node has no synchronous zlib handle')
  handle.onerror = (message, _errno, code) => {
    failure = `${message} (${code})`
  }
  return {
    get availIn() {
      return state[1]!
    },
    get availOut() {
      return state[0]!
    },
    write(input, inputStart, inputLength, output, outputStart, outputLength) {
      handle.writeSync(Z_SYNC_FLUSH, input, inputStart, inputLength, output, outputStart, outputLength)
      if (failure !== undefined) throw new Error(failure)
    },
    close() {
      if (!closed) stream.close()
      closed = true
    }
  }
}

/** Node's own zlib through the handle beneath its streams. May fail to construct on a Node that changed it: see {@link chooseZlib}. */
export const nodeZlib: SyncZlibFactory = {
  name: 'node',
  deflate: (level) => nativeZlib(zlib.createDeflateRaw({ level, memLevel: MEM_LEVEL, windowBits: WINDOW_BITS }) as unknown as NativeStream),
  inflate: () => nativeZlib(zlib.createInflateRaw({ windowBits: WINDOW_BITS }) as unknown as NativeStream)
}

// Codes of zlib.h.
const METHOD_DEFLATED = 8
const DEFAULT_STRATEGY = 0
const STREAM_END = 1
const BUFFER_ERROR = -5

function scriptZlib(stream: ZStream, run: (stream: ZStream, flush: 2) => number): SyncZlib {
  return {
    get availIn() {
      return stream.avail_in
    },
    get availOut() {
      return stream.avail_out
    },
    write(input, inputStart, inputLength, output, outputStart, outputLength) {
      stream.input = input
      stream.next_in = inputStart
      stream.avail_in = inputLength
      stream.output = output as Uint8Array<ArrayBuffer>
      stream.next_out = outputStart
      stream.avail_out = outputLength
      const status = run(stream, Z_SYNC_FLUSH as 2)
      // No progress was possible: not an error, the caller looks at what is left.
      if (status < 0 && status !== BUFFER_ERROR) throw new Error(stream.msg === '' ? `zlib status ${status}` : stream.msg)
      if (status > STREAM_END) throw new Error('The stream asks for a dictionary')
    },
    close() {}
  }
}

/** zlib in JavaScript: 5 to 20 times slower, works everywhere. */
export const pakoZlib: SyncZlibFactory = {
  name: 'pako',
  deflate(level) {
    const stream = new ZStream()
    zlibDeflateInit2(stream, level as 6, METHOD_DEFLATED, -WINDOW_BITS, MEM_LEVEL, DEFAULT_STRATEGY)
    return scriptZlib(stream, zlibDeflate)
  },
  inflate() {
    const stream = new ZStream()
    zlibInflateInit2(stream, -WINDOW_BITS)
    return scriptZlib(stream, zlibInflate)
  }
}

/** Whether a factory's streams keep their history over several synchronous calls, report what is left, and fail on rubbish by throwing. */
export function zlibWorks(factory: SyncZlibFactory): boolean {
  let deflater: SyncZlib | undefined
  let inflater: SyncZlib | undefined
  try {
    deflater = factory.deflate(6)
    inflater = factory.inflate()
    const text = Buffer.from('the same forty bytes, compressed thrice..')
    const packed = new Uint8Array(128)
    const unpacked = new Uint8Array(128)
    for (let round = 0, firstSize = 0; round < 3; round++) {
      deflater.write(text, 0, text.length, packed, 0, packed.length)
      const size = packed.length - deflater.availOut
      if (deflater.availIn !== 0 || size < 5) return false
      if (round === 0) firstSize = size
      else if (size >= firstSize) return false
      inflater.write(packed, 0, size, unpacked, 3, unpacked.length - 3)
      if (inflater.availIn !== 0 || inflater.availOut !== unpacked.length - 3 - text.length) return false
      if (!text.equals(unpacked.subarray(3, 3 + text.length))) return false
    }
    try {
      inflater.write(new Uint8Array(8).fill(255), 0, 8, unpacked, 0, unpacked.length)
      return false
    } catch {
      return true
    }
  } catch {
    return false
  } finally {
    deflater?.close()
    inflater?.close()
  }
}

/** Node's zlib where {@link zlibWorks}, the JavaScript one otherwise. */
export function chooseZlib(preferred: SyncZlibFactory = nodeZlib): SyncZlibFactory {
  return zlibWorks(preferred) ? preferred : pakoZlib
}

/** {@link chooseZlib} on first use: many connections never compress, and the test takes a fraction of a millisecond. */
export function lazyZlib(): SyncZlibFactory {
  let chosen: SyncZlibFactory | undefined
  const choose = (): SyncZlibFactory => (chosen ??= chooseZlib())
  return { name: 'lazy', deflate: (level) => choose().deflate(level), inflate: () => choose().inflate() }
}

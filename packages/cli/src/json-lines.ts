import type { Readable } from 'node:stream'

/** One line of the input, without its line break. */
export interface InputLine {
  /** From 1. */
  readonly number: number
  /** Undefined when the line is longer than the limit; it is skipped then. */
  readonly bytes: Buffer | undefined
}

export interface ReadLinesOptions {
  /** Longest line, bytes. */
  readonly maxBytes: number
  /** Ends the reading: the input is destroyed and its reason thrown. */
  readonly signal: AbortSignal
  /** Told how many bytes were read so far. */
  readonly onProgress?: (bytes: number) => void
}

/**
 * The lines of a byte stream, as many at a time as a chunk brings, ended by LF or CR LF. A byte order mark at the start is left out.
 * Never holds more than one line of `maxBytes` and a chunk.
 * @throws what the stream fails with, or the reason of `signal`.
 */
export async function* readLines(
  input: Readable,
  { maxBytes, signal, onProgress }: ReadLinesOptions
): AsyncGenerator<InputLine[], void, undefined> {
  let number = 0
  let total = 0
  let pieces: Buffer[] = []
  let pending = 0
  const take = (last: Buffer): InputLine => {
    number++
    const length = pending + last.length
    let bytes = pieces.length === 0 ? last : Buffer.concat([...pieces, last])
    const tooLong = length > maxBytes + 1 || (length === maxBytes + 1 && bytes.at(-1) !== CR)
    pieces = []
    pending = 0
    if (tooLong) return { number, bytes: undefined }
    if (bytes.at(-1) === CR) bytes = bytes.subarray(0, -1)
    if (number === 1 && bytes.subarray(0, 3).equals(BOM)) bytes = bytes.subarray(3)
    return { number, bytes }
  }
  const stop = (): void => {
    input.destroy(signal.reason as Error)
  }
  signal.addEventListener('abort', stop, { once: true })
  try {
    signal.throwIfAborted()
    for await (const piece of input) {
      const chunk = typeof piece === 'string' ? Buffer.from(piece) : (piece as Buffer)
      total += chunk.length
      onProgress?.(total)
      const lines: InputLine[] = []
      let start = 0
      for (let end = chunk.indexOf(LF); end !== -1; end = chunk.indexOf(LF, start)) {
        lines.push(take(chunk.subarray(start, end)))
        start = end + 1
      }
      const rest = chunk.subarray(start)
      // Of a line that is too long already, only its length is of interest.
      if (rest.length > 0) {
        pending += rest.length
        if (pending > maxBytes + 1) pieces = []
        else pieces.push(rest)
      }
      if (lines.length > 0) yield lines
      signal.throwIfAborted()
    }
    if (pending > 0) yield [take(EMPTY)]
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

const LF = 0x0a
const CR = 0x0d
const BOM = Buffer.from([0xef, 0xbb, 0xbf])
const EMPTY = Buffer.alloc(0)

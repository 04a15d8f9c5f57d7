import type { Readable, Writable } from 'node:stream'
import { cliErrors } from './errors.ts'

/** Where a command reads and writes: handed in, so that tests run commands in their own process. */
export interface Io {
  readonly stdin: Readable
  readonly stdout: Writable
  readonly stderr: Writable
  /** Whether people look at stderr: progress lines and colours only then. */
  readonly interactive: boolean
  readonly colours: boolean
  /** Aborts on Ctrl-C or SIGTERM; long commands end in order then. */
  readonly signal: AbortSignal
  readonly environment: Readonly<Record<string, string | undefined>>
}

/** Writes one line to stdout. */
export function line(io: Io, text: string): void {
  io.stdout.write(`${text}\n`)
}

/** Writes one JSON value as a line to stdout. */
export function jsonLine(io: Io, value: unknown): void {
  io.stdout.write(`${JSON.stringify(value)}\n`)
}

/** Writes with back-pressure: resolves when the stream wants more. @throws what the stream fails with */
export async function writeAll(stream: Writable, bytes: Uint8Array | string): Promise<void> {
  if (stream.write(bytes)) return
  await new Promise<void>((resolve, reject) => {
    const done = (error?: Error): void => {
      stream.off('drain', done)
      stream.off('error', done)
      stream.off('close', closed)
      if (error === undefined) resolve()
      else reject(error)
    }
    const closed = (): void => {
      done(new Error('The output was closed'))
    }
    stream.on('drain', done)
    stream.on('error', done)
    stream.on('close', closed)
    if (stream.destroyed) closed()
  })
}

/**
 * All of stdin, which ends early when the command is interrupted.
 * @throws ERR_CLI_INPUT when it is longer than `maxBytes`.
 */
export async function readAll(io: Io, maxBytes: number): Promise<Buffer> {
  const { stdin, signal } = io
  const pieces: Buffer[] = []
  let length = 0
  const stop = (): void => {
    stdin.destroy(signal.reason as Error)
  }
  signal.addEventListener('abort', stop, { once: true })
  try {
    signal.throwIfAborted()
    for await (const piece of stdin) {
      const chunk = typeof piece === 'string' ? Buffer.from(piece) : (piece as Buffer)
      length += chunk.length
      if (length > maxBytes)
        throw cliErrors.create('ERR_CLI_INPUT', `The document has more than ${maxBytes} bytes`, {
          hint: 'Put large content into a blob: --blob property=file.'
        })
      pieces.push(chunk)
    }
  } finally {
    signal.removeEventListener('abort', stop)
  }
  return Buffer.concat(pieces)
}

import type { Readable, Writable } from 'node:stream'

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
export function line (io: Io, text: string): void {
  io.stdout.write(`${text}\n`)
}

/** Writes one JSON value as a line to stdout. */
export function jsonLine (io: Io, value: unknown): void {
  io.stdout.write(`${JSON.stringify(value)}\n`)
}

/** Writes with back-pressure: resolves when the stream wants more. */
export async function writeAll (stream: Writable, bytes: Uint8Array | string): Promise<void> {
  if (stream.write(bytes)) return
  await new Promise<void>((resolve, reject) => {
    const done = (error?: Error): void => {
      stream.off('drain', done)
      stream.off('error', done)
      if (error === undefined) resolve()
      else reject(error)
    }
    stream.on('drain', done)
    stream.on('error', done)
  })
}

/** All of stdin. */
export async function readAll (io: Io): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of io.stdin) pieces.push(typeof piece === 'string' ? Buffer.from(piece) : piece as Buffer)
  return Buffer.concat(pieces)
}

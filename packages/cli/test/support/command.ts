import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable, Writable } from 'node:stream'
import { eventually } from '@kithmesh/testkit'
import { type Io, runCommandLine } from '../../dist/index.js'

/** What a command did. */
export interface Outcome {
  readonly code: number
  readonly out: string
  readonly err: string
  readonly bytes: Buffer
  /** The lines of stdout, parsed. */
  readonly lines: any[]
}

/** Collects what is written and lets somebody wait for it. */
export class Sink extends Writable {
  readonly #pieces: Buffer[] = []

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#pieces.push(chunk)
    done()
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#pieces)
  }
  get text(): string {
    return this.bytes.toString('utf8')
  }

  /** Resolves once what was written passes the test. */
  until(passes: (text: string) => boolean, what: string): Promise<string> {
    return eventually(what, () => {
      if (!passes(this.text)) throw new Error(`so far: ${this.text}`)
      return this.text
    })
  }
}

export interface RunOptions {
  readonly stdin?: Readable | string | Buffer
  readonly signal?: AbortSignal
  readonly interactive?: boolean
  readonly colours?: boolean
  readonly stdout?: Writable
  readonly environment?: Readonly<Record<string, string | undefined>>
}

export function makeIo(options: RunOptions = {}): { io: Io; stdout: Sink; stderr: Sink } {
  const stdout = new Sink()
  const stderr = new Sink()
  const { stdin = '' } = options
  return {
    stdout,
    stderr,
    io: {
      stdin: stdin instanceof Readable ? stdin : Readable.from(stdin.length === 0 ? [] : [Buffer.from(stdin)]),
      stdout: options.stdout ?? stdout,
      stderr,
      interactive: options.interactive ?? false,
      colours: options.colours ?? false,
      signal: options.signal ?? new AbortController().signal,
      environment: options.environment ?? {}
    }
  }
}

/** The lines of a command's output with `--json`; what comes behind the last line end is not complete. */
export function jsonLines(text: string): any[] {
  return text
    .split('\n')
    .slice(0, -1)
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as unknown)
}

/** Runs a command line to its end. */
export async function run(words: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const { io, stdout, stderr } = makeIo(options)
  const code = await runCommandLine(words, io, '1.2.3')
  const out = stdout.text
  return {
    code,
    out,
    err: stderr.text,
    bytes: stdout.bytes,
    get lines() {
      return jsonLines(out)
    }
  }
}

/** Starts a command that runs until it is interrupted. */
export function start(words: readonly string[], options: RunOptions = {}): { stdout: Sink; stderr: Sink; stop: () => Promise<number> } {
  const stopping = new AbortController()
  const { io, stdout, stderr } = makeIo({ ...options, signal: stopping.signal })
  const ended = runCommandLine(words, io, '1.2.3')
  return {
    stdout,
    stderr,
    stop: () => {
      stopping.abort(new DOMException('Interrupted', 'AbortError'))
      return ended
    }
  }
}

/** A directory that `clean` removes. */
export function temporaryDirectories(): { make: () => string; clean: () => void } {
  let made: string[] = []
  return {
    make: () => {
      const path = mkdtempSync(join(tmpdir(), 'kithmesh-cli-'))
      made.push(path)
      return path
    },
    clean: () => {
      for (const path of made) rmSync(path, { recursive: true, force: true })
      made = []
    }
  }
}

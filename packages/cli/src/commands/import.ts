import type { Readable } from 'node:stream'
import type { Command } from 'commander'
import { errorCode } from '@kithmesh/core'
import { MAX_DOCUMENT_SIZE } from '@kithmesh/database'
import { cliErrors } from '../errors.ts'
import { type Io, jsonLine, line } from '../io.ts'
import { readLines } from '../json-lines.ts'
import { Loader } from '../loader.ts'
import { fileError, openNamedFile } from '../named-file.ts'
import { Progress } from '../progress.ts'
import { collectionOf, withDatabase } from '../with-database.ts'

interface ImportOptions {
  readonly collection?: string
  readonly skipErrors?: true
  readonly json?: true
}

export function importCommand(parent: Command, io: Io): void {
  parent
    .command('import')
    .description('load JSON Lines: one object per line, its id in "_id"')
    .argument('<dir>', 'database directory, made if missing')
    .argument('[file]', 'a file; "-" or nothing reads stdin')
    .option('--collection <name>', 'collection, name or scope.name; made if missing')
    .option('--skip-errors', 'report lines that cannot be stored and go on')
    .option('--json', 'print one JSON line at the end')
    .addHelpText(
      'after',
      `
Examples:
  kithmesh import ./shop items.jsonl
  kithmesh export ./shop | kithmesh import ./copy
A document that exists is given a new revision, unless the line says what is there already.
All lines before a bad one are kept. Lines may have 20 MiB. "_rev" is ignored.`
    )
    .action(async (directory: string, file: string | undefined, options: ImportOptions) => {
      const input = await openInput(io, file)
      try {
        await withDatabase(directory, true, async (database) => {
          const loader = new Loader(collectionOf(database, options.collection, true), options.skipErrors === true, (message) => {
            io.stderr.write(`${message}\n`)
          })
          const startedAt = performance.now()
          const summary = (): void => {
            const seconds = (performance.now() - startedAt) / 1000
            if (options.json) jsonLine(io, { stored: loader.stored, failed: loader.failed, seconds: Math.round(seconds * 1000) / 1000 })
            else line(io, `${loader.stored} stored, ${loader.failed} failed in ${seconds.toFixed(1)} s`)
          }
          try {
            await load(input, loader, io)
          } catch (error) {
            // The error of a bad line has the number already; a full disk or an interruption does not know it.
            if (loader.stored > 0 && errorCode(error) !== 'ERR_CLI_INPUT') summary()
            throw error
          }
          summary()
          if (loader.failed > 0)
            throw cliErrors.create('ERR_CLI_INPUT', `${loader.failed} ${loader.failed === 1 ? 'line was' : 'lines were'} not stored`, {
              hint: 'The lines above say why.'
            })
        })
      } finally {
        input.stream.destroy()
      }
    })
}

interface Input {
  readonly stream: Readable
  readonly name: string
  /** Bytes, when that is known. */
  readonly size: number | undefined
}

async function openInput(io: Io, file: string | undefined): Promise<Input> {
  if (file === undefined || file === '-') return { stream: io.stdin, name: 'stdin', size: undefined }
  const handle = await openNamedFile(file, 'r')
  const { size } = await handle.stat()
  return { stream: handle.createReadStream(), name: file, size: size > 0 ? size : undefined }
}

async function load({ stream, name, size }: Input, loader: Loader, io: Io): Promise<void> {
  const progress = new Progress(io)
  const startedAt = performance.now()
  let read = 0
  try {
    const lines = readLines(stream, {
      maxBytes: MAX_LINE,
      signal: io.signal,
      onProgress: (bytes) => {
        read = bytes
      }
    })
    for await (const batch of wrapErrors(lines, name, io)) {
      for (const each of batch) loader.add(each)
      progress.update(
        () =>
          `${loader.stored} documents, ${Math.round((loader.stored / (performance.now() - startedAt)) * 1000)} per second${size === undefined ? '' : `, ${Math.round((read / size) * 100)} %`}`
      )
    }
    loader.flush()
  } catch (error) {
    // Interrupted, or the input broke off: what came before is kept.
    loader.flush()
    throw error
  } finally {
    progress.clear()
  }
}

async function* wrapErrors<T>(values: AsyncIterable<T>, name: string, io: Io): AsyncGenerator<T, void, undefined> {
  try {
    for await (const value of values) yield value
  } catch (error) {
    throw io.signal.aborted ? error : fileError(name, 'read', error)
  }
}

/** A body of the largest size, its id and its revision. */
const MAX_LINE = MAX_DOCUMENT_SIZE + 4096

import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import type { Command } from 'commander'
import type { Collection } from '@kithmesh/database'
import { cliErrors } from '../error-catalogue.ts'
import { type Io, jsonLine } from '../io.ts'
import { Progress } from '../progress.ts'
import { collectionOf, withDatabase } from '../with-database.ts'

const batchSize = 1000

export function importCommand (parent: Command, io: Io): void {
  parent.command('import')
    .description('load JSON Lines: one object per line, its id in "_id"')
    .argument('<dir>', 'database directory, made if missing')
    .argument('[file]', 'a file; "-" or nothing reads stdin')
    .option('--collection <name>', 'collection, name or scope.name')
    .option('--skip-errors', 'report lines that cannot be stored and go on')
    .option('--json', 'print one JSON line at the end')
    .addHelpText('after', `
Examples:
  kithmesh import ./shop items.jsonl
  kithmesh export ./shop | kithmesh import ./copy
A document that exists is given a new revision.
All lines before a bad one are kept.`)
    .action(async (directory: string, file: string | undefined, options: { collection?: string, skipErrors?: true, json?: true }) => {
      const input: Readable = file === undefined || file === '-' ? io.stdin : createReadStream(file)
      await withDatabase(directory, true, async (database) => {
        const progress = new Progress(io)
        const loader = new Loader(collectionOf(database, options.collection, true), options.skipErrors === true, (message) => { io.stderr.write(`${message}\n`) })
        const startedAt = performance.now()
        try {
          let failed: Error | undefined
          input.on('error', (error) => { failed = error })
          for await (const text of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
            io.signal.throwIfAborted()
            loader.line(text)
            progress.update(() => `${loader.stored} documents, ${Math.round(loader.stored / (performance.now() - startedAt) * 1000)} per second`)
          }
          if (failed !== undefined) throw cliErrors.create('ERR_CLI_INPUT', `${file ?? 'stdin'} cannot be read`, { cause: failed, hint: 'Check the file name and its permissions.' })
        } finally {
          loader.flush()
          progress.clear()
        }
        const seconds = (performance.now() - startedAt) / 1000
        if (options.json) jsonLine(io, { stored: loader.stored, failed: loader.failed, seconds: Math.round(seconds * 1000) / 1000 })
        else io.stdout.write(`${loader.stored} stored, ${loader.failed} failed in ${seconds.toFixed(1)} s\n`)
        if (loader.failed > 0) throw cliErrors.create('ERR_CLI_INPUT', `${loader.failed} lines were not stored`, { hint: 'The lines above say why.' })
      })
    })
}

interface Entry {
  readonly id: string
  readonly body: string
  /** Line of the input. */
  readonly number: number
}

/** Collects lines into transactions. */
class Loader {
  stored = 0
  failed = 0
  readonly #collection: Collection
  readonly #skipErrors: boolean
  readonly #warn: (message: string) => void
  #batch: Entry[] = []
  #number = 0

  constructor (collection: Collection, skipErrors: boolean, warn: (message: string) => void) {
    this.#collection = collection
    this.#skipErrors = skipErrors
    this.#warn = warn
  }

  line (text: string): void {
    this.#number++
    if (text.trim() === '') return
    try {
      this.#batch.push({ ...splitLine(text), number: this.#number })
    } catch (cause) {
      this.#fail(this.#number, cause)
    }
    if (this.#batch.length >= batchSize) this.flush()
  }

  /** Stores what was collected in one transaction; when that is refused, document by document, to keep the good ones. */
  flush (): void {
    const batch = this.#batch
    this.#batch = []
    try {
      this.#collection.putMany(batch)
      this.stored += batch.length
    } catch {
      for (const entry of batch) this.#storeAlone(entry)
    }
  }

  #storeAlone (entry: Entry): void {
    try {
      this.#collection.put(entry.id, entry.body)
      this.stored++
    } catch (cause) {
      this.#fail(entry.number, cause)
    }
  }

  #fail (number: number, cause: unknown): void {
    const error = cliErrors.create('ERR_CLI_INPUT', `Line ${number} cannot be stored: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
    if (!this.#skipErrors) {
      const before = this.#batch.filter((entry) => entry.number < number)
      this.#batch = []
      if (before.length > 0) this.#collection.putMany(before)
      throw error
    }
    this.failed++
    this.#warn(error.message)
  }
}

/** Separates `_id` from the rest; the body keeps its order of keys. */
function splitLine (text: string): { readonly id: string, readonly body: string } {
  const value = JSON.parse(text) as unknown
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new TypeError('it is not a JSON object')
  const { _id: id, _rev: _ignored, ...body } = value as Record<string, unknown>
  if (typeof id !== 'string') throw new TypeError('it has no "_id" of type string')
  return { id, body: JSON.stringify(body) }
}

import { isUtf8 } from 'node:buffer'
import { errorCode } from '@kithmesh/core/plugin'
import { type Collection, MAX_DOCUMENT_SIZE } from '@kithmesh/database'
import { parseDocumentLine } from './document-line.ts'
import { cliErrors } from './errors.ts'
import type { InputLine } from './json-lines.ts'

interface Entry {
  readonly id: string
  readonly body: string
  readonly number: number
}

/** Stores lines in transactions of many documents, and names the line when one is refused. */
export class Loader {
  /** Lines stored so far. */
  stored = 0
  /** Lines left out. */
  failed = 0
  readonly #collection: Collection
  readonly #skipErrors: boolean
  readonly #warn: (message: string) => void
  #batch: Entry[] = []
  #size = 0

  /** @param warn is told about each line that is left out; without `skipErrors` there is none, the first one is thrown. */
  constructor(collection: Collection, skipErrors: boolean, warn: (message: string) => void) {
    this.#collection = collection
    this.#skipErrors = skipErrors
    this.#warn = warn
  }

  /** Takes a line; empty ones are passed over. @throws ERR_CLI_INPUT with the number of the first bad line, after all before it are stored */
  add({ number, bytes }: InputLine): void {
    let entry: Entry | undefined
    try {
      entry = parse(number, bytes)
    } catch (cause) {
      this.flush()
      this.#fail(number, (cause as Error).message, cause)
    }
    if (entry === undefined) return
    this.#batch.push(entry)
    this.#size += entry.body.length
    if (this.#batch.length >= BATCH_LINES || this.#size >= BATCH_CHARACTERS) this.flush()
  }

  /** Stores what was collected in one transaction; when that is refused, line by line, to keep the good ones. */
  flush(): void {
    const batch = this.#batch
    this.#batch = []
    this.#size = 0
    try {
      this.#collection.putMany(batch)
      this.stored += batch.length
    } catch (error) {
      if (!concernsDocument(error)) throw error
      for (const entry of batch) this.#storeAlone(entry)
    }
  }

  #storeAlone({ id, body, number }: Entry): void {
    try {
      this.#collection.put(id, body)
      this.stored++
    } catch (cause) {
      if (!concernsDocument(cause)) throw cause
      this.#fail(
        number,
        errorCode(cause) === 'ERR_DB_MALFORMED_JSON' ? syntaxError(`{"_id":"",${body.slice(1)}`, cause) : (cause as Error).message,
        cause
      )
    }
  }

  #fail(number: number, reason: string, cause: unknown): void {
    const message = `Line ${number} cannot be stored: ${reason}`
    if (!this.#skipErrors) {
      throw cliErrors.create('ERR_CLI_INPUT', message, {
        cause,
        hint: `The ${this.stored} documents before it are stored; --skip-errors leaves bad lines out and goes on.`
      })
    }
    this.failed++
    this.#warn(message)
  }
}

function parse(number: number, bytes: Buffer | undefined): Entry | undefined {
  if (bytes === undefined) throw new RangeError(`it is longer than a document may be (${MAX_DOCUMENT_SIZE} bytes)`)
  if (!isUtf8(bytes)) throw new TypeError('it is not UTF-8')
  const text = bytes.toString()
  if (text.trim() === '') return undefined
  return { ...parseDocumentLine(text), number }
}

/** The parser's own words, which show the place, where it has some. */
function syntaxError(text: string, fallback: unknown): string {
  try {
    JSON.parse(text)
  } catch (error) {
    return (error as Error).message
  }
  return (fallback as Error).message
}

/** Whether another line may do better: not when the disk is full or the database locked or damaged. */
function concernsDocument(error: unknown): boolean {
  const code = errorCode(error)
  return code === undefined ? error instanceof RangeError : DOCUMENT_ERRORS.has(code)
}

const DOCUMENT_ERRORS: ReadonlySet<string> = new Set([
  'ERR_DB_DOCUMENT_ID',
  'ERR_DB_MALFORMED_JSON',
  'ERR_DB_RESERVED_KEY',
  'ERR_DB_TOO_LARGE',
  'ERR_DB_BLOB_MISSING',
  'ERR_DB_CONFLICT'
])
const BATCH_LINES = 1000
const BATCH_CHARACTERS = 8_000_000

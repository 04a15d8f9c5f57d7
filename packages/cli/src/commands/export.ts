import { once } from 'node:events'
import type { FileHandle } from 'node:fs/promises'
import { Writable } from 'node:stream'
import type { Command } from 'commander'
import type { Collection } from '@kithmesh/database'
import { formatDocumentLine } from '../document-line.ts'
import { type Io, jsonLine, line, writeAll } from '../io.ts'
import { fileError, replaceNamedFile } from '../named-file.ts'
import { Progress } from '../progress.ts'
import { collectionOf, withDatabase } from '../with-database.ts'

interface ExportOptions {
  readonly collection?: string
  readonly revisions?: true
  readonly json?: true
}

export function exportCommand(parent: Command, io: Io): void {
  parent
    .command('export')
    .description('write all documents as JSON Lines in id order, the id in "_id"')
    .argument('<dir>', 'database directory')
    .argument('[file]', 'a file; "-" or nothing writes stdout')
    .option('--collection <name>', 'collection, name or scope.name')
    .option('--revisions', 'add the revision id as "_rev" (ignored by import)')
    .option('--json', 'when writing a file, print one JSON line at the end')
    .addHelpText(
      'after',
      `
Examples:
  kithmesh export ./shop items.jsonl
  diff <(kithmesh export ./shop) <(kithmesh export ./warehouse) && echo equal
Bodies are written as they are stored, with blanks for line breaks. Blobs are mentioned, not contained.`
    )
    .action(async (directory: string, file: string | undefined, options: ExportOptions) => {
      await withDatabase(directory, false, async (database) => {
        const collection = collectionOf(database, options.collection)
        const revisions = options.revisions === true
        if (file === undefined || file === '-') {
          await writeDocuments(collection, io.stdout, revisions, io)
          return
        }
        const count = await writeFile(file, collection, revisions, io)
        if (options.json) jsonLine(io, { documents: count, file })
        else line(io, `${count} documents`)
      })
    })
}

async function writeFile(file: string, collection: Collection, revisions: boolean, io: Io): Promise<number> {
  return await replaceNamedFile(file, async (handle) => {
    const output = writableTo(handle)
    const failure = new Promise<never>((_resolve, reject) => {
      output.once('error', (error) => {
        reject(fileError(file, 'written', error))
      })
    })
    failure.catch(() => {
      /* reported by whoever races it */
    })
    try {
      const count = await Promise.race([writeDocuments(collection, output, revisions, io), failure])
      output.end()
      await Promise.race([once(output, 'finish'), failure])
      return count
    } catch (error) {
      output.destroy()
      throw error
    }
  })
}

/** Appends to a file and leaves it open. */
function writableTo(handle: FileHandle): Writable {
  return new Writable({
    highWaterMark: CHUNK,
    write: (chunk: Buffer, _encoding, done) => {
      handle.appendFile(chunk).then(() => {
        done()
      }, done)
    }
  })
}

/** Resolves with the number of documents. */
async function writeDocuments(collection: Collection, output: Writable, revisions: boolean, io: Io): Promise<number> {
  const progress = new Progress(io)
  let count = 0
  let pieces: Buffer[] = []
  let size = 0
  const flush = async (): Promise<void> => {
    const bytes = Buffer.concat(pieces)
    pieces = []
    size = 0
    await writeAll(output, bytes)
  }
  try {
    for (const document of collection.documents()) {
      io.signal.throwIfAborted()
      const bytes = formatDocumentLine(document.id, revisions ? document.revId : undefined, document.json())
      pieces.push(bytes)
      size += bytes.length
      count++
      if (size >= CHUNK) {
        await flush()
        progress.update(() => `${count} documents`)
      }
    }
    if (size > 0) await flush()
    return count
  } finally {
    progress.clear()
  }
}

const CHUNK = 65_536

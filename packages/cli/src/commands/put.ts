import { extname } from 'node:path'
import type { Command } from 'commander'
import { MAX_DOCUMENT_SIZE } from '@kithmesh/database'
import { cliErrors } from '../errors.ts'
import { type Io, jsonLine, line, readAll } from '../io.ts'
import { repeat } from '../options.ts'
import { readNamedFile } from '../named-file.ts'
import { collectionOf, withDatabase } from '../with-database.ts'

const contentTypes: Readonly<Record<string, string>> = {
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
  '.gif': 'image/gif',
  '.svg': 'image/svg+xml',
  '.webp': 'image/webp',
  '.pdf': 'application/pdf',
  '.txt': 'text/plain',
  '.json': 'application/json'
}

export function putCommand(parent: Command, io: Io): void {
  parent
    .command('put')
    .description('store a document: JSON from the argument, or from stdin')
    .argument('<dir>', 'database directory, made if missing')
    .argument('<id>', 'document id, 1 to 240 bytes, not starting with "_"')
    .argument('[json]', 'a JSON object; "-" or nothing reads stdin')
    .option('--collection <name>', 'collection, name or scope.name; made if missing')
    .option('--blob <property=file>', 'attach a file as a blob under a property; repeatable', repeat(String))
    .option('--parent <rev>', 'fail unless this is the current revision; "" wants a new document')
    .option('--json', 'print one JSON line')
    .addHelpText(
      'after',
      `
Examples:
  kithmesh put ./shop item:apples '{"name":"Apples","quantity":110}'
  kithmesh put ./shop item:apples '{"name":"Apples"}' --blob picture=apples.png
  cat item.json | kithmesh put ./shop item:pears`
    )
    .action(
      async (
        directory: string,
        id: string,
        json: string | undefined,
        options: { collection?: string; blob?: string[]; parent?: string; json?: true }
      ) => {
        const text = json === undefined || json === '-' ? (await readAll(io, MAX_DOCUMENT_SIZE)).toString('utf8') : json
        const blobs = options.blob ?? []
        const saved = await withDatabase(directory, true, async (database) => {
          const body = blobs.length === 0 ? text : await withBlobs(text, blobs, (bytes, type) => database.blobs.saveBlob(bytes, type))
          return collectionOf(database, options.collection, true).put(
            id,
            body,
            options.parent === undefined ? {} : { parent: options.parent }
          )
        })
        if (options.json) jsonLine(io, { id: saved.id, rev: saved.revId, sequence: saved.sequence })
        else line(io, saved.revId)
      }
    )
}

/** The JSON text with a blob under each property named; everything else keeps its bytes. */
async function withBlobs(
  text: string,
  blobs: readonly string[],
  save: (bytes: Buffer, contentType: string) => Promise<unknown>
): Promise<string> {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (cause) {
    throw cliErrors.create('ERR_CLI_INPUT', `The document is not JSON: ${(cause as Error).message}`, { cause, hint: QUOTING })
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    throw cliErrors.create('ERR_CLI_INPUT', 'The document is JSON, but not an object', { hint: QUOTING })
  const keys = new Set(Object.keys(parsed))
  let body = text
  for (const blob of blobs) {
    const equals = blob.indexOf('=')
    if (equals < 1) throw cliErrors.create('ERR_CLI_USAGE', '--blob takes property=file')
    const property = blob.slice(0, equals)
    const file = blob.slice(equals + 1)
    if (keys.has(property))
      throw cliErrors.create('ERR_CLI_USAGE', `The document has ${JSON.stringify(property)} already, where --blob would put ${file}`)
    const saved = await save(await readNamedFile(file), contentTypes[extname(file).toLowerCase()] ?? 'application/octet-stream')
    body = `${body.slice(0, body.lastIndexOf('}'))}${keys.size === 0 ? '' : ','}${JSON.stringify(property)}:${JSON.stringify(saved)}}`
    keys.add(property)
  }
  return body
}

const QUOTING = 'Quote the whole object for the shell: \'{"name":"Apples"}\'.'

import { readFile } from 'node:fs/promises'
import { extname } from 'node:path'
import type { Command } from 'commander'
import { cliErrors } from '../error-catalogue.ts'
import { type Io, jsonLine, line, readAll } from '../io.ts'
import { collectionOf, withDatabase } from '../with-database.ts'

const contentTypes: Readonly<Record<string, string>> = {
  '.png': 'image/png', '.jpg': 'image/jpeg', '.jpeg': 'image/jpeg', '.gif': 'image/gif', '.svg': 'image/svg+xml', '.webp': 'image/webp',
  '.pdf': 'application/pdf', '.txt': 'text/plain', '.json': 'application/json'
}

export function putCommand (parent: Command, io: Io): void {
  parent.command('put')
    .description('store a document: JSON from the argument, or from stdin')
    .argument('<dir>', 'database directory, made if missing')
    .argument('<id>', 'document id, 1 to 240 bytes, not starting with "_"')
    .argument('[json]', 'a JSON object; "-" or nothing reads stdin')
    .option('--collection <name>', 'collection, name or scope.name')
    .option('--blob <property=file>', 'attach a file as a blob under a property; repeatable', (text: string, earlier: string[] | undefined) => [...(earlier ?? []), text])
    .option('--parent <rev>', 'fail unless this is the current revision')
    .option('--json', 'print one JSON line')
    .addHelpText('after', `
Examples:
  kithmesh put ./shop item:apples '{"name":"Apples","quantity":110}'
  kithmesh put ./shop item:apples '{"name":"Apples"}' --blob picture=apples.png
  cat item.json | kithmesh put ./shop item:pears`)
    .action(async (directory: string, id: string, json: string | undefined, options: { collection?: string, blob?: string[], parent?: string, json?: true }) => {
      const text = json === undefined || json === '-' ? (await readAll(io)).toString('utf8') : json
      const saved = await withDatabase(directory, true, async (database) => {
        const body = options.blob === undefined ? text : await withBlobs(text, options.blob, (bytes, type) => database.blobs.saveBlob(bytes, type))
        return collectionOf(database, options.collection, true).put(id, body, options.parent === undefined ? {} : { parent: options.parent })
      })
      if (options.json) jsonLine(io, { id: saved.id, rev: saved.revId, sequence: saved.sequence })
      else line(io, saved.revId)
    })
}

async function withBlobs (text: string, blobs: readonly string[], save: (bytes: Buffer, contentType: string) => Promise<unknown>): Promise<string> {
  let body: Record<string, unknown>
  try {
    body = JSON.parse(text) as Record<string, unknown>
  } catch (cause) {
    throw cliErrors.create('ERR_CLI_INPUT', 'The document is not JSON', { cause, hint: 'Quote the whole object for the shell: \'{"name":"Apples"}\'.' })
  }
  for (const blob of blobs) {
    const equals = blob.indexOf('=')
    if (equals < 1) throw cliErrors.create('ERR_CLI_USAGE', '--blob takes property=file')
    const file = blob.slice(equals + 1)
    body[blob.slice(0, equals)] = await save(await readFile(file), contentTypes[extname(file).toLowerCase()] ?? 'application/octet-stream')
  }
  return JSON.stringify(body)
}

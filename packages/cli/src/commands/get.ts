import type { Command } from 'commander'
import { cliErrors } from '../error-catalogue.ts'
import { type Io, jsonLine, line, writeAll } from '../io.ts'
import { collectionOf, withDatabase } from '../with-database.ts'

export function getCommand (parent: Command, io: Io): void {
  parent.command('get')
    .description('print a document')
    .argument('<dir>', 'database directory')
    .argument('<id>', 'document id')
    .option('--collection <name>', 'collection, name or scope.name')
    .option('--blob <property>', 'write the bytes of the blob under this property instead')
    .option('--json', 'print one JSON line with id, revision, sequence and document')
    .addHelpText('after', `
Examples:
  kithmesh get ./shop item:apples
  kithmesh get ./shop item:apples --json
  kithmesh get ./shop item:apples --blob picture > apples.png`)
    .action(async (directory: string, id: string, options: { collection?: string, blob?: string, json?: true }) => {
      await withDatabase(directory, false, async (database) => {
        const document = collectionOf(database, options.collection).get(id)
        if (document === undefined) throw cliErrors.create('ERR_CLI_NOT_FOUND', `There is no document ${JSON.stringify(id)}`)
        if (options.blob !== undefined) {
          const digest = ((document.body as Record<string, unknown>)[options.blob] as { digest?: unknown } | undefined)?.digest
          const bytes = typeof digest === 'string' ? await database.blobs.readBlob(digest) : undefined
          if (bytes === undefined) throw cliErrors.create('ERR_CLI_NOT_FOUND', `${JSON.stringify(id)} has no blob under ${JSON.stringify(options.blob)}`)
          await writeAll(io.stdout, bytes)
        } else if (options.json) jsonLine(io, { id: document.id, rev: document.revId, sequence: document.sequence, document: document.body })
        else line(io, document.json().toString('utf8'))
      })
    })
}

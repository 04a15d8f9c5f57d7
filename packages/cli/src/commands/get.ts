import type { Command } from 'commander'
import { onOneLine } from '../document-line.ts'
import { cliErrors } from '../errors.ts'
import { type Io, line, writeAll } from '../io.ts'
import { collectionOf, withDatabase } from '../with-database.ts'

export function getCommand(parent: Command, io: Io): void {
  parent
    .command('get')
    .description('print a document')
    .argument('<dir>', 'database directory')
    .argument('<id>', 'document id')
    .option('--collection <name>', 'collection, name or scope.name')
    .option('--blob <property>', 'write the bytes of the blob under this property instead')
    .option('--json', 'print one JSON line with id, revision, sequence and document')
    .addHelpText(
      'after',
      `
Examples:
  kithmesh get ./shop item:apples
  kithmesh get ./shop item:apples --json
  kithmesh get ./shop item:apples --blob picture > apples.png`
    )
    .action(async (directory: string, id: string, options: { collection?: string; blob?: string; json?: true }) => {
      await withDatabase(directory, false, async (database) => {
        const document = collectionOf(database, options.collection).get(id)
        if (document === undefined) throw cliErrors.create('ERR_CLI_NOT_FOUND', `There is no document ${JSON.stringify(id)}`)
        if (options.blob !== undefined) {
          const value = Object.getOwnPropertyDescriptor(document.body, options.blob)?.value as { digest?: unknown } | null | undefined
          const digest = value?.digest
          if (typeof digest !== 'string')
            throw cliErrors.create('ERR_CLI_NOT_FOUND', `${JSON.stringify(id)} has no blob under ${JSON.stringify(options.blob)}`, {
              hint: 'kithmesh get without --blob shows the document.'
            })
          const bytes = await database.blobs.readBlob(digest)
          if (bytes === undefined)
            throw cliErrors.create('ERR_CLI_NOT_FOUND', `The blob ${digest} of ${JSON.stringify(id)} is not in this database`, {
              hint: 'Sync with a device that has it.'
            })
          await writeAll(io.stdout, bytes)
        } else if (options.json) {
          // The stored text as it is: parsing would round large numbers.
          line(
            io,
            `{"id":${JSON.stringify(document.id)},"rev":${JSON.stringify(document.revId)},"sequence":${document.sequence},"document":${onOneLine(document.json()).toString('utf8')}}`
          )
        } else line(io, document.json().toString('utf8'))
      })
    })
}

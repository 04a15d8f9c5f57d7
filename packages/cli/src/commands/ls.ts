import type { Command } from 'commander'
import { type Io, writeAll } from '../io.ts'
import { parseCount } from '../options.ts'
import { collectionOf, withDatabase } from '../with-database.ts'

export function lsCommand(parent: Command, io: Io): void {
  parent
    .command('ls')
    .description('list document ids in order, or the collections')
    .argument('<dir>', 'database directory')
    .option('--collection <name>', 'collection, name or scope.name')
    .option('--collections', 'list the collections and their sizes instead')
    .option('--long', 'with revision and size')
    .option('--after <id>', 'start behind this id')
    .option('--limit <n>', 'at most so many', parseCount(1))
    .option('--json', 'print one JSON line per document')
    .addHelpText(
      'after',
      `
Examples:
  kithmesh ls ./shop
  kithmesh ls ./shop --long --limit 20
  kithmesh ls ./shop --collections --json`
    )
    .action(
      async (
        directory: string,
        options: { collection?: string; collections?: true; long?: true; after?: string; limit?: number; json?: true }
      ) => {
        await withDatabase(directory, false, async (database) => {
          if (options.collections) {
            for (const { scope, name } of database.collections()) {
              const { count, lastSequence } = database.collection(name, scope)
              const path = scope === '_default' ? name : `${scope}.${name}`
              await writeAll(
                io.stdout,
                options.json
                  ? `${JSON.stringify({ collection: path, documents: count, lastSequence, versioning: database.versioning })}\n`
                  : `${path}\t${count}\n`
              )
            }
            return
          }
          const range = {
            ...(options.after === undefined ? {} : { after: options.after }),
            ...(options.limit === undefined ? {} : { limit: options.limit })
          }
          for (const document of collectionOf(database, options.collection).documents(range)) {
            const size = document.json().length
            await writeAll(
              io.stdout,
              options.json
                ? `${JSON.stringify({ id: document.id, rev: document.revId, sequence: document.sequence, bytes: size })}\n`
                : options.long
                  ? `${document.id}\t${document.revId}\t${size}\n`
                  : `${document.id}\n`
            )
          }
        })
      }
    )
}

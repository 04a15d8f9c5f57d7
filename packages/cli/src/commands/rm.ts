import type { Command } from 'commander'
import { cliErrors } from '../errors.ts'
import { type Io, jsonLine, line } from '../io.ts'
import { collectionOf, withDatabase } from '../with-database.ts'

export function rmCommand(parent: Command, io: Io): void {
  parent
    .command('rm')
    .description('delete documents; the deletions are replicated')
    .argument('<dir>', 'database directory')
    .argument('<ids...>', 'document ids')
    .option('--collection <name>', 'collection, name or scope.name')
    .option('--purge', 'forget without a trace and without telling other peers')
    .option('--json', 'print one JSON line per document')
    .addHelpText(
      'after',
      `
Examples:
  kithmesh rm ./shop item:apples item:pears
  kithmesh rm ./shop item:apples --purge`
    )
    .action(async (directory: string, ids: string[], options: { collection?: string; purge?: true; json?: true }) => {
      await withDatabase(directory, false, async (database) => {
        const collection = collectionOf(database, options.collection)
        const missing: string[] = []
        for (const id of ids) {
          const rev = options.purge ? undefined : collection.remove(id)?.revId
          if (options.purge ? !collection.purge(id) : rev === undefined) missing.push(id)
          else if (options.json) jsonLine(io, options.purge ? { id, purged: true } : { id, rev, deleted: true })
          else line(io, rev ?? id)
        }
        if (missing.length > 0)
          throw cliErrors.create('ERR_CLI_NOT_FOUND', `There is no document ${missing.map((id) => JSON.stringify(id)).join(', ')}`)
      })
    })
}

import { createWriteStream } from 'node:fs'
import { finished } from 'node:stream/promises'
import type { Writable } from 'node:stream'
import type { Command } from 'commander'
import { type Io, jsonLine, writeAll } from '../io.ts'
import { Progress } from '../progress.ts'
import { collectionOf, withDatabase } from '../with-database.ts'

export function exportCommand (parent: Command, io: Io): void {
  parent.command('export')
    .description('write all documents as JSON Lines in id order, the id in "_id"')
    .argument('<dir>', 'database directory')
    .argument('[file]', 'a file; "-" or nothing writes stdout')
    .option('--collection <name>', 'collection, name or scope.name')
    .option('--revisions', 'add the revision id as "_rev" (ignored by import)')
    .option('--json', 'print one JSON line at the end (needs a file)')
    .addHelpText('after', `
Examples:
  kithmesh export ./shop items.jsonl
  diff <(kithmesh export ./shop) <(kithmesh export ./warehouse) && echo equal`)
    .action(async (directory: string, file: string | undefined, options: { collection?: string, revisions?: true, json?: true }) => {
      const toFile = file !== undefined && file !== '-'
      const output: Writable = toFile ? createWriteStream(file) : io.stdout
      await withDatabase(directory, false, async (database) => {
        const progress = new Progress(io)
        let count = 0
        for (const document of collectionOf(database, options.collection).documents()) {
          io.signal.throwIfAborted()
          await writeAll(output, exportLine(document.id, options.revisions ? document.revId : undefined, document.json()))
          count++
          progress.update(() => `${count} documents`)
        }
        progress.clear()
        if (!toFile) return
        output.end()
        await finished(output)
        if (options.json) jsonLine(io, { documents: count, file })
        else io.stdout.write(`${count} documents\n`)
      })
    })
}

/** One line: `_id` first, then the stored bytes as they are, re-written only when they contain a line break. */
function exportLine (id: string, revId: string | undefined, json: Buffer): Buffer {
  const body = json.includes(0x0a) || json.includes(0x0d) ? Buffer.from(JSON.stringify(JSON.parse(json.toString('utf8')))) : json
  const start = body.indexOf(0x7b) + 1
  const rest = body.subarray(start)
  const empty = /^\s*\}\s*$/.test(rest.subarray(0, 16).toString('latin1')) && rest.length < 16
  const head = `{"_id":${JSON.stringify(id)}${revId === undefined ? '' : `,"_rev":${JSON.stringify(revId)}`}${empty ? '' : ','}`
  return Buffer.concat([Buffer.from(head), rest, Buffer.from('\n')])
}

import { Command, CommanderError } from 'commander'
import { exportCommand } from './commands/export.ts'
import { getCommand } from './commands/get.ts'
import { importCommand } from './commands/import.ts'
import { lsCommand } from './commands/ls.ts'
import { peersCommand } from './commands/peers.ts'
import { putCommand } from './commands/put.ts'
import { replicateCommand } from './commands/replicate.ts'
import { rmCommand } from './commands/rm.ts'
import { serveCommand } from './commands/serve.ts'
import { syncCommand } from './commands/sync.ts'
import { reportFailure } from './failure.ts'
import type { Io } from './io.ts'

/**
 * Runs one command line and resolves with the exit code: 0 done, 1 failed (the reason is on stderr), 2 misused, 130 interrupted
 * before the work was done.
 * @param words the arguments without the program's own name.
 */
export async function runCommandLine(words: readonly string[], io: Io, version: string): Promise<number> {
  const program = new Command('kithmesh')
    .description('Find the devices around you and keep JSON documents in sync with them, without a server.')
    .version(version)
    .showHelpAfterError('(add --help for examples)')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => {
        io.stdout.write(text)
      },
      writeErr: (text) => {
        io.stderr.write(text)
      }
    })
    .addHelpText(
      'after',
      `
Examples:
  kithmesh sync ./shop --group my-app                        sync with everybody of the group on this network
  kithmesh put ./shop item:apples '{"quantity":110}'         write a document, also while sync runs
  kithmesh serve ./shop --port 4984 --db inventory           let Couchbase Lite clients connect
  kithmesh replicate ./copy ws://127.0.0.1:4984/inventory    pull and push against such a listener`
    )
  for (const add of [
    syncCommand,
    peersCommand,
    serveCommand,
    replicateCommand,
    putCommand,
    getCommand,
    lsCommand,
    rmCommand,
    importCommand,
    exportCommand
  ])
    add(program, io)
  for (const command of program.commands)
    command.exitOverride().configureOutput({
      writeOut: (text) => {
        io.stdout.write(text)
      },
      writeErr: (text) => {
        io.stderr.write(text)
      }
    })
  try {
    await program.parseAsync([...words], { from: 'user' })
    return 0
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    if (io.signal.aborted && error === io.signal.reason) {
      io.stderr.write('interrupted\n')
      return 130
    }
    reportFailure(io, error, words.includes('--json'))
    return (error as { code?: unknown } | null)?.code === 'ERR_CLI_USAGE' ? 2 : 1
  }
}

import { Command, CommanderError } from 'commander'
import { reportFailure } from './failure.ts'
import type { Io } from './io.ts'

/**
 * Where each command is, in the order of the help. A command line loads only the one it names: what discovery, TLS and replication need
 * takes several times as long to load as `ls` to run.
 */
const COMMANDS: Readonly<Record<string, () => Promise<(parent: Command, io: Io) => void>>> = {
  sync: async () => (await import('./commands/sync.ts')).syncCommand,
  peers: async () => (await import('./commands/peers.ts')).peersCommand,
  explain: async () => (await import('./commands/explain.ts')).explainCommand,
  identity: async () => (await import('./commands/identity.ts')).identityCommand,
  serve: async () => (await import('./commands/serve.ts')).serveCommand,
  replicate: async () => (await import('./commands/replicate.ts')).replicateCommand,
  relay: async () => (await import('./commands/relay.ts')).relayCommand,
  put: async () => (await import('./commands/put.ts')).putCommand,
  get: async () => (await import('./commands/get.ts')).getCommand,
  ls: async () => (await import('./commands/ls.ts')).lsCommand,
  rm: async () => (await import('./commands/rm.ts')).rmCommand,
  import: async () => (await import('./commands/import.ts')).importCommand,
  export: async () => (await import('./commands/export.ts')).exportCommand,
  doctor: async () => (await import('./commands/doctor.ts')).doctorCommand,
  air: async () => (await import('./commands/air.ts')).airCommand,
  certify: async () => (await import('./commands/certify.ts')).certifyCommand
}

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
    .enablePositionalOptions()
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
  kithmesh sync ./shop --group my-app --pair                 sync with the devices of the group, each accepted once
  kithmesh put ./shop item:apples '{"quantity":110}'         write a document, also while sync runs
  kithmesh serve ./shop --port 4984 --db inventory           let Couchbase Lite clients connect
  kithmesh replicate ./copy ws://127.0.0.1:4984/inventory    pull and push against such a listener`
    )
  for (const load of needed(words)) (await load())(program, io)
  for (const command of program.commands.flatMap((each) => [each, ...each.commands]))
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

/** The command that is named; all of them for whoever gets to see the list: help, nothing, or a name that is not known. */
function needed(words: readonly string[]) {
  const first = words[0] ?? ''
  if (first === '--version' || first === '-V') return []
  return Object.hasOwn(COMMANDS, first) ? [COMMANDS[first] as (typeof COMMANDS)[string]] : Object.values(COMMANDS)
}

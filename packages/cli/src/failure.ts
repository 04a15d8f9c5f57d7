import { errorCode } from '@kithmesh/core/plugin'
import type { Io } from './io.ts'
import { printableLines } from './printable.ts'

/** Writes why a command failed: one sentence, its code, the causes, and what can be done. With `json` as one JSON line on stderr. */
export function reportFailure(io: Io, error: unknown, json: boolean): void {
  const chain = causes(error)
  const hint = hintOf(chain)
  if (json) {
    io.stderr.write(
      `${JSON.stringify({ error: chain[0]?.message ?? String(error), code: errorCode(error), hint, causes: chain.slice(1).map((each) => ({ message: each.message, code: errorCode(each) })) })}\n`
    )
    return
  }
  const code = errorCode(error)
  const red = (text: string): string => (io.colours ? `\u001b[31m${text}\u001b[0m` : text)
  // Servers and peers have a say in what went wrong.
  const say = (text: string): void => {
    io.stderr.write(`${printableLines(text)}\n`)
  }
  io.stderr.write(`${red('error')} `)
  say(`${chain[0]?.message ?? String(error)}${code === undefined ? '' : ` [${code}]`}`)
  for (const cause of chain.slice(1)) say(`  because: ${cause.message}${errorCode(cause) === undefined ? '' : ` [${errorCode(cause)}]`}`)
  if (hint !== '') say(`  hint: ${hint}`)
}

/** The sentence and the hint of {@link reportFailure}, for commands that print them in their own way. */
export function explain(error: unknown): { readonly message: string; readonly hint: string } {
  const chain = causes(error)
  return { message: chain[0]?.message ?? String(error), hint: hintOf(chain) }
}

/** What to do, as a user of commands can: the first hint of the chain, but the last where the outer ones only point at their cause. */
function hintOf(chain: readonly Error[]): string {
  const hints = chain
    .map((each) => COMMAND_HINTS.get(errorCode(each) ?? '') ?? (each as { hint?: unknown }).hint)
    .filter((each): each is string => typeof each === 'string' && each !== '')
  return (POINTERS.has(errorCode(chain[0]) ?? '') ? hints.at(-1) : hints[0]) ?? ''
}

/** In place of hints that tell programmers what to call. */
const COMMAND_HINTS: ReadonlyMap<string, string> = new Map([
  ['ERR_DB_NOT_FOUND', 'Check the path; put, import and sync make a database where there is none.'],
  ['ERR_DB_NO_COLLECTION', '"kithmesh ls DIR --collections" shows what is there; put and import make collections.'],
  ['ERR_REPL_COLLECTION_UNKNOWN', '"kithmesh ls DIR --collections" shows what is there; put and import make collections.'],
  [
    'ERR_REPL_VERSIONING',
    'Make both databases with the same --versioning; a database with rev-trees is turned with --versioning version-vectors --upgrade.'
  ],
  ['ERR_REPL_CLOSED', 'Run the command again: it goes on where it ended. With --continuous it does so by itself.'],
  ['ERR_DNSSD_NO_INTERFACE', 'Compare --interface with the names and addresses of this machine ("ip address").']
])

const POINTERS: ReadonlySet<string> = new Set(['ERR_PD_START_FAILED'])

/** The error and its causes, outermost first, at most eight. A mere list of errors is no cause of its own: those in it are. */
function causes(error: unknown): Error[] {
  const chain: Error[] = []
  for (let each = error; each instanceof Error && chain.length < 8; each = each.cause) {
    if (!(each instanceof AggregateError) || chain.length === 0 || errorCode(each) !== undefined) chain.push(each)
    if (each instanceof AggregateError) chain.push(...each.errors.filter((inner): inner is Error => inner instanceof Error).slice(0, 4))
  }
  return chain
}

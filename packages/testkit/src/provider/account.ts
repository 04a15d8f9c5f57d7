import type { Subject } from './bench.ts'
import type { ProviderEvent } from './recording-context.ts'

const MAX_EVENTS = 12
const MAX_LOOKED_AT = 1000
const MAX_PEERS = 3

/** What the machines of a test did, one line each; those that did the same share one. */
export function accountOfAll(subjects: readonly Subject[]): readonly string[] {
  const machines = new Map<string, number[]>()
  subjects.forEach((subject, index) => {
    const account = accountOf(subject)
    machines.set(account, [...(machines.get(account) ?? []), index + 1])
  })
  return [...machines].map(([account, numbers]) => `machine ${numbers.join(', ')} ${account}`)
}

/** What a machine's provider told its context, in one line; with its last warning, if it logged one. */
function accountOf({ context }: Subject): string {
  const all = repeated(context.events.slice(-MAX_LOOKED_AT).map(inWords))
  const events = all.slice(-MAX_EVENTS)
  const earlier = all.length > MAX_EVENTS || context.events.length > MAX_LOOKED_AT ? ['…'] : []
  const warning = context.logger.entries.findLast(({ level }) => level === 'warn' || level === 'error')
  return [
    `reported ${events.length === 0 ? 'nothing' : [...earlier, ...events].join(', ')}`,
    ...(warning === undefined ? [] : [`logged ${JSON.stringify(warning.message)} ${reasonOf(warning.fields['error'])}`])
  ].join('; ')
}

function inWords(event: ProviderEvent): string {
  if (event.type === 'status')
    return `${event.mode} ${event.status.state}${event.status.state === 'failed' ? ` ${reasonOf(event.status.error)}` : ''}`
  if (event.type === 'found')
    return `found ${some(event.sightings.map(({ displayName }) => JSON.stringify(displayName) ?? 'a peer without a name'))}`
  if (event.type === 'lost') return `lost ${some(event.ids.map((id) => shortened(id)))}`
  if (event.type === 'metadata') return `metadata of ${shortened(event.id)}`
  return `incoming connection ${event.accepted ? 'taken' : 'refused'}`
}

/** The same thing several times in a row, said once. */
function repeated(words: readonly string[]): readonly string[] {
  const runs: { readonly word: string; count: number }[] = []
  for (const word of words) {
    const last = runs.at(-1)
    if (last?.word === word) last.count++
    else runs.push({ word, count: 1 })
  }
  return runs.map(({ word, count }) => (count === 1 ? word : `${word} × ${count}`))
}

function some(words: readonly string[]): string {
  return words.length > MAX_PEERS ? `${words.slice(0, MAX_PEERS).join(' and ')} and ${words.length - MAX_PEERS} more` : words.join(' and ')
}

function shortened(id: unknown): string {
  return String(id).slice(0, 40)
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? `(${error.message})` : ''
}

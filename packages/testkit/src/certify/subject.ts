import type { Run } from './run.ts'
import type { OpenResources } from './messages.ts'
import type { Subject } from './module.ts'
import { type ChildEnd, howItEnded, runChild } from './run-child.ts'

/** A plugin that keeps taking its process down is not given a new one for ever. */
const MAX_PROCESSES = 20

/** What the processes of one subject told so far. */
class Progress {
  readonly done = new Set<string>()
  readonly output: string[] = []
  readonly uncaught: string[] = []
  plan: readonly string[] = []
  open: readonly OpenResources[] = []
  refused: string | undefined
  current: { readonly name: string; readonly since: number } | undefined
}

/** Runs the suite over one harness, in as many processes as its plugin takes down. */
export async function certifySubject(run: Run, module: string, { suite, label }: Subject): Promise<void> {
  const progress = new Progress()
  const add = (name: string, state: 'passed' | 'failed' | 'skipped', ms: number, reason?: string): void => {
    progress.done.add(name)
    run.add({ suite, subject: label, name, state, ms, ...(reason === undefined ? {} : { reason }) })
  }
  const { grep } = run.options
  let end: ChildEnd | undefined
  for (let processes = 0; ; processes++) {
    run.options.signal?.throwIfAborted()
    progress.current = undefined
    end = await runChild(
      {
        kind: 'suite',
        module,
        suite,
        label,
        done: [...progress.done],
        grep: grep === undefined ? undefined : { source: grep.source, flags: grep.flags },
        timeoutMs: run.timeoutMs
      },
      run.child((message) => {
        if (message.type === 'plan') progress.plan = message.names
        else if (message.type === 'begin') progress.current = { name: message.name, since: performance.now() }
        else if (message.type === 'end') {
          progress.current = undefined
          add(message.name, message.state, message.ms, message.reason)
        } else if (message.type === 'output')
          progress.output.push(`${JSON.stringify(message.text)}${message.during === undefined ? '' : ` during "${message.during}"`}`)
        else if (message.type === 'uncaught') progress.uncaught.push(message.reason)
        else if (message.type === 'refused') progress.refused = message.reason
        else if (message.type === 'finished') progress.open = message.open
      })
    )
    run.options.signal?.throwIfAborted()
    if (end.finished) break
    const { name, since } = (progress.current as Progress['current']) ?? nextOf(progress) ?? { name: '', since: performance.now() }
    if (name === '') break
    add(name, 'failed', Math.round(performance.now() - since), howItEnded(end))
    if (processes + 1 < MAX_PROCESSES) continue
    for (const rest of progress.plan) {
      if (!progress.done.has(rest)) add(rest, 'failed', 0, `not run: the plugin took ${MAX_PROCESSES} processes down before`)
    }
    break
  }
  for (const [name, problem] of processChecks(progress, end)) {
    if (problem !== undefined || run.wants(name)) add(name, problem === undefined ? 'passed' : 'failed', 0, problem)
  }
}

/** A process that ended between two checks took the next one with it. */
function nextOf(progress: Progress): { readonly name: string; readonly since: number } | undefined {
  const name = progress.plan.find((each) => !progress.done.has(each))
  return name === undefined ? undefined : { name, since: performance.now() }
}

/** What is to be said of the process as a whole. */
function processChecks(progress: Progress, end: ChildEnd): readonly (readonly [string, string | undefined])[] {
  const output = [...progress.output, ...(end.stdout === '' ? [] : [JSON.stringify(end.stdout.slice(0, 200))])]
  const open = progress.open.map(({ type, count, since }) => `${count} × ${type}${since === undefined ? '' : ` (since "${since}")`}`)
  const complete = progress.plan.every((name) => progress.done.has(name))
  return [
    [
      'process > runs the suite to its end',
      progress.refused ?? (complete && end.finished ? undefined : `the suite did not end: ${howItEnded(end)}`)
    ],
    ['process > writes nothing to standard output', output.length === 0 ? undefined : `wrote ${output.slice(0, 5).join(', ')}`],
    [
      'process > throws nothing past everybody between checks',
      progress.uncaught.length === 0 ? undefined : progress.uncaught.slice(0, 3).join('\n')
    ],
    [
      'process > can end once everything is shut down',
      end.how === 'lingering' ? `still open: ${open.length === 0 ? 'something that Node does not name' : open.join(', ')}` : undefined
    ]
  ]
}

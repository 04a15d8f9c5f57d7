import { within } from './eventually.ts'
import type { Runner, TestBody } from './runner.ts'

/** How one test ended. */
export interface Outcome {
  /** Names of the enclosing suites and the test, joined with ` > `, without the outermost. */
  readonly path: string
  /** `aborted`: not run, because the signal had aborted; `omitted`: does not apply to a subject with these capabilities. */
  readonly state: 'passed' | 'failed' | 'aborted' | 'omitted'
  /** What a failed test threw; a failing hook fails every test it was meant for. Of an omitted one, the reason as a string. */
  readonly error: unknown
}

export interface CollectOptions {
  /** Bound for each test and each hook, milliseconds. @default 10000 */
  readonly timeoutMs?: number
  /** Tests not yet begun when it aborts are listed as `aborted`; their hooks are not run. */
  readonly signal?: AbortSignal
  /** Which tests to run, by path. @default all */
  readonly match?: (path: string) => boolean
  /** Called, and waited for, before each test and after it. */
  readonly onBegin?: (path: string) => Promise<void> | void
  readonly onEnd?: (outcome: Outcome) => Promise<void> | void
}

interface Suite {
  readonly name: string
  readonly parent: Suite | undefined
  readonly entries: (Suite | { readonly name: string; readonly body: TestBody } | { readonly name: string; readonly reason: string })[]
  readonly hooks: {
    readonly before: TestBody[]
    readonly after: TestBody[]
    readonly beforeEach: TestBody[]
    readonly afterEach: TestBody[]
  }
}

const newSuite = (name: string, parent: Suite | undefined): Suite => ({
  name,
  parent,
  entries: [],
  hooks: { before: [], after: [], beforeEach: [], afterEach: [] }
})

/**
 * Runs a conformance suite in this process, one test after the other, and returns how each ended, in order.
 * Never rejects for a failing test. Used to prove that a suite catches broken plugins.
 *
 * @example
 * const outcomes = await collect((runner) => describePeerDiscoveryProvider('broken', harness, runner))
 * console.log(failures(outcomes))
 */
export async function collect(describeAll: (runner: Runner) => void, options: CollectOptions = {}): Promise<Outcome[]> {
  const { timeoutMs = 10_000, signal, match = () => true, onBegin, onEnd } = options
  const root = newSuite('', undefined)
  let open = root
  describeAll({
    describe(name, body) {
      const suite = newSuite(name, open)
      open.entries.push(suite)
      open = suite
      try {
        body()
      } finally {
        open = suite.parent as Suite
      }
    },
    it(name, body) {
      open.entries.push({ name, body })
    },
    omit(name, reason) {
      open.entries.push({ name, reason })
    },
    before(body) {
      open.hooks.before.push(body)
    },
    after(body) {
      open.hooks.after.push(body)
    },
    beforeEach(body) {
      open.hooks.beforeEach.push(body)
    },
    afterEach(body) {
      open.hooks.afterEach.push(body)
    }
  })

  const outcomes: Outcome[] = []
  const attempt = async (bodies: readonly TestBody[], what: string): Promise<unknown[]> => {
    const errors: unknown[] = []
    for (const body of bodies) {
      try {
        await within(
          (async () => {
            await body()
          })(),
          timeoutMs,
          what
        )
      } catch (error) {
        errors.push(error)
      }
    }
    return errors
  }
  const runSuite = async (
    suite: Suite,
    path: readonly string[],
    befores: readonly TestBody[],
    afters: readonly TestBody[],
    broken: readonly unknown[]
  ): Promise<void> => {
    const failed = [...broken]
    const wanted = hasWanted(suite, path, match)
    if (wanted && failed.length === 0 && signal?.aborted !== true) failed.push(...(await attempt(suite.hooks.before, 'A before hook')))
    const before = [...befores, ...suite.hooks.beforeEach]
    const after = [...suite.hooks.afterEach, ...afters]
    for (const entry of suite.entries) {
      const own = [...path, entry.name]
      if ('entries' in entry) {
        await runSuite(entry, own, before, after, failed)
        continue
      }
      const name = own.slice(1).join(' > ')
      if (!match(name)) continue
      const end = async (outcome: Outcome): Promise<void> => {
        outcomes.push(outcome)
        await onEnd?.(outcome)
      }
      if ('reason' in entry) {
        await end({ path: name, state: 'omitted', error: entry.reason })
        continue
      }
      if (signal?.aborted === true) {
        await end({ path: name, state: 'aborted', error: signal.reason })
        continue
      }
      await onBegin?.(name)
      const errors = [...failed]
      if (errors.length === 0) {
        errors.push(...(await attempt(before, 'A beforeEach hook')))
        if (errors.length === 0) errors.push(...(await attempt([entry.body], 'The test')))
        errors.push(...(await attempt(after, 'An afterEach hook')))
      }
      await end({ path: name, state: errors.length === 0 ? 'passed' : 'failed', error: errors[0] })
    }
    if (wanted) await attempt(suite.hooks.after, 'An after hook')
  }
  await runSuite(root, [], [], [], [])
  return outcomes
}

function hasWanted(suite: Suite, path: readonly string[], match: (path: string) => boolean): boolean {
  return suite.entries.some((entry) => {
    const own = [...path, entry.name]
    return 'entries' in entry ? hasWanted(entry, own, match) : 'body' in entry && match(own.slice(1).join(' > '))
  })
}

/** Paths of the tests that failed. */
export function failures(outcomes: readonly Outcome[]): string[] {
  return outcomes.filter((outcome) => outcome.state === 'failed').map((outcome) => outcome.path)
}

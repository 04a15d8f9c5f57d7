/** What a mocha context offers beside much else; node:test's has no such method. */
interface MaybeTimed {
  readonly timeout?: unknown
}

/** A test or hook body: no parameters (so that no runner takes it for a callback style), settles when it is done. */
export type TestBody = () => Promise<void> | void

/**
 * The six functions the suites need. Mocha's globals and the exports of `node:test` both fit, so a suite is handed the runner
 * of whoever runs it and imports none.
 *
 * @example
 * import * as runner from 'node:test'
 * describePeerDiscoveryProvider('mine', harness, runner)
 */
export interface Runner {
  describe(name: string, body: () => void): unknown
  it(name: string, body: TestBody): unknown
  before(body: TestBody): unknown
  after(body: TestBody): unknown
  beforeEach(body: TestBody): unknown
  afterEach(body: TestBody): unknown
  /**
   * Told of a check that is not declared, and why: the subject's capabilities leave it out. For runners that report it; mocha and `node:test`
   * have no such function, and see the checks that do apply.
   */
  omit?(name: string, reason: string): unknown
}

const members = ['describe', 'it', 'before', 'after', 'beforeEach', 'afterEach'] as const

/** The runner whose functions are globals (mocha). @throws TypeError when there is none. */
export function globalRunner(): Runner {
  const found = globalThis as unknown as Partial<Runner>
  const missing = members.filter((member) => typeof found[member] !== 'function')
  if (missing.length > 0) {
    throw new TypeError(`No test runner: ${missing.join(', ')} are not globals. Pass one, e.g. \`import * as runner from 'node:test'\`.`)
  }
  return found as Runner
}

/**
 * The same runner, with every test and hook allowed `ms` where the runner can be told from inside (mocha);
 * the suites bound every wait themselves, the runner's limit must only not be lower.
 */
export function withTestLimit(runner: Runner, ms: number): Runner {
  const limited = (body: TestBody): TestBody =>
    function (this: unknown) {
      const context = this as MaybeTimed | undefined
      if (typeof context?.timeout === 'function') (context.timeout as (ms: number) => void).call(context, ms)
      return body()
    }
  return {
    describe: (name, body) => runner.describe(name, body),
    it: (name, body) => runner.it(name, limited(body)),
    before: (body) => runner.before(limited(body)),
    after: (body) => runner.after(limited(body)),
    beforeEach: (body) => runner.beforeEach(limited(body)),
    afterEach: (body) => runner.afterEach(limited(body)),
    ...omitting(runner)
  }
}

/**
 * The same runner for checks that need a capability: where the subject lacks it, they are told to `omit` instead of being declared.
 * @param reason completes "left out, because": `the subject does not publish`.
 */
export function needing<R extends DeclaringRunner>(runner: R, has: boolean, reason: string): R {
  if (has) return runner
  return {
    ...runner,
    describe: (name, body) => runner.describe(name, body),
    it: (name) => runner.omit?.(name, reason)
  }
}

/** What check files declare with; the hooks are the suite's own. */
export type DeclaringRunner = Pick<Runner, 'describe' | 'it' | 'omit'>

function omitting(runner: Runner): Pick<Runner, 'omit'> {
  return runner.omit === undefined ? {} : { omit: (name, reason) => runner.omit?.(name, reason) }
}

/**
 * The process in which a plugin is certified: does the one job that its parent sends, and tells everything at once, so that nothing
 * is lost when the plugin takes the process down.
 */
import { pathToFileURL } from 'node:url'
import { collect } from '../collect.ts'
import { describePeerDiscoveryProvider } from '../provider/describe.ts'
import type { ProviderHarness } from '../provider/harness.ts'
import type { Runner } from '../runner.ts'
import { describeSocketFactory } from '../socket-factory/describe.ts'
import type { ByteSocketHarness } from '../socket-factory/harness.ts'
import { describeStorageEngine } from '../storage-engine/describe.ts'
import type { StorageEngineHarness } from '../storage-engine/harness.ts'
import { describeTransportStrategy } from '../transport/describe.ts'
import type { TransportHarness } from '../transport/harness.ts'
import { describeError } from './describe-error.ts'
import { watchImports } from './import-watch.ts'
import type { Job, Message } from './messages.ts'
import { type ContractSuite, HARNESS_EXPORTS, subjectsOf } from './module.ts'
import { ResourceWatch } from './open-resources.ts'

const ALIVE_MS = 500
const MAX_OUTPUT = 200

const sendMessage = process.send?.bind(process)

/** Resolves when the message is out; what it tells survives the process. */
function tell(message: Message): Promise<void> {
  return new Promise((resolve) => {
    if (sendMessage === undefined || !process.connected) resolve()
    else
      sendMessage(message, () => {
        resolve()
      })
  })
}

/** The check under way, and what was thrown past it. */
let current: { readonly name: string; readonly stray: unknown[] } | undefined

function catchStrays(): void {
  const note = (error: unknown): void => {
    if (current === undefined) void tell({ type: 'uncaught', reason: describeError(error) })
    else current.stray.push(error)
  }
  process.on('uncaughtException', note)
  process.on('unhandledRejection', note)
}

/** Standard output belongs to the program that uses a plugin. */
function watchOutput(): void {
  process.stdout.write = ((chunk: Uint8Array | string, encoding?: unknown, done?: unknown): boolean => {
    void tell({ type: 'output', text: String(chunk).slice(0, MAX_OUTPUT), during: current?.name })
    const callback = typeof encoding === 'function' ? encoding : done
    if (typeof callback === 'function') setImmediate(callback as () => void)
    return true
  }) as typeof process.stdout.write
}

function describeSubject(suite: ContractSuite, label: string, harness: unknown, runner: Runner): void {
  if (suite === 'provider') describePeerDiscoveryProvider(label, harness as ProviderHarness, runner)
  else if (suite === 'transport') describeTransportStrategy(label, harness as TransportHarness, runner)
  else if (suite === 'socket-factory') describeSocketFactory(label, harness as ByteSocketHarness, runner)
  else describeStorageEngine(label, harness as StorageEngineHarness, runner)
}

async function load(path: string): Promise<Record<string, unknown>> {
  return (await import(pathToFileURL(path).href)) as Record<string, unknown>
}

async function runSuite({ module: path, suite, label, done, grep, timeoutMs }: Extract<Job, { kind: 'suite' }>): Promise<void> {
  const module = await load(path)
  const harness = (module[HARNESS_EXPORTS[suite]] as Record<string, unknown> | undefined)?.[label]
  const finished = new Set(done)
  const pattern = grep === undefined ? undefined : new RegExp(grep.source, grep.flags)
  const wanted = (name: string): boolean => !finished.has(name) && (pattern === undefined || name.search(pattern) >= 0)
  const declare = (runner: Runner): void => {
    describeSubject(suite, label, harness, runner)
  }
  const names = new Set<string>()
  await collect(declare, {
    match(name) {
      if (wanted(name)) names.add(name)
      return false
    }
  })
  await tell({ type: 'plan', names: [...names] })
  const watch = new ResourceWatch()
  let began = 0
  await collect(declare, {
    match: wanted,
    timeoutMs,
    async onBegin(name) {
      await tell({ type: 'begin', name })
      current = { name, stray: [] }
      began = performance.now()
    },
    async onEnd({ path: name, state, error }) {
      // What a check leaves behind shows in the turn after it.
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
      const stray = current?.stray[0]
      const ms = state === 'omitted' ? 0 : Math.round(performance.now() - began)
      current = undefined
      if (state === 'omitted') return await tell({ type: 'end', name, state: 'skipped', reason: String(error), ms })
      watch.sample(name)
      if (state === 'passed' && stray === undefined) return await tell({ type: 'end', name, state: 'passed', reason: undefined, ms })
      const reason =
        state === 'passed'
          ? `thrown where nobody catches it (in a timer, an event handler, a promise that is not awaited), which ends a program: ${describeError(stray)}`
          : describeError(error)
      return await tell({ type: 'end', name, state: 'failed', reason, ms })
    }
  })
  if (typeof module['dispose'] === 'function') await (module['dispose'] as () => unknown)()
  await new Promise((resolve) => {
    setImmediate(resolve)
  })
  await tell({ type: 'finished', open: watch.open() })
}

async function perform(job: Job): Promise<void> {
  if (job.kind === 'suite') return await runSuite(job)
  if (job.kind === 'list') {
    const module = await load(job.module)
    await tell({ type: 'subjects', subjects: subjectsOf(module) })
    if (typeof module['dispose'] === 'function') await (module['dispose'] as () => unknown)()
  } else {
    await watchImports(job.root, job.entries, (imported) => tell({ type: 'imported', imported }))
  }
  await tell({ type: 'finished', open: [] })
}

process.once('message', (job) => {
  // A plugin must not find the channel, nor be kept alive by it.
  delete process.send
  watchOutput()
  catchStrays()
  void tell({ type: 'alive' })
  setInterval(() => {
    void tell({ type: 'alive' })
  }, ALIVE_MS).unref()
  perform(job as Job)
    .catch((error: unknown) => tell({ type: 'refused', reason: describeError(error) }))
    .finally(() => {
      if (process.connected) process.disconnect()
    })
})

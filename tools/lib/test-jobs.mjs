// Runs the unit suites side by side: files are dealt into jobs, each job is a mocha of its own, and what all of them found is told at the end.
import { availableParallelism } from 'node:os'
import { stripVTControlCharacters } from 'node:util'
import { root, run } from './run.mjs'

const FILES_PER_JOB = 15
/** A job that does not end by itself (a socket or timer that a test left open) fails after this. */
const JOB_LIMIT_MS = 300_000

/** How many jobs run at a time, unless something else is asked for: tests wait about as much as they compute. */
export const defaultWorkers = () => Math.min(availableParallelism() + 1, 12)

/**
 * Deals the files of each suite into jobs `{ name, files }` of at most `size`; suites with most files first, since they take longest.
 * A job has files of one suite only, in turn: neighbours, which are often alike in what they take, come into different jobs. Pure.
 */
export function dealJobs(suites, size = FILES_PER_JOB) {
  return suites
    .filter(({ files }) => files.length > 0)
    .toSorted((a, b) => b.files.length - a.files.length)
    .flatMap(({ name, files }) => {
      const count = Math.ceil(files.length / size)
      return Array.from({ length: count }, (_, index) => ({
        name: count === 1 ? name : `${name} ${index + 1}/${count}`,
        files: files.filter((_file, place) => place % count === index)
      }))
    })
}

/** What the text of a mocha run says: `{ passed, failed, pending, failures }`, failures being the part below the count of failed tests. Pure. */
export function readOutcome(coloured) {
  const text = stripVTControlCharacters(coloured)
  const count = (word) => Number(new RegExp(`^ +(\\d+) ${word}\\b`, 'm').exec(text)?.[1] ?? 0)
  const failures = /^ +\d+ failing$/m.exec(text)
  return {
    passed: count('passing'),
    failed: failures === null ? 0 : count('failing'),
    pending: count('pending'),
    failures: failures === null ? '' : text.slice(failures.index + failures[0].length)
  }
}

/** The end of what a job printed that failed without a failed test: it crashed, or never ended. */
const lastWords = (text) => text.trimEnd().split('\n').slice(-40).join('\n')

/**
 * Runs the jobs, `workers` at a time; `runJob` gives back `{ code, text }`. Prints each job's text when it ended, and the failures of all at
 * the end. Gives back `{ code, passed, failed, pending }`.
 */
export async function runJobs(jobs, { workers, runJob, print = (text) => process.stdout.write(text), now = () => performance.now() }) {
  const started = now()
  const waiting = [...jobs]
  const outcomes = []
  const work = async () => {
    for (let job = waiting.shift(); job !== undefined; job = waiting.shift()) {
      const from = now()
      const { code, text } = await runJob(job)
      const outcome = readOutcome(text)
      if (code !== 0 && outcome.failed === 0) {
        outcome.failed = 1
        outcome.failures = `\n  ${job.name} ended with exit code ${code} without a failed test; it printed last:\n${lastWords(text)}\n`
      }
      outcomes.push({ job, ...outcome })
      print(`\n==== ${job.name}: ${Math.round((now() - from) / 1000)} s${code === 0 ? '' : `, FAILED`}\n${text}`)
    }
  }
  await Promise.all(Array.from({ length: Math.max(1, Math.min(workers, jobs.length)) }, work))
  const sum = (key) => outcomes.reduce((total, outcome) => total + outcome[key], 0)
  print(`\n==== all ${jobs.length} jobs, ${workers} at a time\n\n  ${sum('passed')} passing (${Math.round((now() - started) / 1000)} s)\n`)
  if (sum('pending') > 0) print(`  ${sum('pending')} pending\n`)
  const totals = { passed: sum('passed'), failed: sum('failed'), pending: sum('pending') }
  if (totals.failed === 0) return { code: 0, ...totals }
  print(`  ${totals.failed} failing\n`)
  for (const { job, failed, failures } of outcomes) if (failed > 0) print(`\n  of ${job.name}:${failures}`)
  return { code: 1, ...totals }
}

/** Runs a job's files in a mocha of its own, under `node`. */
export function mochaJob(options, { node = process.execPath, env = {} } = {}) {
  return async ({ files }) => {
    const args = ['--reporter', `${root}/tools/lib/mocha-reporter.mjs`, ...options, ...files]
    const mocha = `${root}/node_modules/mocha/bin/mocha.js`
    const { code, text } = await run(node, [mocha, ...args], { output: 'collect', timeoutMs: JOB_LIMIT_MS, env })
    const late =
      code === 143
        ? `\nIt was ended after ${JOB_LIMIT_MS / 1000} s, or by a signal. When all tests above are done, one of them left something open.\n`
        : ''
    return { code, text: text + late }
  }
}

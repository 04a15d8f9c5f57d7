// Counts of every suite that was run. Each run adds one line of JSON to the file named by SUITES_FILE, and
//   node tools/suite-summary.mjs record NAME PASSED FAILED SKIPPED       adds one by hand
//   node tools/suite-summary.mjs report [--require NAME]…                prints the table and ends with `N passed, N failed, N skipped`
// The report fails when a test failed, and when a required suite (every package, the tools and those named) ran no test. A suite that this
// machine lacks something for may say so: its tests count as skipped, and the reason is printed below the table. So are the suites that
// failed, with the titles of the first tests that did.
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { suites } from './lib/specs.mjs'

/** Adds one suite's counts, `{ name, passed, failed, skipped, reason, titles }`, to the file of this run. Does nothing outside such a run. */
export function recordSuite(counts, file = process.env.SUITES_FILE) {
  if (file !== undefined && file !== '') appendFileSync(file, `${JSON.stringify(counts)}\n`)
}

/** Adds up the lines of a run and says which required suites ran nothing. Pure. */
export function summarise(lines, required) {
  const byName = new Map()
  for (const { name, passed, failed, skipped } of lines) {
    const sum = byName.get(name) ?? { name, passed: 0, failed: 0, skipped: 0 }
    byName.set(name, { name, passed: sum.passed + passed, failed: sum.failed + failed, skipped: sum.skipped + skipped })
  }
  const reasons = lines.filter(({ reason }) => reason !== undefined).map(({ name, reason }) => ({ name, reason }))
  const rows = [...byName.values()]
  const failures = rows
    .filter(({ failed }) => failed > 0)
    .map(({ name }) => ({ name, titles: lines.filter((line) => line.name === name).flatMap(({ titles = [] }) => titles) }))
  const total = (key) => rows.reduce((sum, row) => sum + row[key], 0)
  const idle = required.filter((name) => {
    const row = byName.get(name)
    const excused = row !== undefined && row.skipped > 0 && reasons.some((one) => one.name === name)
    return row === undefined || (row.passed + row.failed === 0 && !excused)
  })
  const totals = { passed: total('passed'), failed: total('failed'), skipped: total('skipped') }
  return { rows, reasons, failures, idle, totals, ok: totals.failed === 0 && idle.length === 0 }
}

const SHOWN_TITLES = 3

function printReport({ rows, reasons, failures, idle, totals }) {
  const width = Math.max(5, ...rows.map((row) => row.name.length))
  const line = (name, ...cells) => console.log([name.padEnd(width), ...cells.map((cell) => String(cell).padStart(8))].join(' '))
  line('suite', 'passed', 'failed', 'skipped')
  for (const row of rows) line(row.name, row.passed, row.failed, row.skipped)
  for (const { name, reason } of reasons) console.log(`skipped: ${name}: ${reason}`)
  for (const { name, titles } of failures) {
    console.log(`failed: ${name}`)
    for (const title of titles.slice(0, SHOWN_TITLES)) console.log(`  - ${title}`)
    if (titles.length > SHOWN_TITLES) console.log(`  - and ${titles.length - SHOWN_TITLES} more`)
  }
  for (const name of idle) console.log(`required suite ran no test: ${name}`)
  console.log(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`)
}

function command([verb, ...args]) {
  if (verb === 'record' && args.length === 4) {
    const [name, ...numbers] = args
    const [passed, failed, skipped] = numbers.map(Number)
    if (numbers.some((number) => !/^\d+$/.test(number))) throw new Error(`counts must be whole numbers: ${numbers.join(' ')}`)
    recordSuite({ name, passed, failed, skipped })
    return 0
  }
  if (verb === 'report') {
    const file = process.env.SUITES_FILE ?? ''
    const lines = existsSync(file)
      ? readFileSync(file, 'utf8')
          .split('\n')
          .filter((text) => text !== '')
          .map((text) => JSON.parse(text))
      : []
    const named = args.filter((_, index) => args[index - 1] === '--require')
    const required = [
      ...suites()
        .filter((suite) => suite.required)
        .map((suite) => suite.name),
      ...named
    ]
    const summary = summarise(lines, required)
    printReport(summary)
    return summary.ok ? 0 : 1
  }
  throw new Error('usage: suite-summary.mjs record NAME PASSED FAILED SKIPPED | report [--require NAME]…')
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  try {
    process.exitCode = command(process.argv.slice(2))
  } catch (error) {
    console.error(`error: ${error.message}`)
    process.exitCode = 1
  }
}

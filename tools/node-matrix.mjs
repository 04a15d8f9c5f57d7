// `npm run test:nodes`: the unit suites, without the long ones, on the oldest Node that is supported and on the other majors.
//   node tools/node-matrix.mjs [MAJOR…] [--suite packages/NAME]… [--jobs N]
// The versions are pinned in tools/nodes and installed below temp/. All run what was built once, and with the native addons that were
// compiled once, for one of them: where they cannot be loaded, the code has to do without. Needs a built checkout.
import { parseArgs } from 'node:util'
import { chooseSuites, installNodes, leftOut } from './lib/node-versions.mjs'
import { main } from './lib/main.mjs'
import { root, run } from './lib/run.mjs'
import { suites } from './lib/specs.mjs'
import { dealJobs, defaultWorkers, mochaJob, runJobs } from './lib/test-jobs.mjs'
import { recordSuite } from './suite-summary.mjs'

/** Asks the Node itself which SQLite a database gets there, and which addons it can load. */
const probe = `
  import { createRequire } from 'node:module'
  const require = createRequire('${root}/packages/database/package.json')
  const loads = (name, use) => { try { use(require(name)); return 'loads' } catch (error) { return 'does not load: ' + error.message.split('\\n')[0].slice(0, 60) } }
  const { loadSqliteDriver } = await import('${root}/packages/database/dist/sqlite/driver.js')
  const driver = (() => { try { return loadSqliteDriver() } catch (error) { return { name: error.message } } })()
  try { driver.connect(':memory:').close() } catch (error) { driver.name += ': ' + error.message.split('\\n')[0] }
  console.log(JSON.stringify({
    sqlite: driver.name,
    hasBuiltin: process.getBuiltinModule('node:sqlite') !== undefined,
    'better-sqlite3': loads('better-sqlite3', (Database) => new Database(':memory:').close()),
    bufferutil: loads('bufferutil', () => {})
  }))
`

/** What is wrong with the SQLite that a Node gets: one with its own takes that, one without takes the addon. */
function wrongDriver({ sqlite, hasBuiltin }) {
  if (hasBuiltin) return sqlite === 'node:sqlite' ? undefined : `it has node:sqlite, and the database takes ${sqlite}`
  if (sqlite === 'better-sqlite3') return undefined
  return `it has no node:sqlite, and better-sqlite3 was compiled for another Node than this (${sqlite}); install under a Node 20 and try again`
}

async function examine({ major, version, node }, { chosen, workers }) {
  const asked = await run(node, ['--no-warnings', '--input-type=module', '-e', probe], { output: 'collect' })
  if (asked.code !== 0) throw new Error(`Node ${version} cannot load @kithmesh/database:\n${asked.text}`)
  const found = JSON.parse(asked.text.trim().split('\n').at(-1))
  console.log(
    `\n######## Node ${version}: SQLite is ${found.sqlite}; better-sqlite3 ${found['better-sqlite3']}; bufferutil ${found.bufferutil}`
  )
  const wrong = wrongDriver(found)
  if (wrong !== undefined) {
    console.log(`Node ${version}: ${wrong}`)
    recordSuite({ name: `node/${major}`, passed: 0, failed: 1, skipped: 0, titles: [wrong] })
    return { version, code: 1, passed: 0, failed: 1, pending: 0 }
  }
  // The runs of the other versions are counted as suites of their own, and the programs that tests start are to be of that version, too.
  const env = { SUITES_FILE: '', PATH: `${node.slice(0, node.lastIndexOf('/'))}:${process.env.PATH ?? ''}` }
  const outcome = await runJobs(dealJobs(chosen), { workers, runJob: mochaJob([], { node, env }) })
  recordSuite({ name: `node/${major}`, passed: outcome.passed, failed: outcome.failed, skipped: outcome.pending })
  return { version, ...outcome }
}

await main(async () => {
  const { values, positionals } = parseArgs({
    options: { jobs: { type: 'string' }, suite: { type: 'string', multiple: true } },
    allowPositionals: true
  })
  const workers = values.jobs === undefined ? defaultWorkers() : Number(values.jobs)
  const { chosen: all, unknown } = chooseSuites(suites().filter(({ name }) => name !== 'tools'))
  if (unknown.length > 0) throw new Error(`tools/lib/node-versions.mjs leaves out what is not there: ${unknown.join(', ')}`)
  const chosen = values.suite === undefined ? all : all.filter(({ name }) => values.suite.includes(name))
  if (chosen.length === 0) throw new Error(`no suite is called ${values.suite.join(' or ')}`)
  const nodes = (await installNodes()).filter(({ major }) => positionals.length === 0 || positionals.includes(major))
  if (nodes.length === 0) throw new Error(`tools/nodes has no Node ${positionals.join(' or ')}`)
  for (const { why, files } of leftOut) console.log(`left out, ${why}: ${files.join(', ')}`)
  const outcomes = []
  for (const node of nodes) outcomes.push(await examine(node, { chosen, workers }))
  console.log()
  for (const { version, passed, failed, pending } of outcomes)
    console.log(`Node ${version}: ${passed} tests passed, ${failed} failed, ${pending} pending`)
  return outcomes.every(({ code, passed }) => code === 0 && passed > 0) ? 0 : 1
})

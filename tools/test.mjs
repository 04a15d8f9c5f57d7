// Installs, builds and runs the unit suites: `npm test`. Arguments: suites by folder (`npm test -- packages/core`) or compiled files,
// and options of mocha (`--grep`, `--reporter dot`). Without suites named, all are run, in several processes side by side: `--jobs N` says in how
// many, and 1 runs everything in one process. Each suite that must have tests is required to have run some.
import { existsSync } from 'node:fs'
import { bootstrap } from './bootstrap.mjs'
import { build } from './build.mjs'
import { main } from './lib/main.mjs'
import { root, runTool } from './lib/run.mjs'
import { suites } from './lib/specs.mjs'
import { dealJobs, defaultWorkers, mochaJob, runJobs } from './lib/test-jobs.mjs'

function choose(names) {
  const all = suites()
  if (names.length === 0) return all.flatMap((suite) => suite.files)
  return names.flatMap((name) => {
    const suite = all.find((candidate) => candidate.name === name.replace(/\/$/, '') || candidate.name === `packages/${name}`)
    if (suite !== undefined) return suite.files
    if (existsSync(`${root}/${name}`) && /\.[cm]?js$/.test(name)) return [name]
    throw new Error(`no suite is called ${name}; there are: ${all.map((candidate) => candidate.name).join(', ')}`)
  })
}

/** Splits the arguments into the suites at the front and, from the first one with a dash on, the options of mocha. */
function split(args) {
  const first = args.findIndex((arg) => arg.startsWith('-'))
  return first === -1 ? { names: args, options: [] } : { names: args.slice(0, first), options: args.slice(first) }
}

/** Takes `--jobs N` out of mocha's options. What is named is run in one process unless it is asked for, so that one sees it as it runs. */
function takeWorkers(options, names) {
  const at = options.indexOf('--jobs')
  if (at === -1) return names.length === 0 ? defaultWorkers() : 1
  const [, number] = options.splice(at, 2)
  if (!/^[1-9]\d?$/.test(number ?? '')) throw new Error(`--jobs wants a number from 1 to 99, not ${number ?? 'nothing'}`)
  return Number(number)
}

await main(async () => {
  await bootstrap({ replace: true })
  const built = await build()
  if (built !== 0) return built
  const { names, options } = split(process.argv.slice(2))
  const workers = takeWorkers(options, names)
  const files = choose(names)
  if (files.length === 0) throw new Error(`no test files in ${names.join(', ')}`)
  const missing = files.filter((file) => !existsSync(`${root}/${file}`))
  if (missing.length > 0) throw new Error(`the build left out ${missing.join(', ')}; remove dist-test and *.tsbuildinfo and build again`)
  if (workers > 1) {
    const chosen = suites().map((suite) => ({ ...suite, files: suite.files.filter((file) => files.includes(file)) }))
    return (await runJobs(dealJobs(chosen), { workers, runJob: mochaJob(options) })).code
  }
  return (await runTool('node_modules/mocha/bin/mocha.js', ['--reporter', `${root}/tools/lib/mocha-reporter.mjs`, ...options, ...files]))
    .code
})

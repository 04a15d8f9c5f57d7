// `npm run bench -- NAME [options]`: builds, installs what the benches alone need (bench/package.json), and runs bench/NAME.mjs; `all` runs all that
// docs/performance has figures of. Everything but figures that were asked for (--json, --markdown) speaks on standard error.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { addonEnvironment, bootstrap } from './bootstrap.mjs'
import { build } from './build.mjs'
import { main } from './lib/main.mjs'
import { root, run, runNpm } from './lib/run.mjs'
import { markdown, writeInto } from '../bench/lib/markdown.mjs'
import { factsLine, runFacts } from '../bench/lib/run-facts.mjs'

const folder = join(root, 'bench')

/** Each bench, where its figures are, what `all --quick` gives it, and how long it takes on a quiet machine with two cores. */
const BENCHES = {
  replication: { what: 'databases of two processes', seconds: 340, page: 'README.md', quick: ['--quick'] },
  transport: { what: 'links of two processes', seconds: 75, page: 'transport.md', quick: ['--quick'] },
  mesh: {
    what: 'eight processes that find each other',
    seconds: 45,
    page: 'README.md',
    quick: ['--rounds', '1', '--docs', '1000', '--peers', '4']
  },
  signaling: {
    what: 'a message and its answer through a broker',
    seconds: 40,
    page: 'README.md',
    quick: ['--rounds', '1', '--messages', '200']
  },
  websocket: { what: 'messages over one WebSocket, beside ws', seconds: 15, page: 'transport.md', quick: ['--messages', '20000'] },
  ble: {
    what: 'Bluetooth LE without a radio',
    seconds: 25,
    page: 'bluetooth.md',
    quick: ['--rounds', '1', '--megabytes', '2', '--peers', '4']
  },
  blip: { what: 'messages of BLIP in one process', seconds: 25, page: 'README.md', quick: ['--share', '0.02'] },
  database: { what: 'what the store does, in one process', seconds: 10, page: 'README.md', quick: ['--docs', '5000'] },
  profile: { what: 'where the processor time of a replication goes', seconds: 10, page: 'profile.md', quick: ['--docs', '10000'] }
}

const USAGE = `npm run bench -- NAME [options]      one bench; npm run bench -- NAME --help has its options
npm run bench -- all [--quick]       all of them, one after the other: about ${Math.ceil(Object.values(BENCHES).reduce((sum, { seconds }) => sum + seconds, 0) / 60)} minutes on a quiet machine with two cores

${Object.entries(BENCHES)
  .map(([name, { what, seconds }]) => `  ${name.padEnd(12)} ${what}, about ${seconds} s`)
  .join('\n')}

Options for every bench:
  --json             the figures as one line of JSON on standard output, with date, commit, versions and command in "run"
  --markdown         the figures as a table of Markdown on standard output
  --write            the table into its place in docs/performance
With all: --quick, small and fast, to see that everything works; its figures mean little`

async function installBaselines() {
  if (!existsSync(join(folder, 'package.json')) || existsSync(join(folder, 'node_modules', '.package-lock.json'))) return
  process.stderr.write('Installing what the benches compare with (once) …\n')
  const { code } = await runNpm(['ci', '--no-fund', '--no-audit', '--loglevel=error'], {
    cwd: folder,
    output: 'stderr',
    env: addonEnvironment()
  })
  if (code !== 0) throw new Error(`npm ci in bench failed with exit code ${code}`)
}

/** Runs a bench with --json; what it measured is on standard error meanwhile. */
async function figures(name, args) {
  const child = spawn(process.execPath, [join(folder, `${name}.mjs`), ...args, '--json'], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit']
  })
  const chunks = []
  child.stdout.on('data', (chunk) => chunks.push(chunk))
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`the bench ${name} ended with exit code ${code}`)
  return JSON.parse(Buffer.concat(chunks).toString().trim().split('\n').at(-1))
}

async function measure(name, args, { machine, json, asMarkdown, write }) {
  const facts = { command: ['npm run bench --', name, ...args].join(' '), ...machine }
  process.stderr.write(`${factsLine(facts).replaceAll('`', '')}\n`)
  const startedAt = performance.now()
  const result = await figures(name, args)
  process.stderr.write(`${name} took ${Math.round((performance.now() - startedAt) / 1000)} s\n`)
  if (asMarkdown) process.stdout.write(`### ${name}\n\n${markdown(facts, result)}\n`)
  if (write) writeInto(join(root, 'docs/performance', BENCHES[name].page), name, markdown(facts, result))
  if (json) process.stdout.write(`${JSON.stringify({ ...result, run: facts })}\n`)
}

await main(async () => {
  const [name, ...words] = process.argv.slice(2)
  const all = name === 'all'
  if (name === undefined || name === '--help' || (all && words.includes('--help'))) {
    process.stderr.write(`${USAGE}\n`)
    return name === undefined ? 1 : 0
  }
  if (!all && !Object.hasOwn(BENCHES, name)) throw new Error(`there is no bench ${name}\n${USAGE}`)
  const taken = ['--json', '--markdown', '--write', ...(all ? ['--quick'] : [])]
  const asked = new Set(words.filter((word) => taken.includes(word)))
  const args = words.filter((word) => !asked.has(word))
  if (all && args.length > 0) throw new Error(`all takes no ${args.join(' ')}\n${USAGE}`)
  await bootstrap()
  const code = await build({ output: 'stderr' })
  if (code !== 0) throw new Error(`the build failed with exit code ${code}`)
  await installBaselines()
  if (args.includes('--help')) return (await run(process.execPath, [join(folder, `${name}.mjs`), '--help'])).code
  // Once: with --write, the first bench changes the tree.
  const output = { machine: runFacts(), json: asked.has('--json'), asMarkdown: asked.has('--markdown'), write: asked.has('--write') }
  const failed = []
  for (const [each, { quick }] of Object.entries(BENCHES)) {
    if (!all && each !== name) continue
    try {
      await measure(each, all ? (asked.has('--quick') ? quick : []) : args, output)
    } catch (error) {
      // The others take their time whether or not one fails.
      if (!all) throw error
      process.stderr.write(`${error.message}\n`)
      failed.push(each)
    }
  }
  if (failed.length > 0) throw new Error(`failed: ${failed.join(', ')}`)
  return 0
})

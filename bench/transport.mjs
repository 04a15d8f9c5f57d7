// Links between processes on loopback beside what bounds them, measured in the same run (docs/performance/transport.md).
import { parseArgs } from 'node:util'
import { Stage } from './lib/stage.mjs'
import { line } from './lib/statistics.mjs'
import { dial } from './lib/transport/dial.mjs'
import { link } from './lib/transport/link.mjs'
import { memory } from './lib/transport/memory.mjs'
import { relay } from './lib/transport/relay.mjs'
import { websocket } from './lib/transport/websocket.mjs'

const USAGE = `npm run bench -- transport [options]
  --rows a,b         of: link, websocket, dial, relay, memory (default: all)
  --rounds N         of each row, interleaved; the figures are medians (default 9)
  --megabytes N      that a transfer moves (default 100)
  --quick            2 rounds of 20 MB
  --json             one line of JSON on standard output at the end
  --node-options O   options of Node for the measured processes, e.g. "--cpu-prof --cpu-prof-dir=profiles"`

const rows = { link, websocket, dial, relay, memory }

const { values } = parseArgs({
  options: {
    rows: { type: 'string' },
    rounds: { type: 'string' },
    megabytes: { type: 'string' },
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    'node-options': { type: 'string', default: '' },
    help: { type: 'boolean', default: false }
  }
})

const say = (text) => {
  process.stderr.write(`${text}\n`)
}

/** A whole number above zero, or the end of the program. */
function count(name, fallback) {
  const number = Number(values[name] ?? fallback)
  if (!Number.isSafeInteger(number) || number < 1) throw new Error(`--${name} is a whole number above zero`)
  return number
}

async function main() {
  const { quick } = values
  const options = { quick, rounds: count('rounds', quick ? 2 : 9), megabytes: count('megabytes', quick ? 20 : 100), say }
  const wanted = values.rows?.split(',') ?? Object.keys(rows)
  const unknown = wanted.find((row) => !Object.hasOwn(rows, row))
  if (unknown !== undefined) throw new Error(`there is no row "${unknown}"\n${USAGE}`)
  const results = {}
  say(`${options.megabytes} MB a transfer, ${options.rounds} rounds, two processes on loopback: median (min–max)`)
  for (const row of wanted) {
    const stage = new Stage(values['node-options'].split(' ').filter((option) => option !== ''))
    say(row)
    try {
      results[row] = await rows[row]({ ...options, stage })
    } finally {
      await stage.end()
    }
    for (const figure of results[row]) say(line(figure))
  }
  const goals = Object.values(results)
    .flat()
    .filter(({ goal }) => goal !== undefined)
  say(`${goals.filter(({ ok }) => ok).length} of ${goals.length} goals reached`)
  if (values.json) process.stdout.write(`${JSON.stringify({ megabytes: options.megabytes, rows: results })}\n`)
}

if (values.help) say(USAGE)
else await main()

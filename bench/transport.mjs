// Links between processes on loopback beside what bounds them, measured in the same run (docs/performance/transport.md).
import { parseArgs } from 'node:util'
import { chosen, count, runRows, say } from './lib/rows-run.mjs'
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

async function main() {
  const { quick } = values
  const options = { quick, rounds: count(values, 'rounds', quick ? 2 : 9), megabytes: count(values, 'megabytes', quick ? 20 : 100) }
  const wanted = chosen(values, rows, USAGE)
  say(`${options.megabytes} MB a transfer, ${options.rounds} rounds, two processes on loopback: median (min–max)`)
  const results = await runRows(rows, wanted, values, options)
  if (values.json) process.stdout.write(`${JSON.stringify({ megabytes: options.megabytes, rows: results })}\n`)
}

if (values.help) say(USAGE)
else await main()

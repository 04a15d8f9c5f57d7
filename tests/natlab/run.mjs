// npm run natlab: connects two peers behind every pair of NAT kinds and prints which strategy won, how long it took, how often it worked, and
// why not where nothing did. See docs/nat-lab.md.
import { parseArgs } from 'node:util'
import { allPairs, labOptions, parsePairs } from './support/pairs.mjs'
import { runPair } from './support/run-pair.mjs'
import { markdownTable, textTable } from './support/table.mjs'
import { strategyNames } from './support/transports.mjs'

const usage = `Usage: npm run natlab -- [options]

Connects two peers that know a group and a broker, each behind a router of its own, in network namespaces. Needs root.

  --pairs A:B,C:D      only these; default: every pair of eight kinds. A side is KIND[+rst|+icmp|+accept][+hairpin][+no-udp][+cgn=KIND],
                       the second one may be same-nat[+isolated]
  --runs N             connections for each pair, in turn from either side (default 20)
  --from a|b           always this side calls
  --strategies LIST    default ${strategyNames.join(',')}
  --no-relay           without turn
  --no-tcp-relay       the TURN server knows no TCP allocations (RFC 6062)
  --latency MS         one-way delay of each side's line; --loss PERCENT of its packets
  --ipv6 open|firewall gives the peers IPv6 too
  --bytes N            also sends so many bytes each way over every connection and compares hashes
  --jobs N             labs at a time (default 1)
  --markdown           the table as Markdown
  --json               ends with one line of JSON
  --verbose            each connection's report on standard error
`

const options = {
  pairs: { type: 'string' },
  runs: { type: 'string', default: '20' },
  from: { type: 'string', default: 'both' },
  strategies: { type: 'string', default: strategyNames.join(',') },
  'no-relay': { type: 'boolean', default: false },
  'no-tcp-relay': { type: 'boolean', default: false },
  latency: { type: 'string' },
  loss: { type: 'string' },
  ipv6: { type: 'string' },
  bytes: { type: 'string' },
  jobs: { type: 'string', default: '1' },
  markdown: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  verbose: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false }
}

function wholeNumber(text, name) {
  if (!/^\d+$/.test(text) || Number(text) < 1) throw new Error(`--${name} takes a whole number from 1, not ${text}`)
  return Number(text)
}

async function main() {
  const { values } = parseArgs({ options })
  if (values.help) {
    process.stdout.write(usage)
    return 0
  }
  const pairs = values.pairs === undefined ? allPairs() : parsePairs(values.pairs)
  const strategies = values.strategies.split(',').filter((name) => !(values['no-relay'] && name === 'turn'))
  const unknown = strategies.find((name) => !strategyNames.includes(name))
  if (unknown !== undefined) throw new Error(`there is no strategy ${unknown}; there are ${strategyNames.join(', ')}`)
  if (!['a', 'b', 'both'].includes(values.from)) throw new Error('--from takes a or b')
  const runs = wholeNumber(values.runs, 'runs')
  const settings = {
    runs,
    direction: values.from,
    strategies,
    tcpAllocations: !values['no-tcp-relay'],
    ...(values.latency === undefined ? {} : { latencyMs: Number(values.latency) }),
    ...(values.loss === undefined ? {} : { lossPercent: Number(values.loss) }),
    ...(values.ipv6 === undefined ? {} : { ipv6: values.ipv6 }),
    ...(values.bytes === undefined ? {} : { bytes: wholeNumber(values.bytes, 'bytes') })
  }
  const started = performance.now()
  const rows = new Array(pairs.length)
  const left = pairs.map((pair, index) => ({ pair, index }))
  let stopped
  const work = async () => {
    for (let next = left.shift(); next !== undefined && stopped === undefined; next = left.shift()) {
      const { pair, index } = next
      try {
        rows[index] = await runPair(pair, { ...settings, progress: (result) => progress(pair, result) })
        const { connected, strategies: by, medianMs } = rows[index]
        note(`${pair.join(' : ')}  ${connected}/${runs} ${JSON.stringify(by)} ${medianMs ?? '-'} ms`)
      } catch (error) {
        stopped ??= error
      }
    }
  }
  const progress = ([a, b], { run, from, connected, strategy, ms, message, report }) => {
    if (!connected || values.verbose)
      note(`${a} : ${b} #${run + 1} from ${from}: ${connected ? `${strategy} ${Math.round(ms)} ms` : message}\n${report?.text ?? ''}`)
  }
  // The options of a lab are checked before the first one is made.
  for (const pair of pairs) labOptions(pair, settings)
  await Promise.all(Array.from({ length: wholeNumber(values.jobs, 'jobs') }, work))
  if (stopped !== undefined) throw stopped
  note(`took ${Math.round((performance.now() - started) / 1000)} s`)
  const table = values.markdown ? markdownTable(rows) : textTable(rows)
  process.stdout.write(`${table}\n`)
  if (values.json) process.stdout.write(`${JSON.stringify({ pairs: rows.map(publicRow) })}\n`)
  return 0
}

function publicRow({ a, b, runs, connected, strategies, strategyMs, medianMs, worstMs, reason }) {
  return { a, b, runs, connected, strategies, strategyMs, medianMs, worstMs, reason }
}

function note(text) {
  process.stderr.write(`${text}\n`)
}

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(signal === 'SIGINT' ? 130 : 143))
try {
  process.exitCode = await main()
} catch (error) {
  process.stderr.write(`error: ${error.message}\n${error.hint === undefined ? '' : `${error.hint}\n`}`)
  process.exitCode = 1
}

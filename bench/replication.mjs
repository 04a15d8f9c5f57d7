// Two processes on loopback, both with durable databases, beside what bounds them, measured in the same run (docs/performance/README.md).
import { parseArgs } from 'node:util'
import { Stage } from './lib/stage.mjs'
import { line } from './lib/statistics.mjs'
import { blobs } from './lib/rows/blobs.mjs'
import { crowd } from './lib/rows/crowd.mjs'
import { live } from './lib/rows/live.mjs'
import { million } from './lib/rows/million.mjs'
import { pouchdb } from './lib/rows/pouchdb.mjs'
import { resume } from './lib/rows/resume.mjs'
import { throughput, transfer } from './lib/rows/throughput.mjs'
import { tombstones } from './lib/rows/tombstones.mjs'

const USAGE = `npm run bench -- replication [options]
  --rows a,b         of: throughput, resume, live, blobs, tombstones, crowd, million, pouchdb (default: all)
  --rounds N         of each row, interleaved; the figures are medians (default 5)
  --docs N           documents, about 200 bytes each (default 100000; the row "million" takes ten times as many)
  --edits N          live edits a round (default 200)
  --versioning V     rev-trees, version-vectors or both, for the row "throughput" (default both)
  --quick            2 rounds, 10,000 documents, without PouchDB
  --json             one line of JSON on standard output at the end
  --node-options O   options of Node for the measured processes, e.g. "--cpu-prof --cpu-prof-dir=profiles"`

const rows = { throughput, resume, live, blobs, tombstones, crowd, million, pouchdb }

const { values } = parseArgs({
  options: {
    rows: { type: 'string' },
    rounds: { type: 'string' },
    docs: { type: 'string' },
    edits: { type: 'string', default: '200' },
    versioning: { type: 'string', default: 'both' },
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

/** Both schemes of revisions, or the one there is. */
async function bothVersionings() {
  const stage = new Stage()
  try {
    await transfer(stage, { documents: 1, versioning: 'version-vectors', type: 'push', live: 1 })
    return ['rev-trees', 'version-vectors']
  } catch (error) {
    say(`Only rev-trees are measured: ${error.message.split('\n', 1)[0]}`)
    return ['rev-trees']
  } finally {
    await stage.end()
  }
}

async function main() {
  const { quick } = values
  const documents = count('docs', quick ? 10_000 : 100_000)
  const rounds = count('rounds', quick ? 2 : 5)
  const wanted = values.rows?.split(',') ?? Object.keys(rows).filter((row) => !quick || row !== 'pouchdb')
  const unknown = wanted.find((row) => !Object.hasOwn(rows, row))
  if (unknown !== undefined) throw new Error(`there is no row "${unknown}"\n${USAGE}`)
  const versionings = values.versioning === 'both' ? await bothVersionings() : [values.versioning]
  const options = {
    quick,
    documents,
    rounds,
    edits: count('edits'),
    versionings,
    /** Whether the rows were asked for by name. */
    explicit: values.rows !== undefined,
    say
  }
  const results = {}
  say(`${documents} documents of about 200 bytes, ${rounds} rounds, two processes, both durable: median (min–max)`)
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
  if (values.json) process.stdout.write(`${JSON.stringify(summary(documents, results))}\n`)
}

/** Everything, and on top the figures that others look for. */
function summary(documents, results) {
  const value = (row, name) => results[row]?.find((figure) => figure.name === name)?.median ?? null
  return {
    docs: documents,
    pushDocsPerSecond: value('throughput', 'rev-trees, push'),
    pullDocsPerSecond: value('throughput', 'rev-trees, pull'),
    baselinePushDocsPerSecond: value('pouchdb', 'PouchDB 9, push'),
    rows: results
  }
}

if (values.help) say(USAGE)
else await main()

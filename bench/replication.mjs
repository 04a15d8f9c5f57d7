// Two processes on loopback, both with durable databases, beside what bounds them, measured in the same run (docs/performance/README.md).
import { parseArgs } from 'node:util'
import { Stage } from './lib/stage.mjs'
import { chosen, count, runRows, say } from './lib/rows-run.mjs'
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
  const documents = count(values, 'docs', quick ? 10_000 : 100_000)
  const rounds = count(values, 'rounds', quick ? 2 : 5)
  const wanted = chosen(
    values,
    rows,
    USAGE,
    Object.keys(rows).filter((row) => !quick || row !== 'pouchdb')
  )
  const versionings = values.versioning === 'both' ? await bothVersionings() : [values.versioning]
  const options = {
    quick,
    documents,
    rounds,
    edits: count(values, 'edits'),
    versionings,
    /** Whether the rows were asked for by name. */
    explicit: values.rows !== undefined
  }
  say(`${documents} documents of about 200 bytes, ${rounds} rounds, two processes, both durable: median (min–max)`)
  const results = await runRows(rows, wanted, values, options)
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

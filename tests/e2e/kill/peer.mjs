// One of the two processes that are killed. It keeps its database in sync with the other's and writes when told to on its standard input:
//   node peer.mjs NAME DIRECTORY PORT_FILE ACK_FILE listen|connect rev-trees|version-vectors deltas|whole
// "write N" is answered by performing operations up to the N-th; each is noted in the file of acknowledgements once the database has returned.
import { existsSync, fdatasyncSync, openSync, readFileSync, renameSync, writeFileSync, writeSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { Database } from '@kithmesh/database'
import { Replicator, UrlEndpointListener, urlEndpoint } from '@kithmesh/replicator'
import { WireTap } from '../support/wire-tap.mjs'
import { blobBytes, bodyOf, operation } from './writing.mjs'

const [name, directory, portFile, ackFile, role, versioning, form] = process.argv.slice(2)
const deltas = form === 'deltas'
/** Operations between two notes. */
const PER_NOTE = 5

const say = (line) => writeSync(1, `${line}\n`)
const database = await Database.open(directory, { versioning })
const collection = database.collection()

/** Operations that were acknowledged in this life and earlier ones. A line cut off by a kill does not count. */
function acknowledged() {
  if (!existsSync(ackFile)) return 0
  const lines = readFileSync(ackFile, 'utf8').split('\n').slice(0, -1)
  return lines.length === 0 ? 0 : Number(lines.at(-1))
}

let count = acknowledged()
let goal = count
const acks = openSync(ackFile, 'a')
// Behind the beginning of a line that a kill cut off.
if (existsSync(ackFile) && !/(^|\n)$/.test(readFileSync(ackFile, 'utf8'))) writeSync(acks, `\n${count}\n`)

async function perform({ id, version, deleted, blob }) {
  if (deleted) {
    collection.remove(id)
    return
  }
  const stored = blob === undefined ? undefined : await database.blobs.saveBlob(blobBytes(blob.name, blob.length), 'image/png')
  collection.put(id, { ...bodyOf({ id, version }), ...(stored && { photo: { ...stored } }) })
}

/** So much stays the same in an edit that it goes as a delta. */
const SHARED_TEXT = 'Both of us edit this. '.repeat(40)

/** Edits of documents that the other edits too: conflicts are resolved under fire. */
function editShared(index) {
  collection.put(`shared-${index % 20}`, { by: name, index, text: SHARED_TEXT })
}

let writing = false
async function write() {
  writing = true
  while (count < goal) {
    for (let n = 0; n < PER_NOTE && count < goal; n++) await perform(operation(name, count++))
    writeSync(acks, `${count}\n`)
    fdatasyncSync(acks)
    if (count % 50 === 0) editShared(count / 50)
    await new Promise((resolve) => setImmediate(resolve))
  }
  writing = false
  say(`written ${count}`)
}

if (role === 'listen') {
  const listener = new UrlEndpointListener({
    databases: { db: database },
    host: '127.0.0.1',
    tls: 'off',
    authenticator: 'insecure',
    deltas
  })
  await listener.start()
  writeFileSync(`${portFile}.new`, String(listener.port))
  renameSync(`${portFile}.new`, portFile)
  say('ready')
} else {
  const url = () => urlEndpoint(`ws://127.0.0.1:${existsSync(portFile) ? readFileSync(portFile, 'utf8') : 1}/db`)
  const endpoint = { uid: 'the listening one', description: 'the listening one', open: (options) => url().open(options) }
  const tap = new WireTap()
  const told = new Set()
  tap.onRequest = (direction, { deltaSrc }) => {
    tap.reset()
    if (deltaSrc === undefined || told.has(direction)) return
    told.add(direction)
    say(`delta ${direction}`)
  }
  const replicator = new Replicator({
    database,
    endpoint: deltas ? tap.on(endpoint) : endpoint,
    deltas,
    continuous: true,
    maxAttemptWaitMs: 20,
    checkpointIntervalMs: 100
  })
  replicator.onStatus(({ activity, error }) => {
    if (activity === 'stopped') {
      say(`stopped ${error?.code} ${error?.message} ${error?.cause?.message ?? ''}`)
      process.exitCode = 1
    }
  })
  replicator.onDocuments((events) => {
    for (const { id, direction, error, transient } of events)
      if (error !== undefined && transient !== true)
        say(`document ${direction} ${id} ${error.code} ${error.message} ${error.cause?.message ?? ''}`)
  })
  replicator.start()
  say('ready')
}

createInterface({ input: process.stdin }).on('line', (line) => {
  goal = Math.max(goal, Number(/^write (\d+)$/.exec(line)?.[1] ?? 0))
  if (!writing) void write()
})

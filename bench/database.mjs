// Prints what the store does per second.
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Database } from '@kithmesh/database'
import { replicationStore } from '@kithmesh/database/replication'
import { figure, line } from './lib/statistics.mjs'

const USAGE = `npm run bench -- database [options]
  --docs N           documents (default 100000)
  --memory           the engine that keeps all in memory
  --scattered        ids in no order
  --json             one line of JSON on standard output at the end`

const { values: options } = parseArgs({
  options: {
    docs: { type: 'string', default: '100000' },
    json: { type: 'boolean', default: false },
    scattered: { type: 'boolean', default: false },
    memory: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false }
  }
})
if (options.help) {
  process.stderr.write(`${USAGE}\n`)
  process.exit(0)
}
const docs = Number(options.docs)
const folder = mkdtempSync(join(tmpdir(), 'kithmesh-bench-'))
const database = await Database.open(options.memory ? ':memory:' : join(folder, 'db'))
const items = replicationStore(database).collection('_default', '_default')
const remote = items.remoteId('bench')
const figures = []
const tell = (each) => {
  figures.push(each)
  process.stderr.write(`${line(each)}\n`)
}
const measure = async (name, count, unit, run) => {
  const start = performance.now()
  await run()
  const seconds = (performance.now() - start) / 1000
  tell(figure(name, unit, [count / seconds]))
}
const body = (n) =>
  Buffer.from(JSON.stringify({ type: 'item', name: `Item number ${n}`, quantity: n % 97, price: n / 100, text: 'x'.repeat(120) }))
const revisions = Array.from({ length: docs }, (_, n) => ({
  id: options.scattered ? `doc-${(n * 7919) % 1000003}-${n}` : `doc-${String(n).padStart(7, '0')}`,
  revId: `1-${randomBytes(20).toString('hex')}`,
  deleted: false,
  history: [],
  body: body(n),
  hasBlobs: false,
  onConflict: 'refuse'
}))
const entries = revisions.map(({ id, revId }) => ({ id, revId }))
const batches = (list, size, run) => {
  for (let at = 0; at < list.length; at += size) run(list.slice(at, at + size))
}

await measure('findMissing, all new', docs, 'documents/s', () => batches(entries, 200, (batch) => items.findMissing(batch)))
await measure('insertRevisions, new, by 200', docs / 2, 'documents/s', () =>
  batches(revisions.slice(0, docs / 2), 200, (batch) => items.insertRevisions(batch))
)
await measure('insertRevisions, new, by 1000', docs / 2, 'documents/s', () =>
  batches(revisions.slice(docs / 2), 1000, (batch) => items.insertRevisions(batch))
)
await measure('findMissing, all known', docs, 'documents/s', () => batches(entries, 200, (batch) => items.findMissing(batch)))
await measure('checkProposals', docs, 'documents/s', () =>
  batches(entries, 200, (batch) => items.checkProposals(batch.map((entry) => ({ ...entry, parentRevId: '' }))))
)
await measure('changesSince, by 200', docs, 'documents/s', () => {
  for (let since = 0; since < items.lastSequence; ) since = items.changesSince(since, 200).at(-1).sequence
})
await measure('revision', docs, 'documents/s', () => {
  for (const { id } of entries) items.revision(id)
})
await measure('setRemoteAncestors, by 200', docs, 'documents/s', () =>
  batches(entries, 200, (batch) => items.setRemoteAncestors(remote, batch))
)
await measure('setRemoteAncestors again, by 1000', docs, 'documents/s', () =>
  batches(entries, 1000, (batch) => items.setRemoteAncestors(remote, batch))
)
await measure('remoteAncestors', docs, 'documents/s', () => batches(entries, 200, (batch) => items.remoteAncestors(remote, batch)))
const updates = revisions
  .slice(0, docs / 2)
  .map((revision) => ({ ...revision, revId: `2-${randomBytes(20).toString('hex')}`, history: [revision.revId], remote }))
await measure('insertRevisions, next + remote, by 200', docs / 2, 'documents/s', () =>
  batches(updates, 200, (batch) => items.insertRevisions(batch))
)
const collection = database.collection('local', '_default', { create: true })
const local = Array.from({ length: Math.min(docs, 50000) }, (_, n) => ({ id: `local-${n}`, body: body(n) }))
await measure('putMany, by 1000', local.length, 'documents/s', () => batches(local, 1000, (batch) => collection.putMany(batch)))
await measure('put, one by one', 1000, 'documents/s', () => {
  for (let n = 0; n < 1000; n += 1) collection.put(`single-${n}`, { n })
})
await measure('get + parse', local.length, 'documents/s', () => {
  for (const { id } of local) collection.get(id).body
})
const blobs = Array.from({ length: 200 }, () => randomBytes(256 * 1024))
await measure('blobs, 256 KiB, 8 at a time', 200 * 0.262144, 'MB/s', async () => {
  let next = 0
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      while (next < blobs.length) await database.blobs.saveBlob(blobs[next++])
    })
  )
})
tell(figure('memory at its highest', 'MB', [process.resourceUsage().maxRSS / 1024]))
if (options.json) process.stdout.write(`${JSON.stringify({ docs, figures })}\n`)
await database.close()
rmSync(folder, { recursive: true, force: true })

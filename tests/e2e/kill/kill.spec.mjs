// Two processes that write and replicate, either of them killed at random moments, again and again: nothing that was acknowledged is lost,
// no blob is half there, the stores are whole, and both end up with the same. KILL_SEED=<number> repeats a schedule, KILL_SEED=random makes one.
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { Database } from '@kithmesh/database'
import { expect } from 'chai'
import { databaseDifferences, documentsOf } from '../support/database-differences.mjs'
import { KilledPair } from './killed-pair.mjs'
import { bodyOf, digestOf, blobBytes, operation, seeded, stateAfter } from './writing.mjs'

const ROUNDS = [
  { versioning: 'rev-trees', deltas: false },
  { versioning: 'rev-trees', deltas: true },
  { versioning: 'version-vectors', deltas: false },
  { versioning: 'version-vectors', deltas: true }
]
const KILLS = 50
/** Of each peer; about four fifths of them make a document. */
const OPERATIONS = 3200
const seed = process.env.KILL_SEED === 'random' ? Date.now() % 2 ** 31 : Number(process.env.KILL_SEED ?? 20261121)

const acknowledgedBy = ({ ackFile }) =>
  existsSync(ackFile) ? Number(readFileSync(ackFile, 'utf8').split('\n').slice(0, -1).filter(Boolean).at(-1) ?? 0) : 0

async function look({ directory }, use) {
  const database = await Database.open(directory, { createIfMissing: false, watch: false })
  try {
    return await use(database)
  } finally {
    await database.close()
  }
}

/** What is wrong with the documents of a peer in a database, given the operations that were acknowledged and those that may have been begun. */
async function lost(database, peer, acknowledged, begun = acknowledged) {
  const found = documentsOf(database.collection())
  const uncertain = new Set(Array.from({ length: begun - acknowledged }, (_, n) => operation(peer, acknowledged + n).id))
  const wrong = []
  for (const { id, version, deleted, blob } of stateAfter(peer, acknowledged).values()) {
    if (uncertain.has(id)) continue
    const document = found.get(id)
    if (document === undefined || document.deleted !== deleted) {
      wrong.push(`${id} should be ${deleted ? 'deleted' : 'there'}`)
      continue
    }
    if (deleted) continue
    const { photo, ...body } = document.body
    try {
      expect(body).to.deep.equal(bodyOf({ id, version }))
      expect(photo?.digest).to.equal(blob === undefined ? undefined : digestOf(blobBytes(blob.name, blob.length)))
    } catch (error) {
      wrong.push(`${id}: ${error.message}`)
      continue
    }
    if (photo !== undefined && !database.blobs.has(photo.digest)) wrong.push(`the blob of ${id}`)
  }
  return wrong
}

/** Files of blobs whose content is not what their name says. */
function halfStored({ directory }) {
  const folder = join(directory, 'blobs')
  return readdirSync(folder)
    .filter((file) => file !== 'tmp')
    .filter(
      (file) =>
        createHash('sha1')
          .update(readFileSync(join(folder, file)))
          .digest('hex') !== file
    )
}

/** Looks until both have the same documents in the same revisions. */
async function converge(pair) {
  const deadline = Date.now() + 60_000
  const revisions = (peer) =>
    look(peer, (database) =>
      [...documentsOf(database.collection())].map(([id, { revId, conflicted }]) => `${id} ${revId} ${conflicted}`).sort()
    )
  for (;;) {
    for (const peer of [pair.a, pair.b]) if (peer.failure !== undefined) throw peer.failure
    const [a, b] = [await revisions(pair.a), await revisions(pair.b)]
    if (a.length === b.length && a.every((line, index) => line === b[index])) return a.length
    if (Date.now() > deadline) {
      const onlyA = a.filter((line) => !b.includes(line))
      const onlyB = b.filter((line) => !a.includes(line))
      throw new Error(`no convergence: a has ${onlyA.slice(0, 10)} (${onlyA.length}), b has ${onlyB.slice(0, 10)} (${onlyB.length})`)
    }
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}

describe('two processes in sync that are killed', () => {
  let pair

  afterEach(async function () {
    if (pair === undefined) return
    await pair.stop()
    if (this.currentTest?.state === 'failed') {
      console.log(`seed ${seed}; killed were:\n${pair.history.join('\n')}`)
      console.log(`a said: ${pair.a.lines.slice(-20).join('\n')}\nb said: ${pair.b.lines.slice(-20).join('\n')}`)
    }
    pair.remove()
    pair = undefined
  })

  for (const [round, settings] of ROUNDS.entries())
    it(`lose nothing with ${KILLS} kills, ${settings.versioning}, ${settings.deltas ? 'deltas' : 'no deltas'}`, async () => {
      const from = Date.now()
      const random = seeded(seed + round * 7919)
      pair = new KilledPair(settings)
      await pair.start()
      let kills = 0
      let looked = 0
      let behind = 0
      for (let steps = 0; kills < KILLS; steps++) {
        const goal = Math.round((OPERATIONS * (kills + 1)) / KILLS)
        kills += await pair.step(random, goal, async (victim) => {
          if (steps % 5 !== 0 || !existsSync(join(victim.directory, 'database.json'))) return
          await look(victim, async (database) => {
            database.checkIntegrity()
            const acknowledged = acknowledgedBy(victim)
            expect(await lost(database, victim.name, acknowledged, acknowledged + 5)).to.deep.equal([])
            const other = victim === pair.a ? pair.b : pair.a
            const received = [...documentsOf(database.collection()).keys()].filter((id) => id.startsWith(`${other.name}-`)).length
            looked++
            if (received < stateAfter(other.name, acknowledgedBy(other)).size) behind++
          })
          expect(halfStored(victim)).to.deep.equal([])
        })
      }
      for (const peer of [pair.a, pair.b]) peer.order(`write ${OPERATIONS}`)
      for (const peer of [pair.a, pair.b]) await peer.line(new RegExp(`^written ${OPERATIONS}$`))
      const documents = await converge(pair)
      expect(documents).to.be.above(5000)
      const said = [...pair.a.lines, ...pair.b.lines].filter((line) => !/^(ready|written \d+)$/.test(line))
      await pair.stop()

      let blobs = 0
      await look(pair.a, (a) =>
        look(pair.b, async (b) => {
          for (const database of [a, b]) {
            database.checkIntegrity()
            for (const peer of ['a', 'b']) expect(await lost(database, peer, OPERATIONS)).to.deep.equal([])
            // Nothing of what a kill interrupted counts or stays.
            database.compact({ blobsUnusedForMs: -1000 })
          }
          expect(await databaseDifferences(a, b)).to.deep.equal([])
        })
      )
      for (const peer of [pair.a, pair.b]) {
        expect(halfStored(peer)).to.deep.equal([])
        expect(readdirSync(join(peer.directory, 'blobs', 'tmp'))).to.deep.equal([])
        blobs += readdirSync(join(peer.directory, 'blobs')).length - 1
      }
      expect(blobs).to.be.above(500)
      // Most kills came while there was something to replicate.
      expect(behind).to.be.above(looked / 3)
      expect(said).to.deep.equal([])
      // In which direction is up to the kills.
      expect(pair.a.deltas.size > 0, 'a delta was sent').to.equal(settings.deltas)
      console.log(
        `      ${pair.a.deaths + pair.b.deaths} kills (${behind} of ${looked} looked at before all was replicated), ${documents} documents, ${blobs} files of blobs, ${((Date.now() - from) / 1000).toFixed(1)} s`
      )
    })
})

// What is replicated while lines break: two databases with something in common, then edits, deletions, blobs and a conflict on both sides.
import { createHash } from 'node:crypto'
import { systemClock } from '@kithmesh/core'
import { Database } from '@kithmesh/database'
import { replicationStore } from '@kithmesh/database/replication'
import { Replicator } from '@kithmesh/replicator'
import { expect } from 'chai'
import { blobsIn, databaseDifferences, documentsOf } from '../support/database-differences.mjs'
import { WireTap } from '../support/wire-tap.mjs'
import { CutLine } from './cut-line.mjs'

/**
 * Time that passes with the turns of the event loop, far quicker than the real one, so that checkpoints are saved again and again
 * in a replication of a few messages. Waits between tries pass at once.
 */
function hastyClock() {
  let now = 1_800_000_000_000
  return {
    ...systemClock,
    now: () => now,
    monotonic: () => now,
    sleep: (_ms, options) => systemClock.sleep(0, options),
    every: (_ms, run) => {
      let ended = false
      const turn = () => {
        if (ended) return
        now += 200
        run()
        setImmediate(turn)
      }
      setImmediate(turn)
      return () => {
        ended = true
      }
    }
  }
}

// Long enough that an edit beside it goes as a delta.
const long = 'The quick brown fox jumps over the lazy dog. '.repeat(10)

// The same content every time, so that every run sends the same messages.
const bytesOf = (name, length) => Buffer.alloc(length, createHash('sha512').update(name).digest())

export class Scene {
  /** How many were saved, and checked. */
  checkpoints = 0

  /** Deltas that were sent. */
  deltas = 0

  /** @param versioning of both. @param open makes the database of a name. */
  static async create(versioning = 'rev-trees', open = (_name, options) => Database.open(':memory:', options)) {
    const scene = new Scene()
    scene.a = await open('a', { versioning })
    scene.b = await open('b', { versioning })
    return scene
  }

  async #put(database, id, body, blobBytes) {
    const photo = blobBytes === undefined ? undefined : await database.blobs.saveBlob(bytesOf(`${id} ${body.text}`, blobBytes), 'image/png')
    return database.collection().put(id, { ...body, ...(photo && { photo: { ...photo } }) })
  }

  /** What both have before anything breaks. */
  async common() {
    const { a, b } = this
    for (let n = 0; n < 4; n++) await this.#put(n % 2 === 0 ? a : b, `common-${n}`, { text: `common ${n}`, long })
    await this.replicate(new CutLine({ database: b, deltas: true }))
    expect(await databaseDifferences(a, b)).to.deep.equal([])
  }

  /** What is then to be replicated. Acknowledged writes: all of it. */
  async edits() {
    for (const [name, database] of [
      ['a', this.a],
      ['b', this.b]
    ]) {
      for (let n = 0; n < 5; n++) await this.#put(database, `${name}-${n}`, { text: `${name} ${n}` })
      await this.#put(database, `${name}-small`, { text: 'small' }, 2000)
      // In several frames, with acknowledgements.
      await this.#put(database, `${name}-large`, { text: 'large' }, 150_000)
      await this.#put(database, `${name}-gone`, { text: 'gone' })
      database.collection().remove(`${name}-gone`)
    }
    await this.#put(this.a, 'common-0', { text: 'edited at a', long })
    await this.#put(this.b, 'common-1', { text: 'edited at b', long }, 3000)
    this.a.collection().remove('common-2')
    await this.#put(this.a, 'common-3', { text: 'rival at a' })
    await this.#put(this.b, 'common-3', { text: 'rival at b' })
    this.written = { a: documentsOf(this.a.collection()), b: documentsOf(this.b.collection()) }
  }

  replicator(endpoint, options = {}) {
    return new Replicator({ database: this.a, endpoint, clock: hastyClock(), checkpointIntervalMs: 100, maxAttempts: 5, ...options })
  }

  /** One replication over the line, with new connections after cuts, until it is done. */
  async replicate(line, options) {
    const tap = new WireTap()
    const wrong = []
    tap.onCheckpoint = (checkpoint) => {
      this.checkpoints++
      try {
        this.checkCheckpoint(checkpoint)
      } catch (error) {
        wrong.push(error)
      }
    }
    const replicator = this.replicator(tap.on(line.endpoint), options)
    replicator.start()
    const { error } = await replicator.finished()
    for (const passive of line.passive ?? []) await passive.ended
    this.deltas += tap.revisions.filter(({ delta }) => delta).length
    if (error !== undefined) throw error
    if (wrong.length > 0) throw wrong[0]
    return replicator
  }

  /** No blob is half there, and no document is there before its blobs. */
  async checkBlobs() {
    for (const database of [this.a, this.b])
      for (const document of documentsOf(database.collection()).values())
        for (const { digest, length } of document.deleted ? [] : blobsIn(document.body)) {
          const bytes = await database.blobs.readBlob(digest)
          if (bytes === undefined) throw new Error(`${document.id} is there without its blob`)
          expect(bytes).to.have.length(length)
          expect(`sha1-${createHash('sha1').update(bytes).digest('base64')}`).to.equal(digest)
        }
  }

  /** A checkpoint claims nothing that is not stored: what it says was pushed is at the other side, what it says was pulled is here. */
  checkCheckpoint({ local = 0, localCompleted, remote = 0 }) {
    const [a, b] = [this.a, this.b].map((database) => replicationStore(database).collection('_default', '_default'))
    const ranges = localCompleted === undefined ? [[0, local + 1]] : pairs(localCompleted)
    const claims = [
      { of: a, at: b, what: 'pushed', covers: (sequence) => ranges.some(([from, to]) => sequence >= from && sequence < to) },
      { of: b, at: a, what: 'pulled', covers: (sequence) => sequence <= Number(remote) }
    ]
    // A proposal that was refused as a conflict is done with: the rival is pulled, and the outcome is a new change.
    for (const { of, at, what, covers } of claims)
      for (const { id, revId, sequence } of of.changesSince(0, 10_000).filter(({ sequence }) => covers(sequence)))
        if (!(what === 'pushed' && id === 'common-3') && at.findMissing([{ id, revId }])[0] !== 'known')
          throw new Error(`the checkpoint says that sequence ${sequence} was ${what}, but ${id} ${revId} is not there`)
  }

  /** Both have the same, everything that was written, and nothing is left to be said. */
  async checkEnd(line = new CutLine({ database: this.b, deltas: true })) {
    const { a, b } = this
    expect(await databaseDifferences(a, b)).to.deep.equal([])
    await this.checkBlobs()
    for (const [name, database] of [
      ['a', this.written.a],
      ['b', this.written.b]
    ])
      for (const { id, deleted, body } of database.values()) {
        if (id.startsWith('common-')) continue
        const found = a.collection().get(id, { deleted: true })
        expect(found?.deleted, `${id} of ${name}`).to.equal(deleted)
        expect(found.body).to.deep.equal(body)
      }
    const texts = [0, 1, 2].map((n) => a.collection().get(`common-${n}`)?.body.text)
    expect(texts).to.deep.equal(['edited at a', 'edited at b', undefined])
    expect(a.collection().get('common-3').body.text).to.match(/^rival at [ab]$/)
    if (line.cutAt !== undefined) line.cutAt = { out: Infinity, in: Infinity }
    for (const statistics of [await this.replicate(line), await this.replicate(line)].map((replicator) => replicator.statistics))
      expect(statistics).to.include({ documentsPushed: 0, documentsPulled: 0, blobsPushed: 0, blobsPulled: 0 })
  }

  async close() {
    await this.a.close()
    await this.b.close()
  }
}

/** `[start, length, start, length …]` of a stored checkpoint as half-open ranges. */
function pairs(numbers) {
  const result = []
  for (let index = 0; index < numbers.length; index += 2) result.push([numbers[index], numbers[index] + numbers[index + 1]])
  return result
}

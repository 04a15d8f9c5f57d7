import { expect } from 'chai'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '@kithmesh/core'
import { Database } from '@kithmesh/database'
import type { OpenOptions } from '@kithmesh/database'
import { formatVector, legacyVersion, parseVector, replicationStore } from '@kithmesh/database/replication'
import type { IncomingRevision, ReplicationCollection } from '@kithmesh/database/replication'
import { rejection } from '@kithmesh/testkit'
import { Temporary, thrownBy } from './temporary.ts'

const START = Date.UTC(2026, 5, 1)
const A = 'AliceAliceAliceAliceAA'
const VECTORS: OpenOptions = { versioning: 'version-vectors', clock: { ...systemClock, now: () => START } }
const at = (n: number): string => (BigInt(START + n) * 1_000_000n).toString(16)

function peerOf(database: Database): ReplicationCollection {
  return replicationStore(database).collection('_default', '_default') as ReplicationCollection
}

function vectorOf(database: Database, id = 'doc'): string {
  const revision = peerOf(database).revision(id)
  return revision === undefined ? '' : formatVector(revision)
}

function incoming(vector: string, body: object, onConflict: 'branch' | 'refuse' = 'branch'): IncomingRevision {
  return { id: 'doc', ...parseVector(vector), deleted: false, body: Buffer.from(JSON.stringify(body)), hasBlobs: false, onConflict }
}

describe('the versioning of a database', () => {
  const temporary = new Temporary()
  afterEach(async () => {
    await temporary.clean()
  })

  it('is that of trees unless one asks for vectors, and stays what it is', async () => {
    for (const versioning of ['rev-trees', 'version-vectors'] as const) {
      const made = await temporary.open(undefined, versioning === 'rev-trees' ? {} : { versioning })
      expect(made.versioning).to.equal(versioning)
      await made.close()
      expect((await temporary.open(made.directory)).versioning).to.equal(versioning)
    }
    expect((await temporary.open(':memory:')).versioning).to.equal('rev-trees')
    expect((await rejection(Database.open(':memory:', { versioning: 'vectors' as never }))).name).to.equal('TypeError')
  })

  it('cannot be taken back', async () => {
    const made = await temporary.open(undefined, VECTORS)
    await made.close()
    const error = await rejection(Database.open(made.directory, { versioning: 'rev-trees' }))
    expect(error.code).to.equal('ERR_DB_VERSIONING')
    expect(error.hint).to.be.a('string').and.not.equal('')
  })

  it('is written so that programs which know trees only refuse it', async () => {
    const made = await temporary.open(undefined, {})
    const file = (): { format: number; privateUuid: string } =>
      JSON.parse(readFileSync(join(made.directory, 'database.json'), 'utf8')) as { format: number; privateUuid: string }
    const before = file()
    expect(before.format).to.equal(1)
    await made.close()
    await temporary.open(made.directory, VECTORS)
    expect(file()).to.deep.equal({ ...before, format: 2, versioning: 'version-vectors' })
  })

  it('is copied, under a source of its own', async () => {
    const original = await temporary.open(undefined, VECTORS)
    original.collection().put('doc', {})
    const target = join(temporary.directory(), 'copy')
    await Database.copy(original.directory, target)
    const copy = await temporary.open(target, { clock: VECTORS.clock ?? systemClock })
    expect(copy.versioning).to.equal('version-vectors')
    const before = vectorOf(copy)
    const { revId } = copy.collection().put('doc', {})
    expect(revId.slice(-22)).to.not.equal(before.slice(-22))
    expect(vectorOf(copy)).to.equal(`${revId}; ${before}`)
  })

  it('tells a process that still has trees that another one has upgraded', async () => {
    const trees = await temporary.open()
    trees.collection().put('doc', { a: 1 })
    trees.collection().put('other', { a: 1 })
    const vectors = await temporary.open(trees.directory, VECTORS)
    vectors.collection().put('doc', { a: 2 })
    expect(thrownBy(() => trees.collection().put('doc', { a: 3 })).code).to.equal('ERR_DB_VERSIONING')
    expect(thrownBy(() => peerOf(trees).insertRevisions([{ ...incoming('3-ab; 2-ab', {}), history: ['2-ab'] }])).code).to.equal(
      'ERR_DB_VERSIONING'
    )
    expect(trees.collection().put('other', { a: 2 }).revId).to.match(/^2-/)
    expect(vectors.collection().get('other')?.body).to.deep.equal({ a: 2 })
  })

  describe('its clock', () => {
    it('gives no time twice, although the machine clock was set back, the document purged and the database closed', async () => {
      const first = await temporary.open(undefined, { versioning: 'version-vectors', clock: { ...systemClock, now: () => START } })
      const items = first.collection()
      items.putMany(Array.from({ length: 5 }, (_none, n) => ({ id: `${n}`, body: {} })))
      const last = items.put('doc', {}).revId
      items.purge('doc')
      await first.close()
      const second = await temporary.open(first.directory, { clock: { ...systemClock, now: () => START - 3_600_000 } })
      expect(second.collection().put('doc', {}).revId > last).to.equal(true)
    })

    it('is one for all who have the database open', async () => {
      const one = await temporary.open(undefined, VECTORS)
      const other = await temporary.open(one.directory, VECTORS)
      const versions = Array.from({ length: 20 }, (_none, n) => (n % 2 === 0 ? one : other).collection().put(`${n}`, {}).revId)
      expect(new Set(versions).size).to.equal(20)
      expect([...versions].sort()).to.deep.equal(versions)
    })

    it('does not count what was undone', async () => {
      const database = await temporary.open(undefined, VECTORS)
      const items = database.collection()
      const { revId } = items.put('doc', {})
      expect(
        thrownBy(() =>
          items.putMany([
            { id: 'a', body: {} },
            { id: 'doc', body: {}, parent: '' }
          ])
        ).code
      ).to.equal('ERR_DB_CONFLICT')
      expect(items.get('a')).to.equal(undefined)
      expect(items.put('a', {}).revId > revId).to.equal(true)
    })
  })

  describe('after an upgrade', () => {
    let database: Database
    let tree: string
    let before: string[]

    beforeEach(async () => {
      const trees = await temporary.open()
      const items = trees.collection()
      before = [items.put('doc', { a: 1 }).revId, items.put('doc', { a: 2 }).revId]
      tree = before[1] as string
      items.put('gone', {})
      items.remove('gone')
      await trees.close()
      database = await temporary.open(trees.directory, VECTORS)
    })

    it('leaves documents with their revision ids until they are edited, which then carry those along', () => {
      expect(vectorOf(database)).to.equal(`${tree}; ${before[0] as string}`)
      expect(database.collection().get('doc')).to.deep.include({ revId: tree, body: { a: 2 } })
      const { revId } = database.collection().put('doc', { a: 3 }, { parent: tree })
      expect(vectorOf(database)).to.equal(`${revId}; ${tree}, ${before[0] as string}`)
      const next = database.collection().put('doc', { a: 4 }).revId
      expect(vectorOf(database)).to.equal(`${next}; ${tree}, ${before[0] as string}`)
      expect(database.collection().put('gone', {}).revId).to.contain('@')
    })

    it('takes revisions of trees as before, and what descends from one', () => {
      const peer = peerOf(database)
      expect(
        peer.findMissing([
          { id: 'doc', revId: tree },
          { id: 'doc', revId: before[0] as string }
        ])
      ).to.deep.equal(['known', 'known'])
      expect(peer.findMissing([{ id: 'doc', revId: '3-ab' }])).to.deep.equal([[tree, before[0]]])
      expect(peer.findMissing([{ id: 'doc', revId: `${at(1)}@${A}` }])).to.deep.equal([[tree]])
      expect(peer.insertRevisions([{ ...incoming('3-ab', { a: 3 }), history: [tree] }])[0]?.status).to.equal('stored')
      expect(vectorOf(database)).to.equal(`3-ab; ${tree}, ${before[0] as string}`)
      expect(peer.insertRevisions([incoming(`${at(1)}@${A}; 3-ab, ${tree}`, { a: 4 }, 'refuse')])[0]?.status).to.equal('stored')
      expect(vectorOf(database)).to.equal(`${at(1)}@${A}; 3-ab, ${tree}`)
      expect(peer.findMissing([{ id: 'doc', revId: tree }])).to.deep.equal(['known'])
      expect(peer.findMissing([{ id: 'doc', revId: '4-ef' }])).to.deep.equal([[`${at(1)}@${A}`]])
    })

    it('knows a revision by the version that stands for it', () => {
      const peer = peerOf(database)
      const stands = legacyVersion(tree) as string
      expect(peer.findMissing([{ id: 'doc', revId: stands }])).to.deep.equal(['known'])
      expect(peer.checkProposals([{ id: 'doc', revId: stands, parentRevId: '' }])).to.deep.equal([304])
      expect(peer.checkProposals([{ id: 'doc', revId: `${at(1)}@${A}`, parentRevId: stands }])).to.deep.equal([0])
      expect(peer.checkProposals([{ id: 'doc', revId: `${at(1)}@${A}`, parentRevId: tree }])).to.deep.equal([0])
      expect(peer.checkProposals([{ id: 'doc', revId: `${at(1)}@${A}`, parentRevId: '' }])).to.deep.equal([{ status: 409, rev: tree }])
      expect(peer.insertRevisions([incoming(stands, { a: 2 })])[0]?.status).to.equal('known')
      expect(peer.insertRevisions([incoming(`${at(1)}@${A}; ${stands}`, { a: 3 }, 'refuse')])[0]?.status).to.equal('stored')
    })

    it('resolves conflicts between old revisions so that either side takes the outcome', () => {
      const peer = peerOf(database)
      const rival = '2-ffff'
      expect(peer.insertRevisions([{ ...incoming(rival, { a: 9 }), history: [before[0] as string] }])[0]?.status).to.equal('conflicted')
      peer.resolveConflict('doc', tree, rival, { take: 'local' })
      expect(vectorOf(database)).to.equal(`${legacyVersion(tree) as string}; ${tree}, ${rival}, ${before[0] as string}`)
      expect(
        peer.findMissing([
          { id: 'doc', revId: rival },
          { id: 'doc', revId: tree }
        ])
      ).to.deep.equal(['known', 'known'])
    })

    it('merges old revisions under a new version', () => {
      const peer = peerOf(database)
      const rival = `${at(-5)}@${A}`
      expect(peer.insertRevisions([incoming(rival, { a: 9 })])[0]?.status).to.equal('conflicted')
      const { revId } = peer.resolveConflict('doc', tree, rival, { take: 'merged', body: Buffer.from('{"a":11}') })
      expect(vectorOf(database)).to.equal(`${revId}, ${rival}, ${legacyVersion(tree) as string}; ${tree}, ${before[0] as string}`)
      expect(peer.insertRevisions([incoming('2-eeee; 1-ab', { a: 1 })])[0]?.status).to.equal('conflicted')
    })
  })

  it('brings conflicts of trees along', async () => {
    const trees = await temporary.open()
    const { revId } = trees.collection().put('doc', { a: 1 })
    const rivals = ['1-aa', '1-ff'].map((rival) => ({ ...incoming(rival, { rival }), history: [] }))
    peerOf(trees).insertRevisions(rivals)
    await trees.close()
    const vectors = await temporary.open(trees.directory, VECTORS)
    const peer = peerOf(vectors)
    const sides = new Set<string>()
    for (let left = 2; left > 0; left -= 1) {
      const [conflict] = peer.conflicts(10)
      sides.add(conflict?.local.revId ?? '').add(conflict?.remote.revId ?? '')
      peer.resolveConflict('doc', conflict?.local.revId ?? '', conflict?.remote.revId ?? '', { take: 'local' })
    }
    expect(peer.conflicts(10)).to.deep.equal([])
    for (const side of [revId, '1-aa', '1-ff']) expect(peer.findMissing([{ id: 'doc', revId: side }])[0], side).to.equal('known')
    expect(sides.has(revId) && sides.has('1-aa')).to.equal(true)
  })

  it('is not guessed from a damaged file', async () => {
    const made = await temporary.open(undefined, VECTORS)
    await made.close()
    const path = join(made.directory, 'database.json')
    writeFileSync(path, readFileSync(path, 'utf8').replace('version-vectors', 'version-cubes'))
    expect((await rejection(Database.open(made.directory))).code).to.equal('ERR_DB_UNREADABLE')
  })
})

// The command line's server, `kithmesh serve`: what instances of Couchbase Lite push to it and pull from it is compared whole.
import { expect } from 'chai'
import { documentsOnDisk, expectSame, tombstonesOnDisk } from './our-side.mjs'
import { makeAnew, serve } from './serve.mjs'
import { useStage } from './stage.mjs'

const DOCUMENTS = 1000
const EDITS = 80
const user = 'witness:secret'

describe('Couchbase Lite Java against kithmesh serve', () => {
  const stage = useStage()
  const tombstones = []
  let directory
  let server
  let first
  let second
  let third

  const push = async (database) => await database.replicate(server.url, { type: 'PUSH', user })
  const pull = async (database) => await database.replicate(server.url, { type: 'PULL', user })

  before(async () => {
    ;[first, second, third] = [stage.theirs(), stage.theirs(), stage.theirs()]
    directory = stage.directory()
    server = await serve(directory, user)
  })
  after(async () => {
    await server?.stop()
  })

  it(`takes ${DOCUMENTS} documents that one instance pushes`, async () => {
    await first.fill(DOCUMENTS, { blobs: true })
    const report = await push(first)
    expect(report).to.deep.include({ failed: {}, pulled: [] }).and.not.to.have.property('error')
    expect(report.pushed).to.have.lengthOf(DOCUMENTS)
    expect((await first.list()).flatMap((document) => document.blobs).length).to.be.greaterThan(250)
  })

  it('hands another instance the same documents, revision ids and blobs', async () => {
    const report = await pull(second)
    expect(report).to.deep.include({ failed: {}, pushed: [] })
    expect(report.pulled).to.have.lengthOf(DOCUMENTS)
    expectSame(await second.list(), await first.list())
  })

  it('passes on edits, new blobs and deletions to an instance that has the documents', async () => {
    tombstones.push(...(await first.edit(EDITS)))
    expect(tombstones).to.have.lengthOf(EDITS / 2)
    expect((await push(first)).pushed).to.have.lengthOf(EDITS + EDITS / 2)
    const report = await pull(second)
    expect(report.pulled).to.have.lengthOf(EDITS + EDITS / 2)
    expect(report.deletions).to.deep.equal(tombstones.map(({ id }) => id))
    const expected = await first.list()
    expect(expected).to.have.lengthOf(DOCUMENTS - EDITS / 2)
    expectSame(await second.list(), expected)
  })

  it('hands a new instance what is left', async () => {
    expect(await pull(third)).not.to.have.property('error')
    expectSame(await third.list(), await first.list())
  })

  it('has nothing to send when nothing changed', async () => {
    expect(await pull(third)).to.deep.include({ pulled: [], pushed: [], failed: {} })
    expect(await push(third)).to.deep.include({ pulled: [], pushed: [], failed: {} })
  })

  it('carries edits of the other instance back', async () => {
    tombstones.push(...(await second.edit(EDITS)))
    expect((await push(second)).pushed).to.have.lengthOf(EDITS + EDITS / 2)
    await pull(first)
    expectSame(await first.list(), await second.list())
  })

  it('takes a document made anew on its tombstone, whose revision id is longer', async () => {
    const { id } = tombstones.shift()
    const rev = await makeAnew(directory, id, { anew: true })
    expect(rev).to.match(/^\d+-[0-9a-f]{48}$/)
    expect((await pull(first)).pulled).to.deep.equal([id])
    expect((await push(first)).pushed).to.deep.equal([])
    expect(await first.get(id)).to.deep.include({ rev, body: { anew: true } })
  })

  it('refuses a wrong password', async () => {
    const report = await stage.theirs().replicate(server.url, { type: 'PULL', user: 'witness:wrong' })
    expect(report.pulled).to.deep.equal([])
    expect(report.error).to.match(/401/)
  })

  it('keeps on disk what the instances hold', async () => {
    const running = server
    server = undefined
    await running.stop()
    expectSame(await documentsOnDisk(directory), await first.list())
    const ids = tombstones.map(({ id }) => id)
    expect(await tombstonesOnDisk(directory, ids)).to.deep.equal(tombstones)
  })
})

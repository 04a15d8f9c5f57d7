// Couchbase Lite Java pushes to `kithmesh serve`, and other instances of it pull from there. What each side holds is compared whole.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { prepareWitness, witness } from './prepare.mjs'
import { makeAnew, readAfresh, serve } from './serve.mjs'

const DOCUMENTS = 1000
const EDITS = 80
const user = 'witness:secret'

/** Compares two lists of documents one by one, so that a difference names its document. */
function expectSame(actual, expected) {
  expect(actual.map((document) => document.id)).to.deep.equal(expected.map((document) => document.id))
  for (const [index, document] of expected.entries()) expect(actual[index], document.id).to.deep.equal(document)
}

function documentsOf(lines) {
  return lines.filter((line) => line.body !== undefined)
}

function tombstonesOf(lines) {
  return lines.filter((line) => line.deleted === true)
}

function replicationOf(lines) {
  return lines.find((line) => line.errors !== undefined)
}

describe('Couchbase Lite Java against kithmesh serve', () => {
  let home
  let server
  let pushed
  const tombstones = []
  const directory = (name) => join(home, name)

  before(async function () {
    this.timeout(600_000)
    await prepareWitness()
    home = mkdtempSync(join(tmpdir(), 'kithmesh-witness-'))
    for (const name of ['first', 'second', 'third', 'stranger']) mkdirSync(directory(name))
    server = await serve(directory('served'), user)
  })

  after(async () => {
    try {
      await server?.stop()
    } finally {
      if (home !== undefined) rmSync(home, { recursive: true, force: true })
    }
  })

  it(`takes ${DOCUMENTS} documents that one instance pushes`, async () => {
    const lines = await witness(directory('first'), 'fill', DOCUMENTS, 'push', server.url, user, 'list')
    expect(replicationOf(lines)).to.deep.equal({ pushed: DOCUMENTS, errors: [] })
    pushed = documentsOf(lines)
    expect(pushed).to.have.lengthOf(DOCUMENTS)
    expect(pushed.flatMap((document) => document.blobs).length).to.be.greaterThan(250)
  })

  it('hands another instance the same documents, revision ids and blobs', async () => {
    const lines = await witness(directory('second'), 'pull', server.url, user, 'list')
    expect(replicationOf(lines)).to.deep.equal({ pulled: DOCUMENTS, errors: [] })
    expectSame(documentsOf(lines), pushed)
  })

  it('passes on edits, new blobs and deletions to an instance that has the documents', async () => {
    const edited = await witness(directory('first'), 'edit', EDITS, 'push', server.url, user, 'list')
    tombstones.push(...tombstonesOf(edited))
    expect(tombstones).to.have.lengthOf(EDITS / 2)
    expect(replicationOf(edited)).to.deep.equal({ pushed: EDITS + EDITS / 2, errors: [] })
    const pulled = await witness(directory('second'), 'pull', server.url, user, 'list')
    expect(replicationOf(pulled)).to.deep.equal({ pulled: EDITS + EDITS / 2, errors: [] })
    pushed = documentsOf(edited)
    expect(pushed).to.have.lengthOf(DOCUMENTS - EDITS / 2)
    expectSame(documentsOf(pulled), pushed)
  })

  it('hands a new instance what is left', async () => {
    const lines = await witness(directory('third'), 'pull', server.url, user, 'list')
    expect(replicationOf(lines)?.error).to.equal(undefined)
    expectSame(documentsOf(lines), pushed)
  })

  it('has nothing to send when nothing changed', async () => {
    const lines = await witness(directory('third'), 'pull', server.url, user, 'push', server.url, user)
    expect(lines).to.deep.equal([
      { pulled: 0, errors: [] },
      { pushed: 0, errors: [] }
    ])
  })

  it('carries edits of the other instance back', async () => {
    const edited = await witness(directory('second'), 'edit', EDITS, 'push', server.url, user, 'list')
    expect(replicationOf(edited)).to.deep.equal({ pushed: EDITS + EDITS / 2, errors: [] })
    tombstones.push(...tombstonesOf(edited))
    const pulled = await witness(directory('first'), 'pull', server.url, user, 'list')
    pushed = documentsOf(edited)
    expectSame(documentsOf(pulled), pushed)
  })

  it('takes a document made anew on its tombstone, whose revision id is longer', async () => {
    const { id } = tombstones.shift()
    const rev = await makeAnew(directory('served'), id, { anew: true })
    expect(rev).to.match(/^\d+-[0-9a-f]{48}$/)
    const lines = await witness(directory('first'), 'pull', server.url, user, 'push', server.url, user, 'list')
    expect(lines.slice(0, 2)).to.deep.equal([
      { pulled: 1, errors: [] },
      { pushed: 0, errors: [] }
    ])
    pushed = documentsOf(lines)
    expect(pushed.find((document) => document.id === id)).to.deep.include({ rev, body: { anew: true } })
  })

  it('refuses a wrong password', async () => {
    const [line] = await witness(directory('stranger'), 'pull', server.url, 'witness:wrong')
    expect(line.pulled).to.equal(0)
    expect(line.error).to.match(/401/)
  })

  it('keeps on disk what the instances hold', async () => {
    const running = server
    server = undefined
    await running.stop()
    const stored = await readAfresh(
      directory('served'),
      tombstones.map((tombstone) => tombstone.id)
    )
    expectSame(stored.documents, pushed)
    expect(stored.tombstones).to.deep.equal(tombstones)
  })
})

// Eight processes of `kithmesh sync` on the loopback interface, from their first start on.
import { expect } from 'chai'
import { randomBytes } from 'node:crypto'
import { cleanUp, newGroup, temporaryDirectory } from '../support/kithmesh.mjs'
import { Member, equal, joined, until } from './members.mjs'

const EIGHT = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
/** Links that a device wants where it sees many, and one more that an audit may hold. */
const MAX_SETTLED = 5

describe('eight processes', () => {
  let home
  let group
  let members
  let count = 0

  before(async () => {
    home = temporaryDirectory()
    group = newGroup()
    members = await Promise.all(EIGHT.map((base) => Member.make(home, group, base)))
    // All begin apart: one has documents, and all have changed the same ones, some of them more often than others.
    const [first] = members
    first.write('first', 15)
    for (let n = 0; n < 3; n++) {
      const photo = await first.database.blobs.saveBlob(randomBytes(300_000), 'image/jpeg')
      first.collection.put(`photo:${n}`, { photo })
    }
    for (const [index, { base, collection }] of members.entries()) {
      collection.put('once', { by: base })
      for (let n = 0; n <= index % 3; n++) collection.put('often', { by: base, n })
    }
    count = 20
    for (const member of members) member.start()
  })
  after(async () => {
    await cleanUp()
    for (const member of members ?? []) await member.release()
  })

  const blobsEverywhere = () =>
    members.every((member) =>
      [0, 1, 2].every((n) => {
        const digest = member.body(`photo:${n}`)?.photo?.digest
        return digest !== undefined && member.database.blobs.has(digest)
      })
    )

  it('documents and blobs on one device come to all', async () => {
    await equal(members, count)
    await until(members, 'the blobs everywhere', blobsEverywhere)
  })

  it('what all changed while apart is the same everywhere', () => {
    // `equal` has compared the revisions; these are of different writers, so that somebody's has won everywhere.
    for (const id of ['once', 'often']) {
      const bodies = new Set(members.map((member) => JSON.stringify(member.body(id))))
      expect(bodies.size, [...bodies].join(' ')).to.equal(1)
    }
    expect(members[0].body('often').n).to.equal(2)
  })

  it('links are few, and join all', async () => {
    await until(
      members,
      `at most ${MAX_SETTLED} links each, and all joined`,
      () => members.every(({ neighbours }) => neighbours.length <= MAX_SETTLED) && joined(members)
    )
  })

  it('documents on every device come to all', async () => {
    for (const member of members) member.write(`each:${member.base}`, 25)
    count += 8 * 25
    await equal(members, count)
  })

  it('one that comes and goes takes away what it missed, each time', async () => {
    const other = members[1]
    for (let round = 0; round < 5; round++) {
      await other.stop()
      await until(members, 'its leaving', () => members.every((member) => member === other || !member.neighbours.includes(other.id)))
      members[0].write(`missed:${round}`, 2)
      other.write(`alone:${round}`, 2)
      count += 4
      other.start()
      await equal([members[0], other], count)
    }
    await equal(members, count)
  })

  it('two are killed and two come while documents move', async () => {
    for (const member of members) member.write(`moving:${member.base}`, 200)
    const [c, f] = [members[2], members[5]]
    // Documents of the others have begun to come to them, and theirs to the others.
    await until(members, 'the first of the documents', () => [c, f].every((member) => member.collection.count > count + 200))
    await Promise.all([c.kill(), f.kill()])
    const fresh = await Promise.all(['i', 'j'].map((base) => Member.make(home, group, base)))
    for (const member of fresh) {
      member.write(`fresh:${member.base}`, 25)
      member.start()
    }
    const left = members.filter((member) => member !== c && member !== f)
    members.push(...fresh)
    // What the killed ones had not given away yet comes when they are back.
    await until(members, 'the documents of those that are left, and of those that came', () =>
      [...left, ...fresh].every(
        (member) =>
          left.every(({ base }) => member.body(`moving:${base}:199`) !== undefined) &&
          fresh.every(({ base }) => member.body(`fresh:${base}:24`) !== undefined)
      )
    )
    for (const member of [c, f]) member.start()
    count += 8 * 200 + 2 * 25
    await equal(members, count)
    for (const { database } of members) database.checkIntegrity()
  })
})

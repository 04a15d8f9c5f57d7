// Six hosts, network namespaces at switches of their own, that fall apart into three and come together again.
import { expect } from 'chai'
import { cleanUp, newGroup, temporaryDirectory } from '../support/kithmesh.mjs'
import { Member, equal, until } from './members.mjs'
import { makeSwitchedHosts } from './switch.mjs'

const SIX = ['a', 'b', 'c', 'd', 'e', 'f']

describe('a network that falls apart', () => {
  let network
  let members = []

  before(function () {
    if (process.getuid?.() === 0) return
    console.log('skipped: making network namespaces needs root')
    this.skip()
  })
  afterEach(async () => {
    await cleanUp()
    for (const member of members) await member.release()
    members = []
    network?.remove()
    network = undefined
  })

  /** Waits until nobody has a link to another part. */
  const apart = (parts) =>
    until(members, 'links within the parts only', () =>
      parts.every((numbers) => {
        const ids = numbers.map((n) => members[n].id)
        return numbers.every((n) => members[n].neighbours.every((id) => ids.includes(id)))
      })
    )

  it('goes on within its parts, and comes to the same when they are joined again, one after the other', async () => {
    network = makeSwitchedHosts(SIX.length)
    const home = temporaryDirectory()
    const group = newGroup()
    members = await Promise.all(SIX.map((base, n) => Member.make(home, group, base, { host: network.hosts[n] })))
    for (const member of members) member.write(`before:${member.base}`, 10)
    for (const member of members) member.start()
    await equal(members, 60)

    const parts = [
      [0, 3],
      [1, 4],
      [2, 5]
    ]
    network.part(parts)
    await apart(parts)
    for (const member of members) {
      member.write(`apart:${member.base}`, 10)
      member.collection.put('before:a:0', { changedBy: member.base })
    }
    for (const numbers of parts)
      await equal(
        numbers.map((n) => members[n]),
        80
      )
    for (const [n, member] of members.entries())
      for (const [other, { base }] of members.entries())
        expect(member.body(`apart:${base}:0`) !== undefined, `${base}'s with ${member.base}`).to.equal(n % 3 === other % 3)

    network.part([[0, 3, 1, 4], [], [2, 5]])
    await equal(
      [0, 3, 1, 4].map((n) => members[n]),
      100
    )
    expect(members[2].collection.count).to.equal(80)

    network.part([[0, 1, 2, 3, 4, 5]])
    await equal(members, 120)
    for (const member of members) {
      await member.stop()
      member.database.checkIntegrity()
    }
  })
})

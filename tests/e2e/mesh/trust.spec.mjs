// Groups in which not everybody is let in: by a key that all have, and by an authority that revokes one of them.
import { expect } from 'chai'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cleanUp, done, newGroup, temporaryDirectory } from '../support/kithmesh.mjs'
import { Member, equal, until } from './members.mjs'

describe('a group with a key', () => {
  let members = []

  afterEach(async () => {
    await cleanUp()
    for (const member of members) await member.release()
    members = []
  })

  it('is in sync without the ninth, who has another key', async () => {
    const home = temporaryDirectory()
    const group = newGroup()
    const keyFile = (name, key) => {
      const path = join(home, name)
      writeFileSync(path, key, { mode: 0o600 })
      return path
    }
    const key = keyFile('key', 'correct horse battery staple')
    const wrong = keyFile('wrong', 'incorrect horse battery staple')
    members = await Promise.all(
      ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'stranger'].map((base) =>
        Member.make(home, group, base, { words: ['--group-key-file', base === 'stranger' ? wrong : key] })
      )
    )
    const stranger = members.at(-1)
    const inside = members.slice(0, -1)
    for (const member of members) {
      member.write(member.base, 10)
      member.start()
    }
    await equal(inside, 80)
    // It met at least one of them, and did not get on.
    await until(members, 'a refusal of the stranger', () =>
      inside.some(({ id }) => ['restricted', 'offline', 'quarantined'].includes(stranger.links.get(id)?.state))
    )
    for (const member of members) member.write(`later:${member.base}`, 5)
    await equal(inside, 120)
    // It tries again and again; until both have said what they make of each other, that counts as a link.
    await until(
      members,
      'the stranger without links',
      () => stranger.neighbours.length === 0 && inside.every(({ neighbours }) => !neighbours.includes(stranger.id))
    )
    expect(stranger.collection.count).to.equal(15)
  })
})

describe('a group with an authority', () => {
  let members = []

  afterEach(async () => {
    await cleanUp()
    for (const member of members) await member.release()
    members = []
  })

  it('cuts off a revoked member everywhere as soon as one of them hears of it, and the others go on', async () => {
    const home = temporaryDirectory()
    const group = newGroup()
    const office = join(home, 'office')
    await done(['identity', 'authority', office])
    members = await Promise.all(
      ['a', 'b', 'c', 'd', 'thief'].map((base) => Member.make(home, group, base, { words: ['--ca', join(office, 'authority.crt')] }))
    )
    for (const { directory, name } of members) await done(['identity', 'issue', office, directory, '--name', name])
    for (const member of members) {
      member.write(member.base, 10)
      member.start()
    }
    await equal(members, 50)
    const honest = members.slice(0, -1)
    const thief = members.at(-1)
    await until(members, 'links of the thief', () => thief.neighbours.length > 0)

    const [{ directory }] = honest
    await done(['identity', 'revoke', office, thief.id, '--reason', 'stolen', '--in', directory])
    await until(
      members,
      'the end of all links with the thief',
      () => honest.every(({ neighbours }) => !neighbours.includes(thief.id)) && thief.neighbours.length === 0
    )
    for (const member of members) member.write(`later:${member.base}`, 10)
    await equal(honest, 90)
    expect(thief.collection.count).to.equal(60)
    // For good: it finds nobody after a restart either, and all of them have it in writing.
    await thief.stop()
    thief.start()
    await until(members, 'a refusal of the thief', () => honest.some(({ id }) => thief.links.get(id)?.code !== undefined))
    expect(thief.collection.count).to.equal(60)
    for (const member of honest) {
      expect(member.collection.count, member.base).to.equal(90)
      await until(members, `the word of it with ${member.base}`, async () =>
        (await done(['peers', 'list', member.directory])).includes('stolen')
      )
    }
  })
})

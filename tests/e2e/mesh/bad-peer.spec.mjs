// Members that stall or talk nonsense, beside four that do not.
import { fileURLToPath } from 'node:url'
import { cleanUp, newGroup, start, temporaryDirectory, uniqueName } from '../support/kithmesh.mjs'
import { Member, equal, until } from './members.mjs'

const MODES = ['silent', 'after-tls', 'garbage']
const file = fileURLToPath(new URL('./bad-peer.mjs', import.meta.url))

describe('bad peers beside four good ones', () => {
  let members = []

  afterEach(async () => {
    await cleanUp()
    for (const member of members) await member.release()
    members = []
  })

  it('keep them neither from finding each other nor from going on', async () => {
    const home = temporaryDirectory()
    const group = newGroup()
    const bad = MODES.map((mode) => start([mode, group, uniqueName(`bad-${mode}`)], { file }))
    for (const each of bad) await each.event(({ event }) => event === 'started', 'the start of a bad peer')
    members = await Promise.all(['a', 'b', 'c', 'd'].map((base) => Member.make(home, group, base)))
    for (const member of members) {
      member.write(`before:${member.base}`, 50)
      member.start()
    }
    for (const each of bad) await each.event(({ event }) => event === 'met', 'an encounter with a bad peer')
    await equal(members, 200)
    for (const member of members) member.write(`later:${member.base}`, 50)
    await equal(members, 400)
    const [, , garbage] = bad
    const { peerId } = await garbage.event(({ event }) => event === 'started', 'its id')
    await until(members, 'the quarantine of the one that talks nonsense', () =>
      members.every(({ links }) => links.get(peerId)?.state === 'quarantined')
    )
    for (const member of members) await member.stop()
  })
})

// Eight programs whose resolver merges: the counters of all are in every one's document in the end.
import { expect } from 'chai'
import { fileURLToPath } from 'node:url'
import { cleanUp, newGroup, temporaryDirectory } from '../support/kithmesh.mjs'
import { Member, equal, until } from './members.mjs'

const EIGHT = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
const program = fileURLToPath(new URL('./merging-peer.mjs', import.meta.url))

describe('eight programs with a merging resolver', () => {
  let members = []

  afterEach(async () => {
    await cleanUp()
    for (const member of members) await member.release()
    members = []
  })

  /** One more on the member's own counter; once more when its program stored what came from others in between. */
  const increment = (member) => {
    for (;;) {
      const { body: { counter = {} } = {}, revId: parent } = member.collection.get('counters') ?? {}
      const body = { counter: { ...counter, [member.base]: (counter[member.base] ?? 0) + 1 } }
      try {
        member.collection.put('counters', body, parent === undefined ? {} : { parent })
        return
      } catch (error) {
        if (error.code !== 'ERR_DB_CONFLICT') throw error
      }
    }
  }
  const sumsUpTo = async (each) => {
    const whole = Object.fromEntries(members.map(({ base }) => [base, each]))
    await until(members, `${each} in every counter`, () => {
      for (const member of members) expect(member.body('counters')?.counter).to.deep.equal(whole)
      return true
    })
    await equal(members, 1)
  }

  it('come to one document with the keys of all, from apart and while connected', async () => {
    const home = temporaryDirectory()
    const group = newGroup()
    members = await Promise.all(EIGHT.map((base) => Member.make(home, group, base, { program })))
    for (const member of members) {
      increment(member)
      member.start()
    }
    await sumsUpTo(1)
    for (const member of members) increment(member)
    await sumsUpTo(2)
    for (const member of members) expect(await member.process.stop(), member.process.err).to.equal(0)
  })
})

import { expect } from 'chai'
import fc from 'fast-check'
import {
  allRemoteRevisions,
  findRemote,
  firstRemote,
  historyPart,
  isKnownElsewhere,
  rebaseRemotes,
  remotePart,
  setRemote,
  withRemotes
} from '../dist/remote-list.js'

const revIds = ['1-a', '2-b', '3-c', '12@s']
const step = fc.oneof(
  fc.record({ remote: fc.oneof(fc.integer({ min: 1, max: 15 }), fc.integer({ min: 1, max: 400 })), revId: fc.constantFrom(...revIds) }),
  fc.record({ winner: fc.constantFrom(...revIds) })
)

describe('the list of remotes of a document', () => {
  it('says what a Map says', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120, size: 'max' }), (steps) => {
        const model = new Map<number, string>()
        let winner = '1-a'
        let list = ''
        for (const each of steps) {
          if ('winner' in each) {
            list = rebaseRemotes(list, winner, each.winner)
            winner = each.winner
          } else {
            list = setRemote(list, each.remote, each.revId, winner)
            model.set(each.remote, each.revId)
          }
          for (const remote of [...model.keys(), 1, 11, 111, 401]) expect(findRemote(list, remote, winner)).to.equal(model.get(remote))
          expect(isKnownElsewhere(list)).to.equal([...model.values()].includes(winner))
          expect([...allRemoteRevisions(list, winner)].sort()).to.deep.equal([...new Set(model.values())].sort())
        }
      })
    )
  })

  it('is stored in front of a history, and neither disturbs the other', () => {
    for (const bytes of [Buffer.from('1-a,2-b'), new Uint8Array([1, 2, 3]), new Uint8Array(0)]) {
      for (const list of ['7', '7,8=1-a', Array.from({ length: 250 }, (_, i) => String(100_000 + i)).join(',')]) {
        const tree = withRemotes(list, bytes)
        expect(remotePart(tree)).to.equal(list)
        expect([...historyPart(tree)]).to.deep.equal([...bytes])
        expect(remotePart(Uint8Array.from(tree))).to.equal(list)
      }
    }
    expect(remotePart(firstRemote(12))).to.equal('12')
    expect(remotePart(Buffer.from('1-a'))).to.equal('')
  })

  it('remembers the latest 256', () => {
    let list = ''
    for (let remote = 1; remote <= 300; remote++) list = setRemote(list, remote, '1-a', '1-a')
    expect(list.split(',')).to.have.length(256)
    expect(findRemote(list, 300, '1-a')).to.equal('1-a')
    expect(findRemote(list, 1, '1-a')).to.equal(undefined)
  })
})

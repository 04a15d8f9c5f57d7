import { expect } from 'chai'
import fc from 'fast-check'
import { generate } from 'mqtt-packet'
import { PacketGuard } from '../dist/packet-guard.js'
import { ReplayGuard } from '../dist/replay-guard.js'
import { brokerOrder, brokerTag } from '../dist/rendezvous.js'

describe('packet guard', () => {
  const packet = (bytes: number): Buffer =>
    generate({ cmd: 'publish', topic: 't', payload: Buffer.alloc(bytes), qos: 0, dup: false, retain: false })

  it('lets packets through however they are cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(3000), { maxLength: 6 }),
        fc.array(fc.integer({ min: 1, max: 2000 }), { minLength: 1, maxLength: 20 }),
        (sizes, cuts) => {
          const guard = new PacketGuard(4000)
          const stream = Buffer.concat([...sizes.map(packet), generate({ cmd: 'pingresp' })])
          for (let at = 0, index = 0; at < stream.length; index++) {
            const size = cuts[index % cuts.length] as number
            expect(guard.accepts(stream.subarray(at, at + size))).to.equal(true)
            at += size
          }
        }
      )
    )
  })
  it('stops at the first packet that is too large, even before its content', () => {
    const guard = new PacketGuard(4000)
    expect(guard.accepts(packet(3990))).to.equal(true)
    expect(guard.accepts(packet(4000).subarray(0, 3))).to.equal(false)
  })
  it('stops at a length that does not end', () => {
    expect(new PacketGuard(2 ** 30).accepts(Buffer.from([0x30, 0x80, 0x80, 0x80, 0x80]))).to.equal(false)
  })
})

describe('replay guard', () => {
  const now = 1_000_000
  const guardOf = (window = 1000): ReplayGuard => new ReplayGuard(window)

  it('lets each message of a sender through once', () => {
    const guard = guardOf()
    expect(guard.refuse('a', '1', now, now)).to.equal(undefined)
    expect(guard.refuse('a', '1', now, now)).to.equal('seen before')
    expect(guard.refuse('b', '1', now, now)).to.equal(undefined)
  })
  it('refuses what is too old or too new', () => {
    const guard = guardOf()
    expect(guard.refuse('a', '1', now - 1001, now)).to.equal('too old')
    expect(guard.refuse('a', '1', now + 1001, now)).to.equal('from the future')
    expect(guard.refuse('a', '1', now - 1000, now)).to.equal(undefined)
  })
  it('never lets one through twice, however many there are', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ id: fc.nat(400), age: fc.integer({ min: -1000, max: 1000 }) }), { minLength: 300, maxLength: 900 }),
        (messages) => {
          const guard = guardOf()
          const taken = new Set<number>()
          // The time belongs to the message: it is signed with it.
          const times = new Map<number, number>()
          for (const { id, age } of messages) {
            if (!times.has(id)) times.set(id, now + age)
            if (guard.refuse('a', String(id), times.get(id) as number, now) !== undefined) continue
            expect(taken.has(id)).to.equal(false)
            taken.add(id)
          }
        }
      ),
      { numRuns: 30 }
    )
  })
  it('bounds the senders it remembers, and forgets those whose messages have expired', () => {
    const guard = guardOf()
    for (let index = 0; index < 1024; index++) expect(guard.refuse(`s${index}`, '1', now, now)).to.equal(undefined)
    expect(guard.refuse('one more', '1', now, now)).to.equal('too many senders')
    expect(guard.refuse('one more', '1', now + 1001, now + 1001)).to.equal(undefined)
  })
})

describe('order of brokers', () => {
  const tags = Array.from({ length: 8 }, (_value, index) => brokerTag(`broker ${index}`))

  it('is the same for everybody, and of every broker once', () => {
    expect(brokerOrder('p', tags)).to.deep.equal(brokerOrder('p', [...tags, ...tags].reverse()))
    expect([...brokerOrder('p', tags)].sort()).to.deep.equal([...tags].sort())
  })
  it('stays as it was between the others when one goes', () => {
    for (const gone of tags) {
      const left = tags.filter((tag) => tag !== gone)
      expect(brokerOrder('p', left)).to.deep.equal(brokerOrder('p', tags).filter((tag) => tag !== gone))
    }
  })
  it('spreads devices over the brokers', () => {
    const firsts = new Set(Array.from({ length: 200 }, (_value, index) => brokerOrder(`peer ${index}`, tags)[0]))
    expect(firsts.size).to.equal(8)
  })
})

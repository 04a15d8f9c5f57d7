import { expect } from 'chai'
import fc from 'fast-check'
import { PresenceTable } from '../dist/presence-table.js'
import type { Gone, Presence, Statement } from '../dist/presence-statement.js'

const skew = 1000
const ttl = 10_000
const A = 'a'.repeat(16)
const B = 'b'.repeat(16)

const presence = (fields: Partial<Presence> = {}): Presence => ({
  kind: 'presence',
  startedAt: 100,
  epoch: '1'.repeat(16),
  sequence: 1,
  via: { tag: A, number: 0 },
  time: 100,
  ttlMs: ttl,
  displayName: 'shop',
  metadata: new Map(),
  inboxKey: Buffer.alloc(32),
  inboxTags: [A],
  network: { port: 1, routes: [] },
  ...fields
})
const gone = (fields: Partial<Gone> = {}): Gone => ({
  kind: 'gone',
  startedAt: 100,
  epoch: '1'.repeat(16),
  sequence: 0,
  via: undefined,
  ...fields
})

describe('presence table', () => {
  let told: string[]
  let moved: string[]
  let table: PresenceTable
  let now: number

  beforeEach(() => {
    told = []
    moved = []
    now = 100
    table = new PresenceTable(
      { maxPeers: 3, clockSkewMs: skew },
      {
        found: (peerId, { displayName }) => told.push(`found ${peerId} ${displayName}`),
        metadataChanged: (peerId) => told.push(`metadata ${peerId}`),
        lost: (peerId) => told.push(`lost ${peerId}`),
        moved: (peerId) => moved.push(peerId)
      }
    )
  })

  const take = (statement: Statement, { peerId = 'p', retained = false } = {}): string =>
    table.take(peerId, statement, retained, { now, monotonic: now })
  const expire = (): void => {
    table.expire({ now, monotonic: now })
  }

  it('lists a device once, and tells what changes', () => {
    expect(take(presence())).to.equal('taken')
    expect(take(presence({ sequence: 2 }))).to.equal('taken')
    expect(take(presence({ sequence: 3, metadata: new Map([['a', Buffer.from('1')]]) }))).to.equal('taken')
    expect(take(presence({ sequence: 4, displayName: 'store' }))).to.equal('taken')
    expect(told).to.deep.equal(['found p shop', 'metadata p', 'found p store'])
  })

  it('tells when messages go elsewhere', () => {
    take(presence())
    take(presence({ sequence: 2 }))
    expect(moved).to.deep.equal(['p'])
    take(presence({ sequence: 3, inboxTags: [B] }))
    take(presence({ sequence: 4, inboxTags: [B], inboxKey: Buffer.alloc(32, 1) }))
    expect(moved).to.deep.equal(['p', 'p', 'p'])
    expect(told).to.deep.equal(['found p shop'])
  })

  it('loses a device when its time is over, and not before', () => {
    take(presence())
    now += ttl - 1
    expire()
    expect(told).to.deep.equal(['found p shop'])
    now += 1
    expire()
    expect(told).to.deep.equal(['found p shop', 'lost p'])
    expect(table.get('p')).to.equal(undefined)
  })

  it('lets a refreshed device live', () => {
    take(presence())
    now += ttl - 1
    take(presence({ sequence: 2, time: now }))
    now += ttl - 1
    expire()
    expect(told).to.deep.equal(['found p shop'])
  })

  it('takes what the broker had kept for as old as it says', () => {
    now = 100 + ttl
    expect(take(presence(), { retained: true })).to.equal('taken')
    now += skew
    expire()
    expect(told).to.deep.equal(['found p shop', 'lost p'])
  })

  it('takes nothing that has expired, or is from the future', () => {
    now = 100 + ttl + skew
    expect(take(presence())).to.equal('expired')
    now = 100
    expect(take(presence({ time: now + skew + 1 }))).to.equal('in the future')
    expect(take(presence({ startedAt: now + skew + 1 }))).to.equal('in the future')
    expect(told).to.deep.equal([])
  })

  it('takes nothing again that was taken back or outlived', () => {
    take(presence())
    expect(take(gone({ sequence: 2 }))).to.equal('taken')
    expect(take(presence())).to.equal('old')
    expect(take(presence({ sequence: 2 }))).to.equal('old')
    take(presence({ sequence: 3 }))
    now += ttl
    expire()
    expect(take(presence({ sequence: 3 }))).to.equal('old')
    expect(told).to.deep.equal(['found p shop', 'lost p', 'found p shop', 'lost p'])
  })

  it('takes nothing of a run that is over', () => {
    take(presence({ startedAt: 200, epoch: '2'.repeat(16) }))
    expect(take(presence({ sequence: 99 }))).to.equal('old')
    expect(take(gone({ sequence: 99 }))).to.equal('old')
    expect(told).to.deep.equal(['found p shop'])
  })

  it('forgets the run before when a new one begins', () => {
    take(presence({ sequence: 9 }))
    take(presence({ startedAt: 200, epoch: '2'.repeat(16), sequence: 1, via: { tag: B, number: 0 } }))
    now += ttl
    expire()
    expect(told).to.deep.equal(['found p shop', 'found p shop', 'lost p'])
  })

  it('takes a last will for its connection and no other', () => {
    take(presence({ via: { tag: A, number: 1 } }))
    take(gone({ via: { tag: A, number: 0 } }))
    take(gone({ via: { tag: B, number: 7 } }))
    expect(told).to.deep.equal(['found p shop'])
    take(gone({ via: { tag: A, number: 1 } }))
    expect(told).to.deep.equal(['found p shop', 'lost p'])
    expect(take(presence({ sequence: 2, via: { tag: A, number: 1 } }))).to.equal('old')
  })

  it('keeps a device that some broker still has', () => {
    take(presence({ via: { tag: A, number: 0 } }))
    take(presence({ sequence: 2, via: { tag: B, number: 0 } }))
    take(gone({ via: { tag: A, number: 0 } }))
    expect(told).to.deep.equal(['found p shop'])
    take(gone({ via: { tag: B, number: 0 } }))
    expect(told).to.deep.equal(['found p shop', 'lost p'])
  })

  it('lists no more than it may, and gives up those that vanished first', () => {
    for (const peerId of ['a', 'b', 'c']) take(presence(), { peerId })
    expect(take(presence(), { peerId: 'd' })).to.equal('full')
    take(gone({ sequence: 1 }), { peerId: 'b' })
    expect(take(presence(), { peerId: 'd' })).to.equal('taken')
    expect([...table.present()].map(([peerId]) => peerId)).to.deep.equal(['a', 'c', 'd'])
  })

  it('keeps to a bound of brokers per device', () => {
    for (let index = 0; index < 8; index++) take(presence({ sequence: index, via: { tag: `${index}`.repeat(16), number: 0 } }))
    expect(take(presence({ sequence: 9, via: { tag: 'f'.repeat(16), number: 0 } }))).to.equal('full')
  })

  it('forgets vanished devices when their statements have expired', () => {
    for (const peerId of ['a', 'b', 'c']) {
      take(presence(), { peerId })
      take(gone({ sequence: 1 }), { peerId })
    }
    now += ttl + 2 * skew
    expire()
    expect(take(presence({ time: now, sequence: 5 }), { peerId: 'd' })).to.equal('taken')
    expect(take(presence({ sequence: 5 }), { peerId: 'a' })).to.equal('expired')
  })

  it('ends alike whatever the order, however often, of the same statements', () => {
    // The statements of one device: two runs over two brokers, some taken back.
    const statement = fc.record({
      run: fc.integer({ min: 0, max: 1 }),
      sequence: fc.integer({ min: 1, max: 6 }),
      tag: fc.constantFrom(A, B),
      number: fc.integer({ min: 0, max: 1 }),
      kind: fc.constantFrom('presence', 'presence', 'will', 'gone')
    })
    const build = ({
      run,
      sequence,
      tag,
      number,
      kind
    }: {
      run: number
      sequence: number
      tag: string
      number: number
      kind: string
    }): Statement => {
      const order = { startedAt: 100 + run, epoch: String(run).repeat(16) }
      if (kind === 'presence')
        // A device writes each sequence number once: what it says follows from the number.
        return presence({
          ...order,
          sequence: sequence * 4 + (tag === A ? 0 : 1) + number * 2,
          via: { tag, number },
          displayName: `name ${sequence}`
        })
      return kind === 'will' ? gone({ ...order, via: { tag, number } }) : gone({ ...order, sequence: sequence * 4 })
    }
    const outcome = (statements: readonly Statement[]): boolean => {
      const end = new PresenceTable({ maxPeers: 3, clockSkewMs: skew }, { found() {}, metadataChanged() {}, lost() {}, moved() {} })
      // A gone of an unknown device is not kept; a device that is known first makes every order comparable.
      end.take('p', presence({ startedAt: 50, epoch: '0'.repeat(16), sequence: 0, via: { tag: A, number: 9 } }), false, {
        now: 100,
        monotonic: 100
      })
      for (const one of statements) end.take('p', one, false, { now: 100, monotonic: 100 })
      for (const one of statements) end.take('p', one, false, { now: 100, monotonic: 100 })
      return end.get('p') !== undefined
    }
    fc.assert(
      fc.property(fc.array(statement, { maxLength: 8 }), fc.infiniteStream(fc.nat()), (given, stream) => {
        const statements = given.map(build)
        const shuffled = statements.map((value) => ({ value, weight: stream.next().value as number })).sort((a, b) => a.weight - b.weight)
        expect(outcome(shuffled.map(({ value }) => value))).to.equal(outcome(statements))
      })
    )
  })
})

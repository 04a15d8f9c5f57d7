import { errorCode } from '@kithmesh/core'
import { BufferBudget } from '@kithmesh/blip'
import { expect } from 'chai'
import { MORE_COMING } from '../dist/frame.js'
import { RawPeer, block } from './raw-peer.ts'

const rev = block('Profile', 'rev')

describe('a bound for many connections together', () => {
  const peers: RawPeer[] = []
  const peer = (bufferBudget: BufferBudget, maxConcurrentRequests = 1000): RawPeer => {
    const made = new RawPeer({ bufferBudget, maxConcurrentRequests })
    peers.push(made)
    return made
  }
  /** Fills up with incomplete messages of 100 kB. */
  const fill = async (to: RawPeer, messages: number, first = 1): Promise<void> => {
    for (let i = 0; i < messages; i++) to.send(first + i, MORE_COMING, rev, Buffer.alloc(100_000))
    await to.settle()
  }
  afterEach(async () => {
    for (const each of peers.splice(0)) {
      each.connection.close()
      await each.end()
    }
  })

  it('counts what is incomplete or waits, and forgets what is done or closed', async () => {
    const budget = new BufferBudget(1_000_000)
    const one = peer(budget)
    const two = peer(budget, 1)
    await fill(one, 2)
    expect(budget.usedBytes).to.be.within(200_000, 230_000)
    let answer = (): void => {}
    two.connection.handle('rev', (request) => {
      answer = () => {
        request.respond()
      }
    })
    for (let i = 1; i <= 3; i++) two.send(i, 0, rev, Buffer.alloc(90_000))
    await two.settle()
    expect(budget.usedBytes).to.be.within(290_000, 320_000)
    for (let i = 0; i < 3; i++) {
      answer()
      await two.settle()
    }
    expect(budget.usedBytes).to.be.within(200_000, 230_000)
    one.connection.close()
    expect(budget.usedBytes).to.equal(0)
  })

  it('cuts the connection that holds the most, and lets it come back', async () => {
    const budget = new BufferBudget(1_000_000)
    const greedy = peer(budget)
    const modest = peer(budget)
    await fill(greedy, 8)
    expect(budget.pressed).to.equal(true)
    await fill(modest, 3)
    const { code, error } = await greedy.end()
    expect(code).to.equal(4001)
    expect(errorCode(error)).to.equal('ERR_BLIP_LIMIT')
    expect(greedy.seenClose?.code).to.equal(4001)
    expect(modest.closed).to.equal(undefined)
    expect(budget.usedBytes).to.be.within(300_000, 330_000)
    modest.connection.handle('rev', (request) => {
      request.respond()
    })
    for (let i = 1; i <= 3; i++) modest.send(i, 0, undefined, Buffer.alloc(1))
    await modest.settle()
    expect(modest.frames.filter(({ type }) => type === 1)).to.have.length(3)
    expect(budget.usedBytes).to.equal(0)
  })

  it('cuts the one that asks for more, if that is the largest', async () => {
    const budget = new BufferBudget(500_000)
    const modest = peer(budget)
    await fill(modest, 1)
    const greedy = peer(budget)
    await fill(greedy, 5)
    expect((await greedy.end()).code).to.equal(4001)
    expect(modest.closed).to.equal(undefined)
  })

  it('lets one message after the other go on when it gets short', async () => {
    const acknowledgedAnew = async (limit: number): Promise<Set<number>> => {
      const budget = new BufferBudget(limit)
      const other = peer(budget)
      await fill(other, 6)
      const one = peer(budget)
      await fill(one, 3)
      const before = one.frames.length
      for (let i = 1; i <= 3; i++) one.send(i, MORE_COMING, undefined, Buffer.alloc(60_000))
      await one.settle()
      expect(one.closed).to.equal(undefined)
      return new Set(
        one.frames
          .slice(before)
          .filter(({ type }) => type === 4)
          .map(({ number }) => number)
      )
    }
    expect(await acknowledgedAnew(100_000_000)).to.have.property('size', 3)
    expect(await acknowledgedAnew(1_200_000)).to.have.property('size', 1)
  })

  it('takes only a positive limit', () => {
    expect(() => new BufferBudget(0)).to.throw(TypeError)
    expect(() => new BufferBudget(Number.NaN)).to.throw(TypeError)
  })
})

import { expect } from 'chai'
import type { IncomingRequest } from '@kithmesh/blip'
import { eventually } from '@kithmesh/testkit'
import { BlipPair } from './support/blip-pair.ts'
import { MemoryStore } from './support/memory-store.ts'
import { activeSession, passiveSession } from './support/sessions.ts'
import type { Running } from './support/sessions.ts'

describe('checkpoints of a replication', () => {
  let here: MemoryStore
  let pair: BlipPair
  let active: Running
  let saves: IncomingRequest[]
  let answersAtOnce: boolean

  const answer = (request: IncomingRequest): void => {
    request.respond({ properties: { rev: `0-${saves.indexOf(request) + 1}` } })
  }
  const start = (continuous: boolean): void => {
    active = activeSession(pair.a, here, { continuous })
    active.session.start()
    active.session.tick(10_000)
  }
  const saved = (i: number): unknown => JSON.parse(saves[i]?.body.toString() ?? 'null')
  const pushed = async (count: number): Promise<void> => {
    await eventually(`${count} documents`, () => active.session.statistics.documentsPushed === count && active.session.activity === 'idle')
  }

  beforeEach(() => {
    here = new MemoryStore()
    pair = new BlipPair()
    saves = []
    answersAtOnce = true
    for (let i = 0; i < 500; i++) here.default.put(`doc${i}`, { i })
    passiveSession(pair.b, new MemoryStore())
    pair.b.handle('setCheckpoint', (request) => {
      saves.push(request)
      if (answersAtOnce) answer(request)
    })
  })
  afterEach(() => {
    pair.cut()
  })

  it('are saved at the end of a single one', async () => {
    start(false)
    expect((await active.ended).error).to.equal(undefined)
    expect(saved(saves.length - 1)).to.deep.include({ local: 500 })
  })

  it('have left before what the peer has is stored here, so that both sides store at the same time', async () => {
    answersAtOnce = false
    const target = here.default
    const asked: boolean[] = []
    const setRemoteAncestors = target.setRemoteAncestors.bind(target)
    target.setRemoteAncestors = (...parameters) => {
      asked.push(pair.seen.some(({ profile }) => profile === 'setCheckpoint'))
      setRemoteAncestors(...parameters)
    }
    start(false)
    await eventually('what the peer has is stored', () => asked.length > 0)
    expect(active.session.closed).to.equal(false)
    await eventually('the checkpoint arrives', () => saves.length > 0)
    answer(saves[0] as IncomingRequest)
    expect((await active.ended).error).to.equal(undefined)
    expect(asked).to.deep.equal([true])
  })

  it('are saved at once when a continuous one has caught up, then every five seconds', async () => {
    start(true)
    await pushed(500)
    await eventually('the first checkpoint', () => saves.length === 1)
    expect(saved(0)).to.deep.include({ local: 500 })
    for (let i = 0; i < 3; i++) {
      here.default.put('news', { i })
      await pushed(501 + i)
    }
    active.session.tick(14_999)
    expect(saves).to.have.length(1)
    active.session.tick(15_000)
    await eventually('the second checkpoint', () => saves.length === 2)
    expect(saved(1)).to.deep.include({ local: 503 })
    active.session.tick(20_000)
    active.session.stop()
    await active.ended
    expect(saves).to.have.length(2)
  })

  it('are saved when it is stopped', async () => {
    start(true)
    await pushed(500)
    here.default.put('news', {})
    await pushed(501)
    active.session.stop()
    expect((await active.ended).error).to.equal(undefined)
    expect(saved(saves.length - 1)).to.deep.include({ local: 501 })
  })

  it('are saved whole when it is stopped while an older state is being saved', async () => {
    answersAtOnce = false
    start(true)
    await eventually('the first checkpoint', () => saves.length === 1)
    here.default.put('news', {})
    await pushed(501)
    active.session.stop()
    answersAtOnce = true
    answer(saves[0] as IncomingRequest)
    expect((await active.ended).error).to.equal(undefined)
    expect(saved(saves.length - 1)).to.deep.include({ local: 501 })
    expect(saves).to.have.length(2)
  })
})

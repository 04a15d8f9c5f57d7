import { expect } from 'chai'
import { manualClock } from '@kithmesh/testkit'
import type { MeshLink } from '@kithmesh/mesh'
import { type MeshOutcome, OneShot } from '../dist/one-shot.js'

describe('a mesh that stops by itself', () => {
  const link = (state: MeshLink['state'], error?: Error): MeshLink =>
    ({ deviceId: 'a', displayName: 'a', state, error }) as unknown as MeshLink

  function watching() {
    const clock = manualClock()
    const outcomes: MeshOutcome[] = []
    let links: MeshLink[] = []
    const oneShot = new OneShot(
      () => links,
      clock,
      (outcome) => {
        outcomes.push(outcome)
      }
    )
    const becomes = (...now: MeshLink[]): void => {
      links = now
      oneShot.changed()
    }
    return { clock, outcomes, oneShot, becomes }
  }

  it('waits half a minute for somebody', async () => {
    const { clock, outcomes } = watching()
    await clock.advance(29_999)
    expect(outcomes).to.deep.equal([])
    await clock.advance(1)
    expect(outcomes).to.deep.equal([{ synced: [], failed: [] }])
    expect(clock.pending).to.equal(0)
  })

  it('waits as long again when those that it saw are gone before anything came of it', async () => {
    const { clock, outcomes, becomes } = watching()
    await clock.advance(10_000)
    becomes(link('connecting'))
    await clock.advance(60_000)
    expect(outcomes).to.deep.equal([])
    becomes()
    await clock.advance(29_999)
    expect(outcomes).to.deep.equal([])
    await clock.advance(1)
    expect(outcomes).to.deep.equal([{ synced: [], failed: [] }])
  })

  it('ends once each was up to date or came to nothing and two seconds are quiet', async () => {
    const { clock, outcomes, becomes } = watching()
    becomes(link('idle'))
    await clock.advance(1_000)
    becomes(link('busy'))
    await clock.advance(10_000)
    expect(outcomes).to.deep.equal([])
    becomes(link('offline', new Error('gone')))
    await clock.advance(2_000)
    expect(outcomes).to.deep.equal([{ synced: ['a'], failed: [] }])
    expect(clock.pending).to.equal(0)
  })

  it('says nothing and keeps no timer once it was stopped', async () => {
    const { clock, outcomes, oneShot, becomes } = watching()
    oneShot.stop()
    becomes()
    expect(clock.pending).to.equal(0)
    expect(outcomes).to.deep.equal([])
  })
})

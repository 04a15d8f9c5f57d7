import { expect } from 'chai'
import { Quarantine } from '../../dist/topology/quarantine.js'

const flood = { id: 'a', kind: 'flood', detail: 'too much' } as const

describe('quarantine', () => {
  it('forgives what may happen, and no more', () => {
    const quarantine = new Quarantine({ allowance: { flood: 3 } })
    for (let i = 0; i < 3; i++) expect(quarantine.offended(flood, 1000)).to.equal(undefined)
    expect(quarantine.of('a', 1000)).to.equal(undefined)
    expect(quarantine.offended(flood, 1000)).to.deep.equal({ ...flood, since: 1000, until: 31_000, times: 1 })
    expect(quarantine.of('a', 30_999)?.kind).to.equal('flood')
    expect(quarantine.of('a', 31_000)).to.equal(undefined)
  })

  it('counts each kind by itself, and a minute gives an allowance back', () => {
    const quarantine = new Quarantine({ allowance: { flood: 2, malformed: 2 } })
    for (let now = 0; now < 3_600_000; now += 30_000) {
      expect(quarantine.offended(flood, now)).to.equal(undefined)
      expect(quarantine.offended({ id: 'a', kind: 'malformed', detail: '' }, now)).to.equal(undefined)
    }
  })

  it('takes no lie', () => {
    expect(new Quarantine().offended({ id: 'a', kind: 'lie', detail: '' }, 0)).to.include({ kind: 'lie' })
  })

  it('lasts longer each time, up to a bound, until conduct has been good for long', () => {
    const quarantine = new Quarantine({ allowance: { flood: 0 }, first: 1000, longest: 6000 })
    let now = 0
    const stays = Array.from({ length: 5 }, () => {
      const { until = 0, times } = quarantine.offended(flood, now) ?? {}
      const stay = until - now
      now = until
      return [times, stay]
    })
    expect(stays).to.deep.equal([
      [1, 1000],
      [2, 2000],
      [3, 4000],
      [4, 6000],
      [5, 6000]
    ])
    now += 12_001
    expect(quarantine.offended(flood, now)?.times).to.equal(1)
  })

  it('says nothing new of a device that is in it', () => {
    const quarantine = new Quarantine({ allowance: { flood: 0 } })
    expect(quarantine.offended(flood, 0)).to.not.equal(undefined)
    expect(quarantine.offended(flood, 1)).to.equal(undefined)
    expect(quarantine.list(2)).to.have.length(1)
  })

  it('lets go by hand', () => {
    const quarantine = new Quarantine({ allowance: { flood: 0 } })
    quarantine.offended(flood, 0)
    expect(quarantine.release('a', 1)).to.equal(true)
    expect(quarantine.release('a', 1)).to.equal(false)
    expect(quarantine.list(1)).to.deep.equal([])
    expect(quarantine.offended(flood, 2)?.times).to.equal(1)
  })

  it('is bounded, and forgets nobody who is in it for somebody who is not', () => {
    const quarantine = new Quarantine({ allowance: { flood: 0, poison: 5 }, limit: 10 })
    quarantine.offended(flood, 0)
    for (let i = 0; i < 1000; i++) quarantine.offended({ id: `b${i}`, kind: 'poison', detail: '' }, 1)
    expect(quarantine.list(2).map(({ id }) => id)).to.deep.equal(['a'])
    for (let i = 0; i < 1000; i++) quarantine.offended({ ...flood, id: `c${i}` }, 1)
    expect(quarantine.list(2).length).to.be.at.most(10)
  })
})

import { expect } from 'chai'
import { Slab } from '@kithmesh/core/plugin'

const CARVED = 10_000

/** Carves so many pieces and returns the allocations they came from. */
function carve(slab: Slab, pieces: number): ArrayBufferLike[] {
  return Array.from({ length: pieces }, () => {
    slab.reserve(CARVED)
    return slab.take(slab.offset + CARVED).buffer
  })
}

describe('the memory of frames', () => {
  it('is never used again unless it is known to be out of use', () => {
    const allocations = new Set(carve(new Slab(), 60))
    expect(allocations.size).to.equal(10)
  })
  it('is used again once nothing of it is looked at', () => {
    expect(new Set(carve(new Slab(() => 0), 600)).size).to.equal(1)
  })
  it('is not used again while any of it is looked at', () => {
    let inUse = 0
    const slab = new Slab(() => inUse)
    const held: { readonly bytes: Buffer; readonly mark: number }[] = []
    for (let mark = 0; mark < 500; mark++) {
      slab.reserve(CARVED)
      slab.bytes.fill(mark % 251, slab.offset, slab.offset + CARVED)
      held.push({ bytes: slab.take(slab.offset + CARVED), mark: mark % 251 })
      inUse += CARVED
      while (held.length > mark % 25) {
        const { bytes, mark: expected } = held.shift()!
        expect(bytes.every((byte) => byte === expected)).to.equal(true)
        inUse -= CARVED
      }
    }
  })
  it('is kept only as far as a socket buffers', () => {
    let inUse = Infinity
    const slab = new Slab(() => inUse)
    carve(slab, 600)
    inUse = 0
    const before = new Set(carve(slab, 60))
    expect(before.size).to.be.below(8)
  })
  it('is allocated for what does not fit', () => {
    const slab = new Slab(() => 0)
    carve(slab, 1)
    slab.reserve(200_000)
    expect(slab.bytes.length).to.equal(200_000)
    slab.take(200_000)
    expect(new Set(carve(slab, 60)).size).to.equal(1)
  })
})

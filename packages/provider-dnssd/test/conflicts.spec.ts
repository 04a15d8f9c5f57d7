import { Buffer } from 'node:buffer'
import { expect } from 'chai'
import { compareProbes } from '../dist/conflicts.js'
import { rrType } from '../dist/rdata.js'
import type { ResourceRecord } from '../dist/dns-message.js'

const a = (address: string): ResourceRecord => ({ name: 'host.local', ttl: 120, flush: false, data: { type: rrType.A, address } })
const srv = (port: number, target = 'a.local'): ResourceRecord => ({
  name: 'host.local',
  ttl: 120,
  flush: false,
  data: { type: rrType.SRV, priority: 0, weight: 0, port, target }
})
const txt = (text: string): ResourceRecord => ({
  name: 'host.local',
  ttl: 1,
  flush: true,
  data: { type: rrType.TXT, bytes: Buffer.from(text) }
})

describe('simultaneous probes', () => {
  it('are compared as in the example of RFC 6762 §8.2.1', () => {
    expect(compareProbes([a('169.254.99.200')], [a('169.254.200.50')])).to.be.below(0)
    expect(compareProbes([a('169.254.200.50')], [a('169.254.99.200')])).to.be.above(0)
  })
  it('are equal whatever the order, TTL and flush bit', () => {
    expect(
      compareProbes(
        [a('192.0.2.1'), srv(1)],
        [
          { ...srv(1), flush: true },
          { ...a('192.0.2.1'), ttl: 1 }
        ]
      )
    ).to.equal(0)
  })
  it('are compared by type first, and the one with more records wins', () => {
    expect(compareProbes([a('255.255.255.255')], [txt('')])).to.be.below(0)
    expect(compareProbes([srv(1), txt('a')], [srv(1)])).to.be.below(0)
    expect(compareProbes([srv(1), txt('a')], [txt('a')])).to.be.above(0)
    expect(compareProbes([], [a('192.0.2.1')])).to.be.below(0)
  })
  it('are compared by uncompressed names', () => {
    expect(compareProbes([srv(1, 'b.local')], [srv(1, 'a.local')])).to.be.above(0)
    expect(compareProbes([srv(1, 'aa.local')], [srv(1, 'b.local')])).to.be.above(0)
  })
})

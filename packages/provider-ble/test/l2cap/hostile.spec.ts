import { expect } from 'chai'
import fc from 'fast-check'
import { errorCode } from '@kithmesh/core'
import { eventually } from '@kithmesh/testkit'
import { never } from './links.js'
import { le, Peer } from './peer.js'

describe('L2CAP with a peer that breaks the rules', () => {
  for (const [what, limits, frames] of [
    ['a frame without a credit', { credits: 2 }, ['0100aa', '0100bb', '0100cc']],
    ['a frame longer than the MPS', { mps: 23 }, [`1600${'00'.repeat(22)}`]],
    ['an SDU longer than the MTU', { mtu: 23 }, ['1800aa']],
    ['more bytes than the SDU has', {}, ['0300aa', 'bbccdd']],
    ['an SDU without its length', {}, ['aa']]
  ] as const)
    it(`closes the channel, and only that, after ${what}`, async () => {
      const peer = new Peer(limits)
      const { cid, channel } = peer.opens(0x50)
      const other = peer.opens(0x51)
      for (const hex of frames) peer.says(cid, hex)
      await eventually('the channel to be closed', () => channel.closed)
      expect(errorCode(channel.errored)).to.equal('ERR_BLE_PROTOCOL')
      expect(peer.heard().filter((frame) => frame.startsWith('5:06'))).to.deep.equal([`5:06010400${le(0x50)}${le(cid)}`])
      // What comes after it is ignored, and so is what comes after the answer.
      for (const hex of frames) peer.says(cid, hex)
      peer.signals(`07 01 0400 ${le(0x50)} ${le(cid)}`)
      for (const hex of frames) peer.says(cid, hex)
      expect(peer.heard()).to.deep.equal([])
      peer.says(other.cid, '0200 6869')
      expect(other.channel.read()?.toString()).to.equal('hi')
      expect(peer.side.carrier.failed).to.equal(undefined)
    })

  for (const [what, credits] of [
    ['no credits at all', [0]],
    ['more than 65,535 credits', [65_471, 1]],
    ['more than 65,535 credits at once', [65_535]]
  ] as const)
    it(`closes a channel that is granted ${what}`, async () => {
      const peer = new Peer()
      const { channel } = peer.opens(0x50)
      for (const count of credits) {
        expect(channel.errored).to.equal(null)
        peer.signals(`16 09 0400 ${le(0x50)} ${le(count)}`)
      }
      await eventually('the channel to be closed', () => channel.closed)
      expect(errorCode(channel.errored)).to.equal('ERR_BLE_PROTOCOL')
    })

  it('ignores credits for what is no channel', () => {
    const peer = new Peer()
    const { channel } = peer.opens(0x50)
    for (const cid of [0, 0x40, 0x51, 0xffff]) peer.signals(`16 09 0400 ${le(cid)} ffff`)
    expect(peer.heard()).to.deep.equal([])
    expect(channel.destroyed).to.equal(false)
  })

  for (const [what, request, result] of [
    ['to a PSM that nobody takes', '8100 5000 0008 f700 4000', 2],
    ['to PSM 0', '0000 5000 0008 f700 4000', 2],
    ['from a CID below those that may be chosen', '8000 3f00 0008 f700 4000', 9],
    ['from a CID above those that may be chosen', '8000 8000 0008 f700 4000', 9],
    ['with an MTU below 23', '8000 5000 1600 f700 4000', 11],
    ['with an MPS below 23', '8000 5000 0008 1600 4000', 11]
  ] as const)
    it(`refuses a channel ${what}`, () => {
      const peer = new Peer()
      peer.signals(`14 21 0a00 ${request}`)
      expect(peer.heard()).to.deep.equal([`5:15210a000000000000000000${le(result)}`])
      expect(peer.accepted).to.have.length(0)
      expect(peer.side.manager.count).to.equal(0)
    })

  it('refuses a second channel with the same CID, and keeps the first', () => {
    const peer = new Peer()
    const { cid, channel } = peer.opens(0x50)
    peer.signals('14 22 0a00 8000 5000 0008 f700 4000')
    expect(peer.heard()).to.deep.equal([`5:15220a000000000000000000${le(10)}`])
    peer.says(cid, '0200 6869')
    expect(channel.read()?.toString()).to.equal('hi')
  })

  it('accepts as many channels as the limit allows, and again when one has gone', () => {
    const peer = new Peer({ channels: 3 })
    const first = peer.opens(0x50)
    for (const scid of [0x51, 0x52]) peer.opens(scid)
    peer.signals('14 22 0a00 8000 5300 0008 f700 4000')
    expect(peer.heard()).to.deep.equal([`5:15220a000000000000000000${le(4)}`])
    peer.signals(`06 23 0400 ${le(first.cid)} 5000`)
    peer.opens(0x53)
    expect(peer.side.manager.count).to.equal(3)
  })

  it('accepts all 64 channels there can be', () => {
    const peer = new Peer()
    const cids = new Set<number>()
    for (let scid = 0x40; scid <= 0x7f; scid++) cids.add(peer.opens(scid).cid)
    expect(cids.size).to.equal(64)
    expect(Math.min(...cids)).to.equal(0x40)
    expect(Math.max(...cids)).to.equal(0x7f)
  })

  it('rejects a request to end what is no channel, and ignores one that names a wrong pair', () => {
    const peer = new Peer()
    const { cid, channel } = peer.opens(0x50)
    peer.signals('06 31 0400 7f00 5000')
    expect(peer.heard()).to.deep.equal(['5:013106000200' + '7f005000'])
    peer.signals(`06 32 0400 ${le(cid)} 5100`)
    expect(peer.heard()).to.deep.equal([])
    expect(channel.destroyed).to.equal(false)
  })

  it('rejects what it does not understand and leaves the rest to the library', () => {
    const peer = new Peer()
    expect(peer.signals('0a 01 0200 0200')).to.equal(true)
    expect(peer.heard()).to.deep.equal(['5:010102000000'])
    expect(peer.signals('12 01 0800 0600 0600 0000 c800')).to.equal(false)
    expect(peer.signals('01 63 0200 0000'), 'a rejection of what others sent').to.equal(false)
    for (const cid of [0, 4, 6, 0x3f, 0x80, 0xffff]) expect(peer.says(cid, '0200aabb'), `CID ${cid}`).to.equal(false)
    for (const cid of [0x40, 0x7f]) expect(peer.says(cid, '0200aabb'), `CID ${cid}`).to.equal(true)
    expect(peer.heard()).to.deep.equal([])
  })

  it('ignores answers to nothing', () => {
    const peer = new Peer()
    const { cid, channel } = peer.opens(0x50)
    for (const hex of [
      '15 01 0a00 4000 0008 f700 4000 0000',
      '15 00 0a00 4000 0008 f700 4000 0000',
      `07 01 0400 5000 ${le(cid)}`,
      '18 01 0200 0000'
    ])
      expect(peer.signals(hex), hex).to.equal(true)
    expect(peer.heard()).to.deep.equal([])
    expect(peer.side.manager.count).to.equal(1)
    expect(channel.destroyed).to.equal(false)
  })

  for (const [what, answer, hangsUp] of [
    ['with a CID that may not be chosen', '3f00 0008 f700 4000 0000', false],
    ['with the CID of another channel', '5000 0008 f700 4000 0000', false],
    ['with an MTU below 23', '5100 1600 f700 4000 0000', true],
    ['with an MPS below 23', '5100 0008 1600 4000 0000', true]
  ] as const)
    it(`does not open a channel that is confirmed ${what}`, async () => {
      const peer = new Peer()
      const { channel } = peer.opens(0x50)
      const opening = peer.side.manager.open(0x80, { signal: never }).catch((error: unknown) => error)
      const [request] = peer.heard()
      const identifier = request!.slice(4, 6)
      peer.signals(`15 ${identifier} 0a00 ${answer}`)
      expect(errorCode(await opening)).to.equal('ERR_BLE_PROTOCOL')
      expect(peer.heard().map((frame) => frame.slice(0, 4))).to.deep.equal(hangsUp ? ['5:06'] : [])
      expect(channel.destroyed).to.equal(false)
    })

  it('cuts a link whose commands never end while their answers do not leave', () => {
    const peer = new Peer()
    for (let index = 0; index < 10_000; index++) peer.signals('0a 01 0200 0200')
    expect(errorCode(peer.side.carrier.failed)).to.equal('ERR_BLE_PROTOCOL')
    expect(peer.side.carrier.mostQueued).to.be.below(400)
  })

  it('lives through a peer that opens and ends channels without end', () => {
    const peer = new Peer()
    for (let index = 0; index < 1_000; index++) {
      const { cid, channel } = peer.opens(0x50)
      // Both ask for the end at once, and the answer to ours never comes.
      channel.destroy()
      peer.signals(`06 01 0400 ${le(cid)} 5000`)
      peer.heard()
    }
    expect(peer.side.manager.count).to.equal(0)
    expect(peer.clock.pending).to.equal(0)
  })

  it('does not fall over garbage, and goes on', () => {
    const chunk = fc.uint8Array({ minLength: 0, maxLength: 24 })
    const signal = fc.tuple(
      fc.constantFrom(0x01, 0x06, 0x07, 0x14, 0x15, 0x16, 0x17),
      fc.nat(3),
      fc.array(fc.constantFrom(0, 0x40, 0x41, 0x50, 0x80, 0xffff, 23, 1), { minLength: 1, maxLength: 5 })
    )
    const frames = fc.array(
      fc.oneof(
        fc.tuple(fc.constantFrom(5, 0x40, 0x41, 0x42, 0x90), chunk),
        signal.map(([code, identifier, words]) => {
          const body = words.map(le).join('')
          return [5, Buffer.from(`${le(code | (identifier << 8))}${le(body.length / 2)}${body}`, 'hex')] as const
        })
      ),
      { maxLength: 60 }
    )
    fc.assert(
      fc.property(frames, (sequence) => {
        const peer = new Peer({ credits: 4, mps: 23 })
        peer.side.manager.open(0x90, { signal: never }).catch(() => {})
        for (const [cid, bytes] of sequence) {
          peer.side.manager.receive(cid, Buffer.from(bytes))
          expect(peer.side.manager.count).to.be.at.most(64)
          for (const channel of peer.accepted) if (channel.writable) channel.write('x')
        }
        peer.side.manager.closed(new Error('over'))
        expect(peer.side.manager.count).to.equal(0)
      }),
      { numRuns: 300 }
    )
  })
})

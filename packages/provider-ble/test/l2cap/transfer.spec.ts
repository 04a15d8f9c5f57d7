import type { Duplex } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect } from 'chai'
import { eventually, realClock, recordingLogger } from '@kithmesh/testkit'
import type { ChannelLimits } from '../../dist/l2cap/channel-limits.js'
import { ChannelManager } from '../../dist/l2cap/channel-manager.js'
import type { FrameCarrier } from '../../dist/l2cap/frame-carrier.js'
import { memoryLink, never, PSM } from './links.js'
import { Peer, le } from './peer.js'
import { collected, noise, sha256 } from './traffic.js'

describe('transfer over L2CAP channels', () => {
  const shapes: ReadonlyArray<readonly [string, Partial<ChannelLimits>, Partial<ChannelLimits>, number, number]> = [
    ['the usual terms', {}, {}, 251, 4_000_000],
    ['MTU and MPS of 23 and one credit', { mtu: 23, mps: 23, credits: 1 }, { mtu: 23, mps: 23, credits: 1 }, 23, 60_000],
    ['65,535 credits', { credits: 65_535 }, { credits: 65_535 }, 1_000, 4_000_000],
    ['the largest SDUs', { mtu: 65_535, mps: 1_004, credits: 10 }, { mtu: 65_535, mps: 1_004, credits: 10 }, 1_004, 4_000_000],
    [
      'SDUs of many more frames than there are credits',
      { mtu: 65_535, mps: 23, credits: 3 },
      { mtu: 30_000, mps: 40, credits: 2 },
      30,
      300_000
    ],
    ['terms that differ', { mtu: 23, mps: 500, credits: 3 }, { mtu: 4_000, mps: 23, credits: 200 }, 100, 300_000],
    ['frames that fit only the carrier', { mps: 65_533, mtu: 65_535 }, {}, 14, 200_000]
  ]
  for (const [what, limits, theirLimits, maxFrameBytes, length] of shapes)
    it(`both ways at once with ${what}`, async () => {
      const [left, right] = memoryLink({ limits, theirLimits, maxFrameBytes })
      const near = await left.manager.open(PSM, { signal: never })
      const far = await eventually('the channel', () => right.accepted[0])
      const [there, back] = [noise(length, 1), noise(length, 2)]
      const [atNear, atFar] = [collected(near), collected(far)]
      for (let offset = 0; offset < length; offset += 70_000) near.write(there.subarray(offset, offset + 70_000))
      for (let offset = 0; offset < length; offset += 333) far.write(back.subarray(offset, offset + 333))
      await eventually('everything', () => atNear.bytes === length && atFar.bytes === length)
      near.end()
      await Promise.all([atNear.ended, atFar.ended])
      expect([atNear.sha256(), atFar.sha256()]).to.deep.equal([sha256(back), sha256(there)])
    })

  it('in whatever way it is read: all that is there, so many bytes, by iteration', async () => {
    const [left, right] = memoryLink({ limits: { mtu: 200, mps: 50, credits: 4 } })
    const bytes = noise(20_000)
    const near = await Promise.all([0, 1, 2].map(() => left.manager.open(PSM, { signal: never })))
    const far = await eventually('the channels', () => right.accepted.length === 3 && right.accepted)
    for (const stream of near) stream.resume().end(bytes)
    const chunks: Buffer[] = []
    for await (const chunk of far[0]!) chunks.push(chunk as Buffer)
    expect(sha256(...chunks)).to.equal(sha256(bytes))
    // More at a time than the other side may send without being granted more.
    const parts: Buffer[] = []
    far[1]!.on('readable', () => {
      for (let part = far[1]!.read(5_000) as Buffer | null; part !== null; part = far[1]!.read(5_000) as Buffer | null) parts.push(part)
    })
    await eventually('four parts', () => parts.length === 4)
    expect(sha256(...parts)).to.equal(sha256(bytes))
    const pieces: Buffer[] = []
    far[2]!.on('readable', () => {
      for (let piece = far[2]!.read(7) as Buffer | null; piece !== null; piece = far[2]!.read(7) as Buffer | null) pieces.push(piece)
    })
    await new Promise((resolve) => far[2]!.once('end', resolve))
    expect(sha256(...pieces)).to.equal(sha256(bytes))
  })

  it('grants nothing while nobody reads, and at half of the credits when somebody does', () => {
    const peer = new Peer({ credits: 4 })
    const { cid, channel } = peer.opens(0x50)
    for (const hex of ['0100 61', '0100 62', '0100 63', '0100 64']) peer.says(cid, hex)
    expect(peer.heard()).to.deep.equal([])
    const read: string[] = []
    channel.on('data', (chunk: Buffer) => read.push(chunk.toString()))
    channel.resume()
    return eventually('what was sent', () => read.length === 4).then(() => {
      expect(peer.heard().map((frame) => frame.slice(0, 4) + frame.slice(6))).to.deep.equal([`5:160400${le(cid)}${le(4)}`])
      peer.says(cid, '0100 65')
      expect(peer.heard()).to.deep.equal([])
      peer.says(cid, '0100 66')
      expect(peer.heard().map((frame) => frame.slice(0, 4) + frame.slice(6))).to.deep.equal([`5:160400${le(cid)}${le(2)}`])
      peer.says(cid, '0100 67')
      channel.pause()
      for (const hex of ['0100 68', '0100 69', '0100 6a']) peer.says(cid, hex)
      expect(peer.heard()).to.deep.equal([])
    })
  })

  it('waits for credits when it begins with none', async () => {
    const peer = new Peer()
    const { channel } = peer.opens(0x50, { credits: 0 })
    channel.write('hello')
    expect(peer.heard()).to.deep.equal([])
    peer.signals('16 09 0400 5000 0100')
    expect(peer.heard()).to.deep.equal([`50:0500${Buffer.from('hello').toString('hex')}`])
  })

  it('puts into one SDU what waits, as far as the MTU allows', async () => {
    const peer = new Peer()
    const { channel } = peer.opens(0x50, { credits: 0, mtu: 100 })
    channel.write('a')
    for (let index = 0; index < 60; index++) channel.write('bc')
    peer.signals('16 09 0400 5000 0a00')
    expect(peer.heard().map((frame) => frame.slice(0, 7))).to.deep.equal(['50:0100', '50:6400', '50:1400'])
  })

  it('keeps the queue of the carrier at its mark, and goes on when it is drained', async () => {
    const [left, right] = memoryLink({ eager: false, limits: { credits: 1_000, queuedFrames: 10 } })
    const opening = left.manager.open(PSM, { signal: never })
    left.carrier.deliver(1)
    right.carrier.deliver(1)
    const near = await opening
    const received = collected(right.accepted[0]!)
    await nextTurn()
    const bytes = noise(60_000)
    near.write(bytes)
    expect(left.carrier.queuedFrames).to.equal(10)
    while (left.carrier.deliver(3) > 0) {
      expect(left.carrier.queuedFrames).to.be.at.most(10)
      right.carrier.deliver(100)
    }
    expect(left.carrier.mostQueued).to.equal(10)
    expect(received.sha256()).to.equal(sha256(bytes))
  })

  it('does not mind a carrier that tells at once that it is drained', async () => {
    const frames: number[] = []
    const carrier: FrameCarrier = {
      maxFrameBytes: 100,
      queuedFrames: 0,
      onDrained: undefined,
      send: (_cid, parts) => {
        frames.push(parts.reduce((sum, { length }) => sum + length, 0))
        carrier.onDrained?.()
      },
      fail: (error) => {
        throw error
      }
    }
    const accepted: Duplex[] = []
    const manager = new ChannelManager({
      carrier,
      clock: realClock,
      logger: recordingLogger(),
      accept: () => (channel) => accepted.push(channel)
    })
    manager.receive(5, Buffer.from(`14010a0080005000${le(65_535)}${le(23)}${le(65_535)}`, 'hex'))
    accepted[0]!.write(Buffer.alloc(1_000_000))
    await eventually('everything to be sent', () => accepted[0]!.writableLength === 0)
    expect(frames.slice(1).reduce((sum, length) => sum + length, 0)).to.equal(1_000_000 + 2 * Math.ceil(1_000_000 / 65_535))
    manager.closed(new Error('over'))
  })

  it('gives every channel of a link its turn', async () => {
    const [left, right] = memoryLink({ eager: false, limits: { credits: 1_000, queuedFrames: 4 } })
    const openings = Promise.all(Array.from({ length: 5 }, () => left.manager.open(PSM, { signal: never })))
    left.carrier.deliver(10)
    right.carrier.deliver(10)
    const channels = await openings
    const streams = right.accepted.map((channel) => collected(channel))
    await nextTurn()
    for (const [index, channel] of channels.entries()) channel.write(noise(index === 0 ? 500_000 : 5_000, index))
    let rounds = 0
    while (streams.slice(1).some(({ bytes }) => bytes < 5_000)) {
      left.carrier.deliver(4)
      right.carrier.deliver(10)
      expect(++rounds).to.be.below(200)
    }
    expect(streams[0]!.bytes).to.be.within(2_000, 12_000)
  })

  it('does not let a channel that nobody reads hold up the others', async () => {
    const [left, right] = memoryLink()
    const channels = await Promise.all(Array.from({ length: 10 }, () => left.manager.open(PSM, { signal: never })))
    const far = await eventually('the channels', () => right.accepted.length === 10 && right.accepted)
    for (const [index, channel] of channels.entries()) channel.write(noise(200_000, index))
    const odd = far.filter((_channel, index) => index % 2 === 1).map((channel) => collected(channel))
    await eventually('what is read', () => odd.every(({ bytes }) => bytes === 200_000))
    for (const [index, stream] of odd.entries()) expect(stream.sha256()).to.equal(sha256(noise(200_000, 2 * index + 1)))
    const even = far.filter((_channel, index) => index % 2 === 0).map((channel) => collected(channel))
    await eventually('the rest', () => even.every(({ bytes }) => bytes === 200_000))
  })

  it('on 64 channels both ways', async () => {
    const [left, right] = memoryLink({ limits: { pendingOpens: 64 } })
    const near = await Promise.all(Array.from({ length: 64 }, () => left.manager.open(PSM, { signal: never })))
    const far = await eventually('the channels', () => right.accepted.length === 64 && right.accepted)
    const all = [...near, ...far]
    const received = all.map((channel) => collected(channel))
    for (const [index, channel] of all.entries()) channel.write(noise(20_000, index))
    await eventually('everything', () => received.every(({ bytes }) => bytes === 20_000))
    for (const [index, stream] of received.entries()) expect(stream.sha256()).to.equal(sha256(noise(20_000, (index + 64) % 128)))
  })
})

import type { Duplex } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect } from 'chai'
import { errorCode } from '@kithmesh/core'
import { eventually } from '@kithmesh/testkit'
import { cut, memoryLink, never, PSM, type LinkOptions, type Side } from './links.js'
import { le, Peer } from './peer.js'
import { collected, noise, sha256 } from './traffic.js'

async function connected(options: LinkOptions = {}): Promise<{ sides: [Side, Side]; near: Duplex; far: Duplex }> {
  const sides = memoryLink(options)
  const near = await sides[0].manager.open(PSM, { signal: never })
  return { sides, near, far: await eventually('the channel', () => sides[1].accepted[0]) }
}

describe('the end of an L2CAP channel', () => {
  it('comes after everything that was written, also when it has to wait for credits', async () => {
    const { near, far, sides } = await connected({ limits: { credits: 2, mps: 50 } })
    const bytes = noise(100_000)
    near.end(bytes)
    let finished = false
    near.once('finish', () => {
      finished = true
    })
    await nextTurn()
    expect(finished, 'nobody has read it').to.equal(false)
    const received = collected(far)
    await received.ended
    expect(received.sha256()).to.equal(sha256(bytes))
    near.resume()
    await eventually('both to be closed', () => near.closed && far.closed)
    expect([near.errored, far.errored]).to.deep.equal([null, null])
    expect(sides.map(({ manager }) => manager.count)).to.deep.equal([0, 0])
  })

  it('has "finish" when the other side has got everything', async () => {
    const { near, far, sides } = await connected()
    near.end('last words')
    await new Promise((resolve) => near.once('finish', resolve))
    expect(sides[1].manager.count).to.equal(0)
    expect(String(far.read())).to.equal('last words')
  })

  it('leaves what had arrived to be read, on both sides', async () => {
    const { near, far } = await connected()
    const [there, back] = [noise(3_000, 1), noise(4_000, 2)]
    far.write(back)
    near.write(there)
    await eventually('the frames to be there', () => near.writableLength === 0 && far.writableLength === 0)
    await nextTurn()
    near.end()
    await eventually('the end', () => near.writableFinished)
    const [atNear, atFar] = [collected(near), collected(far)]
    await Promise.all([atNear.ended, atFar.ended])
    expect([atNear.sha256(), atFar.sha256()]).to.deep.equal([sha256(back), sha256(there)])
  })

  it('loses nothing when both sides have sent everything and end at once', async () => {
    for (const length of [0, 1, 5_000, 100_000]) {
      const { near, far, sides } = await connected()
      const [atNear, atFar] = [collected(near), collected(far)]
      const [there, back] = [noise(length, 1), noise(length, 2)]
      near.write(there)
      far.write(back)
      await eventually('the bytes', () => atNear.bytes === length && atFar.bytes === length)
      near.end('bye')
      far.end('bye')
      await Promise.all([atNear.ended, atFar.ended])
      expect([atNear.bytes, atFar.bytes]).to.deep.equal([length + 3, length + 3])
      await eventually('both to be closed', () => near.closed && far.closed)
      expect([near.errored, far.errored]).to.deep.equal([null, null])
      expect(sides.map(({ manager }) => manager.count)).to.deep.equal([0, 0])
    }
  })

  it('fails the stream of a side that had more to send, after it has read everything', async () => {
    const { near, far } = await connected({ limits: { credits: 4 } })
    const bytes = noise(900)
    // Nobody reads at the near side, so that not all of this can be sent.
    far.write(noise(50_000))
    near.end(bytes)
    await eventually('the end to be there', () => near.writableFinished)
    expect(far.destroyed).to.equal(false)
    let error: unknown
    far.once('error', (caught) => {
      error = caught
    })
    const received = collected(far)
    await received.ended
    expect(received.sha256()).to.equal(sha256(bytes))
    await eventually('the failure', () => far.closed)
    expect(errorCode(error)).to.equal('ERR_BLE_CHANNEL_CLOSED')
  })

  it('fails the stream of a side that has more to send and does not read, after a while', async () => {
    const peer = new Peer({ lingerMs: 4_000 })
    const { cid, channel } = peer.opens(0x50)
    peer.says(cid, '0200 6869')
    peer.signals(`06 31 0400 ${le(cid)} 5000`)
    channel.write('an answer that nobody will get')
    await peer.clock.advance(3_999)
    expect(channel.destroyed).to.equal(false)
    await peer.clock.advance(1)
    await eventually('the failure', () => channel.closed)
    expect(errorCode(channel.errored)).to.equal('ERR_BLE_CHANNEL_CLOSED')
    expect(peer.clock.pending).to.equal(0)
  })

  it('leaves no timer behind when the stream is destroyed while it waits for its reader', () => {
    const peer = new Peer()
    const { cid, channel } = peer.opens(0x50)
    peer.says(cid, '0200 6869')
    peer.signals(`06 31 0400 ${le(cid)} 5000`)
    channel.write('an answer that nobody will get')
    expect(peer.clock.pending).to.equal(1)
    channel.destroy()
    expect(peer.clock.pending).to.equal(0)
  })

  it('drops an answer to the end itself without a failure', async () => {
    const { near, far } = await connected()
    const [atNear, atFar] = [collected(near), collected(far)]
    near.end('close_notify')
    await eventually('the end at the near side', () => near.writableFinished)
    far.write('close_notify too')
    await Promise.all([atNear.ended, atFar.ended])
    await eventually('both to be closed', () => near.closed && far.closed)
    expect([near.errored, far.errored]).to.deep.equal([null, null])
  })

  it('is an error within an SDU, after what was whole', async () => {
    const peer = new Peer()
    const { cid, channel } = peer.opens(0x50)
    const received = collected(channel)
    peer.says(cid, '0200 6869')
    peer.says(cid, '0500 6869')
    peer.signals(`06 31 0400 ${le(cid)} 5000`)
    expect(errorCode(await received.ended.catch((error: unknown) => error))).to.equal('ERR_BLE_CHANNEL_CLOSED')
    expect(received.bytes).to.equal(2)
  })

  for (const whole of [1, 3])
    it(`is an error within an SDU for a slow reader, too, after ${whole} that came whole`, async () => {
      const peer = new Peer()
      const { cid, channel } = peer.opens(0x50)
      const received = collected(channel)
      await nextTurn()
      channel.pause()
      for (let count = 0; count < whole; count++) peer.says(cid, '0200 6869')
      peer.says(cid, '0500 6869')
      peer.signals(`06 31 0400 ${le(cid)} 5000`)
      await nextTurn()
      expect([channel.destroyed, received.bytes]).to.deep.equal([false, 0])
      channel.resume()
      expect(errorCode(await received.ended.catch((error: unknown) => error))).to.equal('ERR_BLE_CHANNEL_CLOSED')
      expect(received.bytes).to.equal(2 * whole)
    })

  it('is an error when it is not confirmed in time', async () => {
    const peer = new Peer({ disconnectMs: 4_000 })
    const { channel } = peer.opens(0x50)
    channel.end()
    await peer.clock.advance(3_999)
    expect(channel.destroyed).to.equal(false)
    await peer.clock.advance(1)
    await eventually('the failure', () => channel.closed)
    expect(errorCode(channel.errored)).to.equal('ERR_BLE_TIMEOUT')
    expect(peer.side.manager.count).to.equal(0)
  })

  it('is confirmed by a rejection, too: there is no such channel any more', async () => {
    const peer = new Peer()
    const { cid, channel } = peer.opens(0x50)
    channel.resume().end()
    await peer.clock.advance(0)
    const [request] = peer.heard()
    peer.signals(`07 ${request!.slice(4, 6)} 0400 5100 ${le(cid)}`)
    await peer.clock.advance(0)
    expect(channel.writableFinished, 'an answer for another channel').to.equal(false)
    peer.signals(`01 ${request!.slice(4, 6)} 0600 0200 5000 ${le(cid)}`)
    await eventually('the end', () => channel.closed)
    expect(channel.errored).to.equal(null)
    expect(peer.clock.pending).to.equal(0)
  })

  it('fails everything that is open when the link is lost, once, and nothing that had ended', async () => {
    const sides = memoryLink({ limits: { credits: 4 } })
    const near = await Promise.all([1, 2, 3].map(() => sides[0].manager.open(PSM, { signal: never })))
    const far = await eventually('the channels', () => sides[1].accepted.length === 3 && sides[1].accepted)
    near[0]!.write(noise(100_000))
    near[1]!.end('read me later')
    await eventually('the end of the second', () => near[1]!.writableFinished)
    const closes = [...near, ...far].map((stream) => {
      const seen = { closed: 0 }
      stream.on('close', () => seen.closed++)
      return seen
    })
    const written = new Promise<Error | null | undefined>((resolve) => near[2]!.write(noise(100_000), resolve))
    cut(sides)
    cut(sides)
    expect(errorCode(await written)).to.equal('ERR_BLE_LINK_LOST')
    const late = collected(far[1]!)
    await late.ended
    expect(late.sha256()).to.equal(sha256(Buffer.from('read me later')))
    near[1]!.resume()
    await eventually('all to be closed', () => closes.every(({ closed }) => closed === 1))
    expect([near[0], near[2], far[0], far[2]].map((stream) => errorCode(stream!.errored))).to.deep.equal(
      Array.from({ length: 4 }, () => 'ERR_BLE_LINK_LOST')
    )
    expect([near[1]!.errored, far[1]!.errored]).to.deep.equal([null, null])
  })

  it('lets an exception of a reader be the program’s, not the link’s', async () => {
    const { near, far } = await connected()
    const mistake = new Error('a mistake of the program')
    const caught = new Promise((resolve) => {
      const listeners = process.listeners('uncaughtException')
      process.removeAllListeners('uncaughtException')
      process.once('uncaughtException', (error) => {
        for (const listener of listeners) process.on('uncaughtException', listener)
        resolve(error)
      })
    })
    let bytes = 0
    far.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes === 1) throw mistake
    })
    near.write('x')
    expect(await caught).to.equal(mistake)
    near.write('yz')
    await eventually('the rest', () => bytes === 3)
  })
})

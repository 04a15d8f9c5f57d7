import type { Duplex } from 'node:stream'
import { expect } from 'chai'
import { errorCode, isKithmeshError } from '@kithmesh/core'
import { eventually } from '@kithmesh/testkit'
import { cut, memoryLink, never, PSM } from './links.js'
import { le, Peer } from './peer.js'

/** A request of ours: its identifier and CID, as on the air. */
function request(peer: Peer): { readonly identifier: string; readonly scid: string } {
  const [frame, ...others] = peer.heard()
  expect(others).to.deep.equal([])
  expect(frame).to.match(/^5:14/)
  return { identifier: frame!.slice(4, 6), scid: frame!.slice(14, 18) }
}

function settled(promise: Promise<Duplex>): { error: unknown; channel: Duplex | undefined } {
  const state: { error: unknown; channel: Duplex | undefined } = { error: undefined, channel: undefined }
  promise.then(
    (channel) => {
      state.channel = channel
    },
    (error: unknown) => {
      state.error = error
    }
  )
  return state
}

describe('opening an L2CAP channel', () => {
  it('asks for it with its own terms, and has it when the answer comes', async () => {
    const peer = new Peer({ mtu: 1_000, mps: 100, credits: 7 })
    const opening = peer.side.manager.open(0x95, { signal: never })
    const [frame] = peer.heard()
    expect(frame).to.match(new RegExp(`^5:14..0a00${le(0x95)}....${le(1_000)}${le(100)}${le(7)}$`))
    peer.signals(`15 ${frame!.slice(4, 6)} 0a00 7000 6400 1700 0200 0000`)
    const channel = await opening
    channel.write(Buffer.alloc(50))
    expect(peer.heard().map((sent) => sent.length)).to.deep.equal([3 + 2 * 23, 3 + 2 * 23])
  })

  it('fails with the result when it is refused', async () => {
    for (const result of [2, 4, 5, 6, 7, 8, 9, 10, 11, 99]) {
      const peer = new Peer()
      const opening = settled(peer.side.manager.open(PSM, { signal: never }))
      const { identifier } = request(peer)
      peer.signals(`15 ${identifier} 0a00 0000 0000 0000 0000 ${le(result)}`)
      const error = await eventually('the refusal', () => opening.error ?? false)
      expect(isKithmeshError(error, 'ERR_BLE_CHANNEL_REFUSED') && error.details).to.include({ result })
      expect(peer.clock.pending).to.equal(0)
    }
  })

  it('is refused as unsupported by a peer that does not know such channels', async () => {
    const peer = new Peer()
    const opening = settled(peer.side.manager.open(PSM, { signal: never }))
    const { identifier } = request(peer)
    peer.signals(`01 ${identifier} 0200 0000`)
    const error = await eventually('the refusal', () => opening.error ?? false)
    expect(isKithmeshError(error, 'ERR_BLE_CHANNEL_REFUSED') && error.details).to.include({ result: 2 })
  })

  it('ignores answers with another identifier', async () => {
    const peer = new Peer()
    const opening = settled(peer.side.manager.open(PSM, { signal: never }))
    const { identifier } = request(peer)
    peer.signals(`15 ${identifier === '77' ? '78' : '77'} 0a00 5000 0008 f700 4000 0000`)
    peer.signals(`07 ${identifier} 0400 5000 4000`)
    await peer.clock.advance(1)
    expect(opening).to.deep.equal({ error: undefined, channel: undefined })
    peer.signals(`15 ${identifier} 0a00 5000 0008 f700 4000 0000`)
    await eventually('the channel', () => opening.channel)
  })

  it('fails when no answer comes in time', async () => {
    const peer = new Peer({ openMs: 3_000 })
    const opening = settled(peer.side.manager.open(PSM, { signal: never }))
    await peer.clock.advance(2_999)
    expect(opening.error).to.equal(undefined)
    await peer.clock.advance(1)
    expect(errorCode(opening.error)).to.equal('ERR_BLE_TIMEOUT')
  })

  for (const [what, giveUp, expected] of [
    ['was given up', (controller: AbortController) => controller.abort(new Error('changed my mind')), undefined],
    ['took too long', (_controller: AbortController, peer: Peer) => peer.clock.advance(5_000), 'ERR_BLE_TIMEOUT']
  ] as const)
    it(`closes the channel when the answer comes after it ${what}`, async () => {
      const peer = new Peer()
      const controller = new AbortController()
      const opening = settled(peer.side.manager.open(PSM, { signal: controller.signal }))
      const { identifier, scid } = request(peer)
      await giveUp(controller, peer)
      const error = await eventually('the end of it', () => opening.error ?? false)
      expect(errorCode(error)).to.equal(expected)
      expect(peer.heard(), 'there is nothing to be said yet').to.deep.equal([])
      peer.signals(`15 ${identifier} 0a00 5000 0008 f700 4000 0000`)
      const [hangUp] = peer.heard()
      expect(hangUp).to.match(new RegExp(`^5:06..04005000${scid}$`))
      peer.signals(`07 ${hangUp!.slice(4, 6)} 0400 5000 ${scid}`)
      expect(peer.clock.pending).to.equal(0)
      expect(peer.side.manager.count).to.equal(0)
    })

  it('rejects at once with the reason of a signal that has aborted, and sends nothing', async () => {
    const peer = new Peer()
    const reason = new Error('changed my mind')
    const error = await peer.side.manager.open(PSM, { signal: AbortSignal.abort(reason) }).catch((caught: unknown) => caught)
    expect(error).to.equal(reason)
    expect(peer.heard()).to.deep.equal([])
  })

  it('does not mind a signal that aborts later, and leaves no listener on it', async () => {
    const [left, right] = memoryLink()
    const controller = new AbortController()
    let listeners = 0
    const { signal } = controller
    const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)]
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      listeners++
      add(...args)
    }
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      listeners--
      remove(...args)
    }
    const channel = await left.manager.open(PSM, { signal })
    expect(listeners).to.equal(0)
    controller.abort()
    channel.end('still here')
    const accepted = await eventually('the channel', () => right.accepted[0])
    expect(String(await accepted.toArray())).to.equal('still here')
  })

  it('is bounded: so many at a time, those given up and not answered included', async () => {
    const peer = new Peer({ pendingOpens: 3 })
    const controller = new AbortController()
    const openings = [0x80, 0x81, 0x82].map((psm) => settled(peer.side.manager.open(psm, { signal: controller.signal })))
    controller.abort(new Error('changed my mind'))
    await peer.clock.advance(0)
    const fourth = settled(peer.side.manager.open(PSM, { signal: never }))
    await peer.clock.advance(0)
    expect(errorCode(fourth.error)).to.equal('ERR_BLE_LIMIT')
    expect(openings.every(({ error }) => error !== undefined)).to.equal(true)
    // The other side is silent: its answers are waited for a while and no longer.
    await peer.clock.advance(65_000)
    expect(peer.clock.pending).to.equal(0)
    peer.heard()
    const fifth = settled(peer.side.manager.open(PSM, { signal: never }))
    const { identifier } = request(peer)
    peer.signals(`15 ${identifier} 0a00 5000 0008 f700 4000 0000`)
    await eventually('the channel', () => fifth.channel)
  })

  it('fails when all channel identifiers are in use, and works again when one is free', async () => {
    const [left, right] = memoryLink({ limits: { pendingOpens: 64 } })
    const channels = await Promise.all(Array.from({ length: 64 }, () => left.manager.open(PSM, { signal: never })))
    const error = await left.manager.open(PSM, { signal: never }).catch((caught: unknown) => caught)
    expect(errorCode(error)).to.equal('ERR_BLE_LIMIT')
    channels[10]!.destroy()
    await eventually('the end of it', () => right.manager.count === 63 && left.manager.count === 63)
    await left.manager.open(PSM, { signal: never })
    expect(new Set(right.accepted).size).to.equal(65)
  })

  it('uses no identifier twice at a time, and none is 0', async () => {
    const peer = new Peer({ pendingOpens: 64, openMs: 100 })
    const seen = new Map<string, number>()
    const open: string[] = []
    for (let round = 0; round < 600; round++) {
      settled(peer.side.manager.open(PSM, { signal: never }))
      const { identifier } = request(peer)
      expect(identifier).to.not.equal('00')
      expect(open).to.not.include(identifier)
      open.push(identifier)
      seen.set(identifier, (seen.get(identifier) ?? 0) + 1)
      // Some answers come much later than others, and some never.
      if (round < 10) continue
      const answered = round % 3 === 0 ? open.splice(10, 1)[0]! : open.length > 40 ? open.splice(20, 1)[0]! : open.pop()!
      peer.signals(`15 ${answered} 0a00 0000 0000 0000 0000 0200`)
    }
    expect(seen.size).to.equal(255)
  })

  it('fails at once when the link is lost, and after', async () => {
    const sides = memoryLink({ eager: false })
    const opening = settled(sides[0].manager.open(PSM, { signal: never }))
    const loss = new Error('out of range')
    cut(sides, loss)
    const error = await eventually('the failure', () => opening.error ?? false)
    expect(isKithmeshError(error, 'ERR_BLE_LINK_LOST') && error.cause).to.equal(loss)
    const later = await sides[0].manager.open(PSM, { signal: never }).catch((caught: unknown) => caught)
    expect(errorCode(later)).to.equal('ERR_BLE_LINK_LOST')
  })

  it('takes no PSM that does not exist, and no limits that make no sense', async () => {
    const [left] = memoryLink()
    for (const psm of [0, 256, -1, 1.5, Number.NaN])
      expect(await left.manager.open(psm, { signal: never }).catch((error: unknown) => error)).to.be.instanceOf(TypeError)
    for (const limits of [{ mtu: 22 }, { mps: 22 }, { mps: 65_534 }, { credits: 0 }, { credits: 65_536 }, { channels: 65 }, { openMs: 0 }])
      expect(() => memoryLink({ limits }), JSON.stringify(limits)).to.throw(TypeError)
  })
})

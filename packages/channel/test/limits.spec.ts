import { expect } from 'chai'
import type { ChannelLimits } from '@kithmesh/channel'
import { channelOf } from './support/pair.ts'

const NAMES: Readonly<Record<keyof ChannelLimits, true>> = {
  helloWithinMs: true,
  wordWithinMs: true,
  maxControlBytes: true,
  maxControlsUnanswered: true,
  controlBurst: true,
  controlsPerMinute: true,
  window: true,
  windowBytes: true,
  maxPacketBytes: true,
  maxQueued: true,
  maxQueuedBytes: true,
  maxHandledRequests: true,
  maxPendingRequests: true,
  restrictedPacketBytes: true,
  restrictedBurst: true,
  restrictedPerMinute: true,
  chunkBytes: true,
  chunksAhead: true,
  maxReceiving: true,
  maxOffers: true,
  transferIdleMs: true
}

describe('limits of a channel that make no sense', () => {
  for (const name of Object.keys(NAMES))
    it(`are refused: ${name}`, () => {
      for (const value of [NaN, 0, -1, 1.5, Infinity])
        expect(() => channelOf('a', { limits: { [name]: value } }), `${value}`).to.throw(
          TypeError,
          `limits.${name} must be a positive integer`
        )
      channelOf('a', { limits: { [name]: 1 } }).close()
    })

  it('are refused where the other side would not bear them', () => {
    for (const limits of [{ window: 257 }, { chunkBytes: 1024 * 1024 + 1 }, { chunksAhead: 9 }, { chunksAhead: 3, maxReceiving: 11 }])
      expect(() => channelOf('a', { limits }), JSON.stringify(limits)).to.throw(TypeError, 'must be at most')
    channelOf('a', { limits: { window: 256, chunkBytes: 1024 * 1024, chunksAhead: 3, maxReceiving: 10 } }).close()
  })

  it('are refused for the handshake of the program', () => {
    for (const handshakeTimeLimitMs of [NaN, 0, -1, Infinity])
      expect(() => channelOf('a', { trust: { handshakeTimeLimitMs } }), `${handshakeTimeLimitMs}`).to.throw(TypeError)
  })
})

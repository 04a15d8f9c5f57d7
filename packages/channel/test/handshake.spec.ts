import { createHmac, timingSafeEqual } from 'node:crypto'
import { expect } from 'chai'
import type { PeerChannel, TrustHandshake } from '@kithmesh/channel'
import { eventually, manualClock, rejection } from '@kithmesh/testkit'
import { Pair } from './support/pair.ts'

const prove = { standing: 'prove' as const }

describe('a trust handshake of the program', () => {
  let pair: Pair

  afterEach(() => {
    pair.wire.cut()
  })

  /** Seed 003's example: messages, trust for a while, a packet for trusted peers, and a verdict. */
  function handshake(secret: string, levels: string[] = []): TrustHandshake {
    return async (channel: PeerChannel, { signal }) => {
      levels.push(channel.level)
      const theirs = channel.nextMessage({ signal })
      await channel.send(`nonce of ${channel.localPeerId.slice(0, 1)}`, { signal })
      const nonce = (await theirs).body as string
      channel.elevate()
      levels.push(channel.level)
      await channel.sendIdentity({ proof: createHmac('sha256', secret).update(nonce).digest('hex') }, { signal })
      await eventually('the proof', () => channel.identity !== undefined, { signal })
      const expected = createHmac('sha256', secret)
        .update(`nonce of ${channel.localPeerId.slice(0, 1)}`)
        .digest()
      const proof = Buffer.from(String(channel.identity?.['proof']), 'hex')
      return proof.length === expected.length && timingSafeEqual(proof, expected)
    }
  }

  it('elevates the peer for a while and confirms it', async () => {
    const levels: string[] = []
    const words: unknown[] = []
    pair = new Pair({ trust: { handshake: handshake('s', levels) } }, { trust: { handshake: handshake('s') } })
    pair.a.observe({ trustChanged: ({ level, mutual, word }) => words.push([level, mutual, word?.level, word?.settled]) })
    const [a, b] = pair.join(prove, prove)
    await Promise.all([a.attachment.trusted, b.attachment.trusted])
    expect(levels).to.deep.equal(['restricted', 'trusted'])
    expect(pair.a.mutual && pair.b.mutual).to.equal(true)
    // Trust for a while is not taken for trust.
    expect(words).to.deep.include(['trusted', false, 'trusted', false])
    expect(words.at(-1)).to.deep.equal(['trusted', true, 'trusted', true])
  })

  it('demotes the peer and ends the connection when it says no', async () => {
    pair = new Pair({ trust: { handshake: handshake('s') } }, { trust: { handshake: handshake('another') } })
    const [a, b] = pair.join(prove, prove)
    const error = (await rejection(a.attachment.trusted)) as Error & { code: string }
    expect(error.code).to.be.oneOf(['ERR_CHANNEL_UNTRUSTED', 'ERR_CHANNEL_NOT_TRUSTED'])
    await eventually('the connections to end', () => a.attachment.ended && b.attachment.ended)
    expect([pair.a.level, pair.b.level]).to.deep.equal(['restricted', 'restricted'])
  })

  it('has a time limit', async () => {
    const clock = manualClock()
    const forever: TrustHandshake = async (channel, { signal }) => {
      await channel.nextMessage({ signal })
      return true
    }
    pair = new Pair({ clock, trust: { handshake: forever, handshakeTimeLimitMs: 5_000 } }, { clock, trust: { handshake: forever } })
    const [a, b] = pair.join(prove, prove)
    await Promise.all([a.attachment.hello, b.attachment.hello])
    const error = rejection(a.attachment.trusted)
    await clock.advance(5_000)
    expect(((await error) as Error).message).to.match(/longer than 5000 ms/)
    await eventually('the connection to end', () => b.attachment.ended)
    expect(clock.pending).to.equal(0)
  })

  it('is not run again on the next connection of the same programs', async () => {
    let runs = 0
    const counted: TrustHandshake = async () => {
      runs++
      return { trusted: true, remember: true }
    }
    const verdicts: unknown[] = []
    pair = new Pair(
      { trust: { handshake: counted, onVerdict: (verdict, how) => verdicts.push([verdict, how]) } },
      { trust: { handshake: counted } }
    )
    for (let i = 0; i < 2; i++) {
      const [a, b] = pair.join(prove, prove)
      await Promise.all([a.attachment.trusted, b.attachment.trusted])
      pair.wire.cut()
    }
    expect(runs).to.equal(2)
    expect(verdicts).to.deep.equal([[{ trusted: true, remember: true }, 'handshake']])
  })

  it('is run once when both sides dialled', async () => {
    const levels: string[] = []
    pair = new Pair({ trust: { handshake: handshake('s', levels) } }, { trust: { handshake: handshake('s') } })
    const first = pair.join(prove, prove)
    const { wire } = pair
    const second = pair.join(prove, prove)
    await Promise.all([...first, ...second].map(({ attachment }) => attachment.trusted))
    expect(levels).to.deep.equal(['restricted', 'trusted'])
    wire.cut()
    expect(pair.a.mutual).to.equal(true)
  })

  it('fails when it throws, and the peer hears no more than that', async () => {
    const broken: TrustHandshake = async () => {
      throw new Error('the secret file is missing')
    }
    pair = new Pair({ trust: { handshake: broken } }, { trust: { handshake: async () => true } })
    const heard: string[] = []
    pair.b.onData(({ body }) => heard.push(body.toString()))
    const [a, b] = pair.join(prove, prove)
    expect(((await rejection(a.attachment.trusted)) as Error & { cause: Error }).cause.message).to.equal('the secret file is missing')
    const told = (await rejection(b.attachment.trusted)) as Error
    await eventually('the connection to end', () => b.attachment.ended)
    expect([told.message, ...heard].join()).not.to.match(/secret/)
    expect(heard).to.deep.equal(['{"reason":"not trusted"}'])
  })
})

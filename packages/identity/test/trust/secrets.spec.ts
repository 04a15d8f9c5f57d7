import { expect } from 'chai'
import type { Clock, TrustProtocol } from '@kithmesh/core'
import { type SharedPasswordOptions, generateGroupKey, groupKey, sharedPassword } from '@kithmesh/identity'
import { manualClock } from '@kithmesh/testkit'
import { exchangePair, idOf, outcomeOf, reasonOf, runBoth, trusts } from '../support/trust-exchange.ts'

const only = ({ protocols }: { readonly protocols: readonly TrustProtocol[] }): TrustProtocol => protocols[0]!

describe('a group key', () => {
  const both = async (one: Parameters<typeof groupKey>[0], other: Parameters<typeof groupKey>[0]): Promise<string> => {
    const { initiator, responder } = await runBoth(only(groupKey(one)), only(groupKey(other)))
    return `${trusts(initiator) ? 'trusts' : reasonOf(initiator)}, ${trusts(responder) ? 'trusts' : reasonOf(responder)}`
  }

  it('decides nothing by the certificate', () => {
    expect(groupKey(generateGroupKey()).check({} as never)).to.equal('prove')
  })

  it('must be the same', async () => {
    const secret = generateGroupKey()
    expect(await both(secret, secret)).to.equal('trusts, trusts')
    expect(await both(secret, generateGroupKey())).to.equal('the other device refused, it does not have the group key')
    expect(await both(Buffer.alloc(16, 1), Buffer.alloc(16, 2))).to.equal('the other device refused, it does not have the group key')
    // Bytes are a key, and text is one that was stretched.
    expect(await both(secret, Buffer.from(secret))).to.equal('the other device refused, it does not have the group key')
  })

  it('counts as the same text however it is composed', async () => {
    expect(await both('ein schlüssel', 'ein schlu\u0308ssel')).to.equal('trusts, trusts')
  })

  it('is changed by having two for a while', async () => {
    const [old, next] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)]
    expect(await both([old, next], old)).to.equal('trusts, trusts')
    expect(await both(next, [old, next])).to.equal('trusts, trusts')
    expect(await both([old, next], [next])).to.equal('trusts, trusts')
    expect(await both([next, old], [old, next])).to.equal('trusts, trusts')
    expect(await both([old], [next])).to.equal('the other device refused, it does not have the group key')
  })

  it('is not taken when it is too short, or when there are too many', () => {
    expect(() => groupKey('elf zeichen')).to.throw(TypeError, 'sharedPassword')
    expect(() => groupKey(Buffer.alloc(15))).to.throw(TypeError)
    expect(() => groupKey([])).to.throw(TypeError)
    expect(() => groupKey(Array.from({ length: 5 }, () => Buffer.alloc(32)))).to.throw(TypeError)
  })

  it('is of its holder even when the bytes that were given change', async () => {
    const bytes = Buffer.alloc(32, 1)
    const one = only(groupKey(bytes))
    bytes.fill(2)
    const { initiator } = await runBoth(one, only(groupKey(Buffer.alloc(32, 1))))
    expect(trusts(initiator)).to.equal(true)
  })

  it('proves nothing to a responder that answers with what it was sent', async () => {
    const pair = exchangePair()
    const running = outcomeOf(only(groupKey(Buffer.alloc(32, 1))).run(pair.initiator))
    const nonce = Buffer.from(await pair.responder.receive())
    pair.responder.send(Buffer.concat([Buffer.of(2), nonce.subarray(1)]))
    const proof = Buffer.from(await pair.responder.receive())
    pair.responder.send(Buffer.concat([Buffer.of(4), proof.subarray(1)]))
    expect(trusts(await running)).to.equal(false)
  })
})

describe('a shared password', () => {
  const start = (clock: Clock, more: SharedPasswordOptions = {}): TrustProtocol => only(sharedPassword('richtig', { clock, ...more }))
  /** Devices that try as often as they like; one for each text, which is stretched once. */
  const others = new Map<string, TrustProtocol>()
  const other = (text = 'falsch'): TrustProtocol => {
    const limitless = { burst: 1e6, perMinute: 1 }
    const known = others.get(text) ?? only(sharedPassword(text, { triesPerPeer: limitless, triesInAll: limitless }))
    others.set(text, known)
    return known
  }

  it('decides nothing by the certificate', () => {
    expect(sharedPassword('x').check({} as never)).to.equal('prove')
    expect(() => sharedPassword('')).to.throw(TypeError)
    expect(() => sharedPassword('x', { triesInAll: { burst: 0, perMinute: 1 } })).to.throw(TypeError)
    expect(() => sharedPassword('x', { triesPerPeer: { burst: 1, perMinute: 0 } })).to.throw(TypeError)
  })

  it('must be the same, however it is composed', async () => {
    const clock = manualClock()
    const wrong = await runBoth(start(clock), other())
    expect([reasonOf(wrong.initiator), reasonOf(wrong.responder)]).to.deep.equal(['the other device refused', 'it has another password'])
    const right = await runBoth(only(sharedPassword('grün')), only(sharedPassword('gru\u0308n')))
    expect([trusts(right.initiator), trusts(right.responder)]).to.deep.equal([true, true])
  })

  it('is not found out by a responder that confirms with nothing', async () => {
    const pair = exchangePair()
    const running = outcomeOf(start(manualClock()).run(pair.initiator))
    const share = Buffer.from(await pair.responder.receive())
    pair.responder.send(Buffer.concat([Buffer.of(2), share.subarray(1)]))
    const confirmation = Buffer.from(await pair.responder.receive())
    pair.responder.send(Buffer.concat([Buffer.of(4), confirmation.subarray(1)]))
    expect(reasonOf(await running)).to.equal('it has another password')
  })

  it('is refused when a share is no point', async () => {
    for (const share of [Buffer.alloc(65), Buffer.concat([Buffer.of(4), Buffer.alloc(64, 1)])]) {
      const pair = exchangePair()
      pair.initiator.send(Buffer.concat([Buffer.of(1), share]))
      expect(reasonOf(await outcomeOf(start(manualClock()).run(pair.responder)))).to.equal('the other device sent an invalid point')
    }
  })

  for (const role of ['initiator', 'responder'] as const)
    it(`can be tried a few times by one peer, as ${role === 'initiator' ? 'responder' : 'initiator'}, and by others still`, async () => {
      const clock = manualClock()
      const ours = start(clock, { triesPerPeer: { burst: 3, perMinute: 1 } })
      const attempt = async (digit: string, text?: string): Promise<string> => {
        const guesser = other(text)
        const ids =
          role === 'initiator' ? { initiatorId: idOf('f'), responderId: idOf(digit) } : { initiatorId: idOf(digit), responderId: idOf('f') }
        const outcome = await runBoth(role === 'initiator' ? ours : guesser, role === 'initiator' ? guesser : ours, ids)
        return trusts(outcome[role]) ? 'trusts' : reasonOf(outcome[role])
      }
      const wrong = role === 'initiator' ? 'the other device refused' : 'it has another password'
      for (let i = 0; i < 3; i++) expect(await attempt('a')).to.equal(wrong)
      expect(await attempt('a')).to.equal('too many tries in vain by this device; the next one is possible in 60 s')
      // Not even the right one helps now, as somebody who guesses could have found it.
      expect(await attempt('a', 'richtig')).to.contain('too many tries')
      expect(await attempt('b', 'richtig')).to.equal('trusts')
      await clock.advance(60_000)
      expect(await attempt('a', 'richtig')).to.equal('trusts')
      // What was right costs nothing.
      for (let i = 0; i < 5; i++) expect(await attempt('b', 'richtig')).to.equal('trusts')
    })

  it('can be tried a few times by strangers together, who do not keep out those that proved themselves', async () => {
    const clock = manualClock()
    const ours = start(clock, { triesInAll: { burst: 4, perMinute: 2 } })
    const attempt = async (digit: string, text?: string): Promise<string> => {
      const { responder } = await runBoth(other(text), ours, { initiatorId: idOf(digit), responderId: idOf('f') })
      return trusts(responder) ? 'trusts' : reasonOf(responder)
    }
    expect(await attempt('0', 'richtig')).to.equal('trusts')
    for (const digit of ['1', '2', '3', '4']) expect(await attempt(digit)).to.equal('it has another password')
    expect(await attempt('5', 'richtig')).to.equal('too many tries in vain by strangers; the next one is possible in 30 s')
    expect(await attempt('0', 'richtig')).to.equal('trusts')
    await clock.advance(30_000)
    expect(await attempt('5', 'richtig')).to.equal('trusts')
  })

  it('costs a try as soon as the other side could know, whether it stays or goes', async () => {
    const clock = manualClock()
    const ours = start(clock, { triesPerPeer: { burst: 2, perMinute: 1 } })
    const guessAndGo = async (): Promise<string> => {
      const pair = exchangePair()
      const guesser = other()
      const running = outcomeOf(ours.run(pair.initiator))
      const left = outcomeOf(
        guesser.run({
          ...pair.responder,
          // With our confirmation it has what it wants, and hangs up.
          receive: async () => {
            const message = await pair.responder.receive()
            if (message[0] === 3) pair.abort(new Error('gone'))
            return message
          }
        })
      )
      const outcome = await running
      await left
      return 'rejected' in outcome ? 'gone' : reasonOf(outcome)
    }
    expect([await guessAndGo(), await guessAndGo()]).to.deep.equal(['gone', 'gone'])
    expect(await guessAndGo()).to.contain('too many tries')
  })

  it('cannot be tried in parallel beyond that', async () => {
    const clock = manualClock()
    const ours = start(clock, { triesInAll: { burst: 3, perMinute: 1 } })
    const outcomes = await Promise.all(
      Array.from({ length: 12 }, (_, index) => runBoth(other(), ours, { initiatorId: idOf(index.toString(16)), responderId: idOf('f') }))
    )
    expect(outcomes.filter(({ responder }) => reasonOf(responder) === 'it has another password')).to.have.length(3)
  })
})

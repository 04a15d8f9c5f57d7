import { expect } from 'chai'
import type { KnownPeer, TrustProtocol } from '@kithmesh/core'
import { type PairingOptions, type PeerCertificate, pairing } from '@kithmesh/identity'
import { eventually, manualClock } from '@kithmesh/testkit'
import { pairingCode } from '../../dist/trust/pairing.js'
import { contextOf, joinParts, sha256 } from '../../dist/trust/transcript.js'
import { MemoryPeers, People } from '../support/people.ts'
import { exchangePair, idOf, outcomeOf, reasonOf, relayBetween, runBoth, trusts } from '../support/trust-exchange.ts'

const certificate = (peerId: string, commonName = 'shop'): PeerCertificate => ({
  peerId,
  commonName,
  certificateDer: Buffer.alloc(0),
  chain: [],
  role: 'client'
})
const never: PairingOptions['confirm'] = () => new Promise(() => {})

function device(confirm: PairingOptions['confirm'], more: Partial<PairingOptions> = {}) {
  const known = new MemoryPeers()
  const authenticator = pairing({ known, confirm, ...more })
  return { known, authenticator, protocol: authenticator.protocols[0] as TrustProtocol }
}

describe('pairing', () => {
  it('shows the same six digits on both sides, and remembers each other when both say yes', async () => {
    const people = new People()
    const [one, other] = [device(people.confirm), device(people.confirm)]
    expect(await one.authenticator.check(certificate(idOf('2'), 'Lager'))).to.equal('prove')
    const { initiator, responder } = await runBoth(one.protocol, other.protocol)
    expect([initiator, responder]).to.deep.equal([
      { trusted: true, remember: true },
      { trusted: true, remember: true }
    ])
    expect(people.codes[0]).to.match(/^\d{6}$/)
    expect(people.codes[1]).to.equal(people.codes[0])
    expect(one.known.get(idOf('2'))).to.include({ name: 'Lager', level: 'trusted', how: 'pairing/1' })
    expect(await one.authenticator.check(certificate(idOf('2')))).to.equal(true)
    expect(other.known.get(idOf('1'))?.level).to.equal('trusted')
  })

  it('shows another code each time', async () => {
    const codes = new Set<string>()
    for (let run = 0; run < 5; run++) {
      const people = new People()
      await runBoth(device(people.confirm).protocol, device(people.confirm).protocol)
      codes.add(people.codes[0]!)
    }
    expect(codes.size).to.be.greaterThan(1)
  })

  it('has codes that are all as likely as each other', () => {
    const runs = 20_000
    const counts = Array.from({ length: 6 }, () => new Array<number>(10).fill(0))
    for (let run = 0; run < runs; run++) {
      const code = pairingCode(Buffer.from('context'), Buffer.from(String(run)), Buffer.from('b'))
      expect(code).to.have.length(6)
      for (let at = 0; at < 6; at++) counts[at]![Number(code[at])]! += 1
    }
    // χ² with 9 degrees of freedom exceeds 33.7 once in 10,000; what is hashed is the same each time, and so is the result.
    for (const column of counts) expect(column.reduce((sum, n) => sum + (n - runs / 10) ** 2 / (runs / 10), 0)).to.be.lessThan(33.7)
  })

  it('has a code that depends on the context and on the bytes of each side', () => {
    const [a, b, c] = [Buffer.from('a'), Buffer.from('b'), Buffer.from('c')]
    const codes = [
      pairingCode(c, a, b),
      pairingCode(c, b, a),
      pairingCode(a, a, b),
      pairingCode(c, a, c),
      pairingCode(c, Buffer.from('ab'), Buffer.alloc(0))
    ]
    expect(new Set(codes).size).to.equal(codes.length)
  })

  it('remembers nobody when one of the two says no, and withdraws the question at the other', async () => {
    for (const refuser of ['initiator', 'responder'] as const) {
      let withdrawn = false
      const no = device(() => false)
      const waits = device((_code, _peer, { signal }) => {
        signal.addEventListener('abort', () => {
          withdrawn = true
        })
        return new Promise(() => {})
      })
      const outcome = await runBoth(
        ...((refuser === 'initiator' ? [no.protocol, waits.protocol] : [waits.protocol, no.protocol]) as [TrustProtocol, TrustProtocol])
      )
      const [ofRefuser, ofOther] = refuser === 'initiator' ? [outcome.initiator, outcome.responder] : [outcome.responder, outcome.initiator]
      expect([reasonOf(ofRefuser), reasonOf(ofOther)]).to.deep.equal(['the codes were not confirmed here', 'the other device refused'])
      expect([withdrawn, no.known.entries.size, waits.known.entries.size]).to.deep.equal([true, 0, 0])
    }
  })

  it('remembers nobody when one has said yes and the other side ends', async () => {
    const yes = device(() => true)
    const slow = device(never)
    const pair = exchangePair()
    const running = [outcomeOf(yes.protocol.run(pair.initiator)), outcomeOf(slow.protocol.run(pair.responder))]
    await eventually('the yes of the initiator', () => pair.sent.some(({ from, message }) => from === 'initiator' && message[0] === 4))
    const over = new Error('120 s are over')
    pair.abort(over)
    expect(await Promise.all(running)).to.deep.equal([{ rejected: over }, { rejected: over }])
    expect([yes.known.entries.size, slow.known.entries.size]).to.deep.equal([0, 0])
    expect(yes.protocol.timeLimitMs).to.equal(120_000)
  })

  it('takes as long as it is told', () => {
    const known = new MemoryPeers()
    const limitOf = (timeLimitMs: number): unknown => pairing({ known, confirm: never, timeLimitMs }).protocols[0]?.timeLimitMs
    expect(limitOf(700)).to.equal(700)
    for (const wrong of [NaN, 0, -1, Infinity]) expect(() => limitOf(wrong), `${wrong}`).to.throw(TypeError)
  })

  it('counts anything but true as no', async () => {
    for (const answer of [undefined, 'no', 'yes', 1, null]) {
      const one = device(() => answer as never)
      expect(trusts((await runBoth(one.protocol, device(() => true).protocol)).initiator)).to.equal(false)
    }
    const failing = device(() => {
      throw new Error('no terminal')
    })
    const { initiator, responder } = await runBoth(failing.protocol, device(never).protocol)
    expect(initiator).to.have.property('rejected').with.property('message', 'no terminal')
    expect(reasonOf(responder)).to.equal('the other device refused')
  })

  it('shows different codes when somebody is between the two', async () => {
    const people = new People()
    const [one, other] = [device(people.confirm), device(people.confirm)]
    // With ends of different connections the commitment alone gives it away:
    const { initiator } = await relayBetween(one.protocol, other.protocol)
    expect(reasonOf(initiator)).to.equal('the other device changed what it had committed itself to')
    // and whoever runs it properly with each has two codes.
    const middle = { codes: [] as string[] }
    const between = device((code) => {
      middle.codes.push(code)
      return true
    })
    const victims = new People()
    const [left, right] = [device(victims.confirm), device(victims.confirm)]
    const outcomes = await Promise.all([
      runBoth(left.protocol, between.protocol, { initiatorId: idOf('1'), responderId: idOf('e') }),
      runBoth(device((code) => middle.codes.push(code) > 0).protocol, right.protocol, { initiatorId: idOf('e'), responderId: idOf('2') })
    ])
    expect(victims.codes).to.have.length(2)
    expect(victims.codes[0]).not.to.equal(victims.codes[1])
    expect([trusts(outcomes[0].initiator), trusts(outcomes[1].responder)]).to.deep.equal([false, false])
    expect([left.known.entries.size, right.known.entries.size]).to.deep.equal([0, 0])
  })

  it('holds the responder to the bytes that it chose before it saw those of the initiator', async () => {
    // It would like a certain code, and looks for bytes that give it.
    const wanted = 7
    const victim = device(() => true)
    const pair = exchangePair()
    const running = outcomeOf(victim.protocol.run(pair.initiator))
    const context = contextOf('pairing/1', pair.responder)
    const committed = Buffer.alloc(32, 1)
    pair.responder.send(Buffer.concat([Buffer.of(1), sha256(joinParts('commitment', context, committed))]))
    const theirs = Buffer.from(await pair.responder.receive()).subarray(1)
    const found = Buffer.alloc(32, 2)
    for (let trial = 0; Number(pairingCode(context, theirs, found)) % 10 !== wanted; trial++) found.writeUInt32BE(trial)
    pair.responder.send(Buffer.concat([Buffer.of(3), found]))
    expect(reasonOf(await running)).to.equal('the other device changed what it had committed itself to')
    expect(victim.known.entries.size).to.equal(0)
  })

  it('does not show the initiator anything of those bytes before it has sent its own', async () => {
    const pair = exchangePair()
    const running = outcomeOf(device(never).protocol.run(pair.responder))
    const [commitment] = pair.sent
    expect(commitment?.message).to.have.length(33)
    await new Promise((resolve) => setImmediate(resolve))
    expect(pair.sent).to.have.length(1)
    pair.initiator.send(Buffer.concat([Buffer.of(2), Buffer.alloc(32)]))
    await eventually('the bytes of the responder', () => pair.sent.length === 3)
    expect(pair.sent[2]?.message).to.have.length(33)
    pair.abort(new Error('over'))
    await running
  })

  it('asks about one device at a time', async () => {
    const asked: string[] = []
    const busy = device((_code, { peerId }) => {
      asked.push(peerId)
      return new Promise(() => {})
    })
    const first = exchangePair({ initiatorId: idOf('a'), responderId: idOf('f') })
    const pending = [outcomeOf(device(never).protocol.run(first.initiator)), outcomeOf(busy.protocol.run(first.responder))]
    await eventually('the first question', () => asked.length === 1)
    const { responder } = await runBoth(device(() => true).protocol, busy.protocol, { initiatorId: idOf('b'), responderId: idOf('f') })
    expect(reasonOf(responder)).to.equal('another device is being paired at this moment')
    first.abort(new Error('over'))
    await Promise.all(pending)
    const third = exchangePair({ initiatorId: idOf('c'), responderId: idOf('f') })
    const later = [outcomeOf(device(never).protocol.run(third.initiator)), outcomeOf(busy.protocol.run(third.responder))]
    await eventually('the second question', () => asked.length === 2)
    third.abort(new Error('over'))
    await Promise.all(later)
    expect(asked).to.deep.equal([idOf('a'), idOf('c')])
  })

  it('cannot be tried again and again until the codes happen to be equal', async () => {
    const time = manualClock()
    let asked = 0
    const victim = device(
      (_code, _peer, { signal }) => {
        asked++
        return new Promise((resolve) => {
          signal.addEventListener('abort', () => {
            resolve(false)
          })
        })
      },
      { clock: time, triesPerPeer: { burst: 2, perMinute: 1 }, triesInAll: { burst: 5, perMinute: 1 } }
    )
    /** Learns the code, and goes without an answer. */
    const attempt = async (digit: string): Promise<string> => {
      const pair = exchangePair({ initiatorId: idOf(digit), responderId: idOf('f') })
      const before = asked
      const running = outcomeOf(victim.protocol.run(pair.responder))
      void pair.initiator.receive()
      pair.initiator.send(Buffer.concat([Buffer.of(2), Buffer.alloc(32)]))
      await eventually('the code, or a refusal', () => asked > before || pair.sent.length >= 3)
      pair.initiator.send(Buffer.of(0))
      return reasonOf(await running)
    }
    expect([await attempt('a'), await attempt('a')]).to.deep.equal(['the other device refused', 'the other device refused'])
    expect(await attempt('a')).to.contain('too many tries in vain by this device')
    for (const digit of ['b', 'c', 'd']) expect(await attempt(digit)).to.equal('the other device refused')
    expect(await attempt('e')).to.contain('too many tries in vain by strangers')
    await time.advance(60_000)
    expect(await attempt('e')).to.equal('the other device refused')
  })

  it('can be closed to newcomers', async () => {
    let open = false
    const { authenticator, known } = device(never, { open: () => open })
    const refused = await Promise.resolve(authenticator.check(certificate(idOf('2')))).catch((error: Error) => error.message)
    expect(refused).to.contain('not paired at present')
    open = true
    expect(await authenticator.check(certificate(idOf('2')))).to.equal('prove')
    open = false
    await known.remember({ peerId: idOf('2'), name: '', level: 'trusted', how: 'by hand' })
    expect(await authenticator.check(certificate(idOf('2')))).to.equal(true)
  })

  it('goes by what is known of a peer', async () => {
    const { authenticator, known } = device(never)
    const remember = (level: KnownPeer['level']): Promise<void> => known.remember({ peerId: idOf('2'), name: '', level, how: 'by hand' })
    await remember('restricted')
    expect(await authenticator.check(certificate(idOf('2')))).to.equal('prove')
    await remember('blocked')
    expect(await Promise.resolve(authenticator.check(certificate(idOf('2')))).catch((error: Error) => error.message)).to.equal(
      'it is blocked'
    )
  })

  it('tells a person when a device was paired before and forgot it', async () => {
    const seen: boolean[] = []
    const one = device((_code, { known }) => {
      seen.push(known)
      return true
    })
    for (let run = 0; run < 2; run++) await runBoth(one.protocol, device(() => true).protocol)
    expect(seen).to.deep.equal([false, true])
  })
})

import { expect } from 'chai'
import type { TrustProtocol } from '@kithmesh/core'
import { allOf, groupKey, pairing, sharedPassword } from '@kithmesh/identity'
import { eventually } from '@kithmesh/testkit'
import {
  type Intercept,
  type Role,
  exchangePair,
  idOf,
  otherRole,
  outcomeOf,
  reasonOf,
  relayBetween,
  runBoth,
  trusts
} from '../support/trust-exchange.ts'
import { MemoryPeers, People } from '../support/people.ts'

/** A pair of devices that belong together, made anew for each run, so that limits of tries do not interfere. */
interface Subject {
  readonly name: string
  make(): readonly [TrustProtocol, TrustProtocol]
  /** Messages of an honest run. */
  readonly messages: number
}

const generous = { burst: 10_000, perMinute: 10_000 }
const only = ({ protocols }: { readonly protocols?: readonly TrustProtocol[] }): TrustProtocol => protocols![0]!
const key = groupKey(Buffer.alloc(32, 7))
const password = sharedPassword('vier zufällige wörter hier', { triesPerPeer: generous, triesInAll: generous })

function pairingOf(people = new People()): [TrustProtocol, TrustProtocol] {
  const one = (): TrustProtocol => only(pairing({ known: new MemoryPeers(), confirm: people.confirm }))
  return [one(), one()]
}

const subjects: readonly Subject[] = [
  { name: 'group-key/1', make: () => [only(key), only(key)], messages: 4 },
  { name: 'password/1', make: () => [only(password), only(password)], messages: 4 },
  { name: 'pairing/1', make: () => pairingOf(), messages: 5 },
  { name: 'group-key/1+password/1', make: () => [only(allOf(key, password)), only(allOf(key, password))], messages: 8 }
]

for (const { name, make, messages } of subjects) {
  describe(`the protocol ${name}`, () => {
    before(async () => {
      // Secrets are stretched once; from here on nothing takes long.
      const [a, b] = make()
      await runBoth(a, b)
    })

    const run = (intercept: Intercept): ReturnType<typeof runBoth> => {
      const [a, b] = make()
      return runBoth(a, b, { intercept })
    }

    it('leads two who belong together to trust', async () => {
      const { initiator, responder, pair } = await runBoth(...make())
      expect([trusts(initiator), trusts(responder)]).to.deep.equal([true, true])
      expect(pair.sent).to.have.length(messages)
      expect(make()[0].name).to.equal(name)
    })

    it('does not trust whoever repeats a recorded run on another connection', async () => {
      const [a, b] = make()
      const { pair } = await runBoth(a, b)
      for (const role of ['initiator', 'responder'] as const) {
        const fresh = make()[role === 'initiator' ? 0 : 1]
        const replay = exchangePair()
        for (const { from, message } of pair.sent) if (from === otherRole(role)) replay[from].send(message)
        const victim = outcomeOf(fresh.run(replay[role]))
        const settled = await withEnd(victim, replay)
        expect(trusts(settled), role).to.equal(false)
      }
    })

    it('does not trust whoever sends back what it gets', async () => {
      for (const role of ['initiator', 'responder'] as const) {
        const echo = exchangePair({
          intercept: (message, from) => {
            if (from === role) echo[otherRole(role)].send(message)
            return from === role ? [] : [message]
          }
        })
        expect(trusts(await withEnd(outcomeOf(make()[0].run(echo[role])), echo)), role).to.equal(false)
      }
    })

    it('does not trust whoever sends back what it gets as if it were the next step', async () => {
      for (const role of ['initiator', 'responder'] as const) {
        const echo = exchangePair({
          intercept: (message, from) => {
            if (from !== role) return [message]
            const next = Buffer.from(message)
            next[0] = (next[0] ?? 0) + 1
            echo[otherRole(role)].send(next)
            return []
          }
        })
        expect(trusts(await withEnd(outcomeOf(make()[0].run(echo[role])), echo)), role).to.equal(false)
      }
    })

    it('does not trust somebody between two who passes on what they say', async () => {
      const { initiator, responder } = await relayBetween(...make())
      expect([trusts(initiator), trusts(responder)]).to.deep.equal([false, false])
    })

    it('does not trust the other of two connections of the same devices', async () => {
      const [a, b] = make()
      const one = exchangePair()
      const other = exchangePair()
      const crossed = { ...other.responder, send: one.responder.send, receive: one.responder.receive }
      const [initiator, responder] = await Promise.all([outcomeOf(a.run(one.initiator)), outcomeOf(b.run(crossed))])
      expect([trusts(initiator), trusts(responder)]).to.deep.equal([false, false])
    })

    it('does not trust itself', async () => {
      const { initiator, responder } = await runBoth(...make(), { initiatorId: idOf('1'), responderId: idOf('1') })
      expect([reasonOf(initiator), reasonOf(responder)]).to.deep.equal(['it is this device itself', 'it is this device itself'])
    })

    it('ends without trust for who receives a message that was changed', async () => {
      const ways: readonly [string, (message: Buffer) => readonly Buffer[]][] = [
        ['in its step', (message) => [changedAt(message, 0)]],
        ['in its first byte', (message) => [changedAt(message, Math.min(1, message.length - 1))]],
        ['in its last byte', (message) => [changedAt(message, message.length - 1)]],
        ['in its length, shorter', (message) => [message.subarray(0, -1)]],
        ['in its length, longer', (message) => [Buffer.concat([message, Buffer.of(0)])]],
        ['in its length, much longer', (message) => [Buffer.concat([message, Buffer.alloc(100_000)])]],
        ['to nothing', () => [Buffer.alloc(0)]],
        ['to a refusal', () => [Buffer.of(0)]],
        ['to its zeros', (message) => [Buffer.concat([message.subarray(0, 1), Buffer.alloc(message.length - 1)])]]
      ]
      for (let index = 0; index < messages; index++)
        for (const [way, change] of ways) {
          let receiver: Role | undefined
          const [a, b] = make()
          const pair = exchangePair({
            intercept: (message, from, at) => {
              if (at !== index) return [message]
              const instead = change(message)
              if (instead.length !== 1 || !instead[0]!.equals(message)) receiver = otherRole(from)
              return instead
            }
          })
          const running = { initiator: outcomeOf(a.run(pair.initiator)), responder: outcomeOf(b.run(pair.responder)) }
          const outcomes = await withEnd(Promise.all([running.initiator, running.responder]), pair)
          // A confirmation has no content that could be set to zeros.
          if (receiver === undefined) expect(pair.sent[index]?.message).to.have.length(1)
          else expect(trusts(outcomes[receiver === 'initiator' ? 0 : 1]), `message ${index + 1} ${way}`).to.equal(false)
        }
    })

    it('ends without trust for who receives a message twice or too early', async () => {
      for (let index = 0; index < messages - 1; index++) {
        let receiver: Role | undefined
        const twice = await run((message, from, at) => {
          if (at !== index) return [message]
          receiver = otherRole(from)
          return [message, message]
        })
        // The last one that a side needs may come twice: nobody reads the second.
        const needsMore = twice.pair.sent.slice(index + 1).some(({ from }) => from === otherRole(receiver!))
        if (needsMore) expect(trusts(twice[receiver!]), `message ${index + 1}`).to.equal(false)
      }
      for (const role of ['initiator', 'responder'] as const) {
        const early = exchangePair()
        for (const step of [4, 3, 2, 1, 5, 255]) early[otherRole(role)].send(Buffer.concat([Buffer.of(step), Buffer.alloc(32)]))
        expect(trusts(await outcomeOf(make()[0].run(early[role]))), role).to.equal(false)
      }
    })

    it('waits for a message that never comes no longer than the connection lets it', async () => {
      for (let index = 0; index < messages; index++) {
        const [a, b] = make()
        let receiver: Role | undefined
        const pair = exchangePair({
          intercept: (message, from, at) => {
            if (at < index) return [message]
            receiver ??= otherRole(from)
            return []
          }
        })
        const running = { initiator: outcomeOf(a.run(pair.initiator)), responder: outcomeOf(b.run(pair.responder)) }
        await eventually(`message ${index + 1}`, () => pair.sent.length > index)
        for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
        const over = new Error('the time is over')
        pair.abort(over)
        expect(await running[receiver!], `message ${index + 1}`).to.deep.equal({ rejected: over })
        await running[otherRole(receiver!)]
      }
    })

    it('begins nothing on a connection that has ended', async () => {
      const pair = exchangePair()
      const over = new Error('over')
      pair.abort(over)
      expect(await outcomeOf(make()[0].run(pair.initiator))).to.deep.equal({ rejected: over })
      expect(pair.sent).to.deep.equal([])
    })

    it('runs many times at once without mixing them up', async () => {
      const [a, b] = name.startsWith('pairing') ? [undefined, undefined] : make()
      const runs = await Promise.all(
        Array.from({ length: 8 }, (_, index) => {
          const [x, y] = a === undefined || b === undefined ? make() : [a, b]
          return runBoth(x, y, { initiatorId: idOf(index.toString(16)), responderId: idOf('f') })
        })
      )
      expect(runs.every(({ initiator, responder }) => trusts(initiator) && trusts(responder))).to.equal(true)
    })
  })
}

function changedAt(message: Buffer, at: number): Buffer {
  const copy = Buffer.from(message)
  copy[at] = (copy[at] ?? 0) ^ 0x40
  return copy
}

/** The outcome; a side that waits for more when nothing happens any longer sees the connection end. */
async function withEnd<T>(outcome: Promise<T>, pair: { abort(reason: Error): void }): Promise<T> {
  let settled = false
  void outcome.then(() => {
    settled = true
  })
  for (let turn = 0; turn < 50 && !settled; turn++) await new Promise((resolve) => setImmediate(resolve))
  pair.abort(new Error('nothing comes any more'))
  return await outcome
}

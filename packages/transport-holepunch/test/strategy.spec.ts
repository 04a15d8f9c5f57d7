import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { expect } from 'chai'
import { dials } from '@kithmesh/core'
import { eventually, manualClock, within } from '@kithmesh/testkit'
import type { BindTcp } from '@kithmesh/transport-holepunch'
import { holePunch } from '@kithmesh/transport-holepunch'
import { MAPPINGS_KIND, writeCancel, writeOffer } from '../dist/messages.js'
import { Machines, codeOf, type Machine } from './support/machines.ts'
import { KINDS } from './support/networks.ts'

const LIMIT_MS = 30_000

/** A STUN server that sees everybody as they are, and counts. */
class Mirror {
  open = 0
  most = 0
  readonly ports: number[] = []
  readonly asked: string[] = []
  readonly bind: BindTcp = async ({ server, localAddress, localPort }) => {
    this.asked.push(server)
    this.ports.push(localPort)
    this.most = Math.max(this.most, ++this.open)
    let closed = false
    return {
      address: localAddress,
      port: localPort,
      close: () => {
        if (!closed) this.open--
        closed = true
      }
    }
  }
}

describe('hole punching between two strategies', () => {
  let machines: Machines
  const strangers: Socket[] = []
  beforeEach(() => {
    machines = new Machines()
  })
  afterEach(async () => {
    for (const socket of strangers.splice(0)) socket.destroy()
    await machines.dispose()
  })

  async function pair(options = {}): Promise<[Machine, Machine]> {
    const both: [Machine, Machine] = [machines.add('a', options), machines.add('b', options)]
    for (const machine of both) await machines.listen(machine)
    return both
  }

  it('makes one connection of two calls that cross, and tells the other caller', async () => {
    const [a, b] = await pair()
    const winner = dials(a.id, b.id) ? a : b
    const loser = winner === a ? b : a
    const outcomes = [machines.attempt(winner, loser), codeOf(machines.attempt(loser, winner))] as const
    await within(outcomes[0], LIMIT_MS, 'the attempt that counts')
    expect(await within(outcomes[1], LIMIT_MS, 'the other one')).to.equal('ERR_PUNCH_GLARE')
    await eventually('the stream to arrive', () => loser.accepted.length > 0)
    expect([loser.accepted.length, winner.accepted.length]).to.deep.equal([1, 0])
  })

  it('lets the call of a device count that would not answer itself', async () => {
    const [a, b] = [machines.add('a'), machines.add('b')]
    const caller = dials(a.id, b.id) ? b : a
    const listener = caller === a ? b : a
    await machines.listen(listener)
    const other = codeOf(machines.attempt(listener, caller))
    const socket = await within(machines.attempt(caller, listener), LIMIT_MS, 'the call')
    expect(socket.destroyed).to.equal(false)
    expect(await other).to.be.oneOf(['ERR_PUNCH_GLARE', 'ERR_PUNCH_REFUSED'])
  })

  it('closes the mappings when it is over, and uses a fresh port for each attempt', async () => {
    const mirror = new Mirror()
    const [a, b] = await pair({ stun: ['stun:192.0.2.1'], bind: mirror.bind })
    await within(machines.attempt(a, b), LIMIT_MS, 'the first')
    await within(machines.attempt(a, b), LIMIT_MS, 'the second')
    await eventually('all to be closed', () => mirror.open === 0)
    expect(new Set(mirror.ports).size).to.equal(4)
    for (const port of mirror.ports) expect(port).to.be.within(20_001, 32_767)
  })

  it('asks the next STUN server when one does not answer, and that one first from then on', async () => {
    const mirror = new Mirror()
    let unanswered = 0
    const bind: BindTcp = async (options) => {
      if (options.server === 'stun:192.0.2.2') return await mirror.bind(options)
      unanswered++
      throw new Error('no answer')
    }
    const [a, b] = await pair({ stun: ['stun:192.0.2.1', 'stun:192.0.2.2'], bind })
    for (const attempt of ['the attempt', 'another one']) await within(machines.attempt(a, b), LIMIT_MS, attempt)
    expect(mirror.asked).to.have.length(4)
    expect(unanswered).to.equal(2)
  })

  it('does not believe a STUN server that names a port which no router gives, when another one knows better', async () => {
    const mirror = new Mirror()
    const bind: BindTcp = async (options) => {
      const mapping = await mirror.bind(options)
      return options.server === 'stun:192.0.2.1' ? { ...mapping, port: 22 } : mapping
    }
    const [a, b] = await pair({ stun: ['stun:192.0.2.1', 'stun:192.0.2.2'], bind })
    await within(machines.attempt(a, b), LIMIT_MS, 'the attempt')
    await within(machines.attempt(a, b), LIMIT_MS, 'another one')
    expect(mirror.asked.filter((server) => server === 'stun:192.0.2.1')).to.have.length(2)
    await eventually('all to be closed', () => mirror.open === 0)
  })

  it('closes a mapping that comes in the very turn in which the attempt is cancelled', async () => {
    const mirror = new Mirror()
    const controller = new AbortController()
    const bind: BindTcp = async (options) => {
      const mapping = await mirror.bind(options)
      controller.abort(new Error('enough'))
      return mapping
    }
    const a = machines.add('a', { stun: ['stun:192.0.2.1'], bind })
    const b = machines.add('b')
    expect(await codeOf(machines.attempt(a, b, controller.signal))).to.contain('enough')
    expect(mirror.open).to.equal(0)
  })

  it('takes another port when one is in use', async () => {
    const mirror = new Mirror()
    let refused = 0
    const bind: BindTcp = async (options) => {
      if (refused++ === 0) throw new Error('cannot bind', { cause: Object.assign(new Error('in use'), { code: 'EADDRINUSE' }) })
      return await mirror.bind(options)
    }
    const [a, b] = await pair({ stun: ['stun:192.0.2.1'], bind })
    await within(machines.attempt(a, b), LIMIT_MS, 'the attempt')
    expect(mirror.asked).to.have.length(2)
  })

  it('punches one hole at a time from one address', async () => {
    const mirror = new Mirror()
    const a = machines.add('a', { stun: ['stun:192.0.2.1'], bind: mirror.bind })
    const others = [machines.add('b'), machines.add('c'), machines.add('d')]
    for (const machine of others) await machines.listen(machine)
    await within(Promise.all(others.map((other) => machines.attempt(a, other))), LIMIT_MS, 'three attempts')
    expect(mirror.most).to.equal(1)
  })

  it('tells the other side when it is cancelled, so that the next one need not wait', async () => {
    const mirror = new Mirror()
    const a = machines.add('a')
    const c = machines.add('c')
    const b = machines.add('b', { stun: ['stun:192.0.2.1'], bind: mirror.bind })
    await machines.listen(b)
    const controller = new AbortController()
    const reason = new Error('enough')
    const cancelled = machines.attempt(a, b, controller.signal).then(
      () => undefined,
      (error: unknown) => error
    )
    await eventually('the other side to take part', () => mirror.open === 1)
    controller.abort(reason)
    expect(await cancelled).to.equal(reason)
    await eventually('the other side to stop', () => mirror.open === 0)
    await within(machines.attempt(c, b), LIMIT_MS, 'another attempt')
    await eventually('the stream to arrive', () => b.accepted.length === 1)
  })

  it('stops at once when it is shut down, on either side', async () => {
    for (const which of [0, 1] as const) {
      const mirror = new Mirror()
      const round = new Machines()
      const both = [round.add('a', { stun: ['stun:192.0.2.1'], bind: mirror.bind }), round.add('b')]
      await round.listen(both[1]!)
      const code = codeOf(round.attempt(both[0]!, both[1]!))
      await eventually('it to begin', () => mirror.asked.length > 0)
      await both[which]!.strategy.shutdown()
      expect(await within(code, LIMIT_MS, 'the attempt')).to.match(/^ERR_PUNCH_/)
      expect(mirror.open).to.equal(0)
      await round.dispose()
    }
  })

  it('leaves strangers on the punch port without a word of use, and is not held up by them', async () => {
    const mirror = new Mirror()
    const [a, b] = await pair({ stun: ['stun:192.0.2.1'], bind: mirror.bind })
    const attempt = machines.attempt(a, b)
    await eventually('both ports to be known', () => mirror.ports.length === 2)
    // Some talk and some do not, again and again; more than may wait at a time.
    let ended = false
    const knock = async (): Promise<void> => {
      while (!ended) {
        const socket = connect({ host: b.address, port: mirror.ports[1]! })
        strangers.push(socket)
        socket.on('error', () => {})
        if (strangers.length % 2 === 0) socket.write('GET / HTTP/1.1\r\n\r\n'.repeat(8))
        await Promise.race([once(socket, 'close').catch(() => {}), new Promise((resolve) => setTimeout(resolve, 2))])
      }
    }
    const knocking = Array.from({ length: 4 }, knock)
    const socket = await within(attempt, LIMIT_MS, 'the attempt')
    ended = true
    await Promise.all(knocking)
    await eventually('the stream to arrive', () => b.accepted.length === 1)
    socket.write('to you alone')
    const [bytes] = (await once(b.accepted[0]!, 'data')) as [Buffer]
    expect(bytes.toString()).to.equal('to you alone')
    // One frame that says nothing to who does not know the secrets.
    for (const stranger of strangers) expect(stranger.bytesRead).to.be.at.most(52)
    expect([a.accepted.length, b.accepted.length]).to.deep.equal([0, 1])
  })

  /** Whoever carries the messages of a device gives the other one a different secret. */
  function changeSecrets({ hub }: Machine): void {
    const request = hub.request.bind(hub)
    hub.request = async (to, kind, body, options) =>
      await request(to, kind, { ...body, secret: Buffer.alloc(32).toString('base64url') }, options)
  }

  it('gives a round up after the time it was given', async () => {
    const clock = manualClock()
    const [a, b] = [machines.add('a', { punchMs: 100 }, { clock }), machines.add('b', { punchMs: 100 }, { clock })]
    await machines.listen(b)
    changeSecrets(a)
    let over = false
    let began = Number.NaN
    const noteBegin = (phase: string): void => {
      if (phase === 'punch' && Number.isNaN(began)) began = clock.monotonic()
    }
    const code = codeOf(machines.attempt(a, b, undefined, noteBegin)).finally(() => {
      over = true
    })
    await eventually(
      'the end',
      async () => {
        await clock.advance(20)
        return over
      },
      { everyMs: 0 }
    )
    expect(await code).to.equal('ERR_PUNCH_NO_CONNECTION')
    expect(clock.monotonic() - began).to.be.below(2_500)
  })

  it('does not take a device that does not know the secrets for the other side', async () => {
    const a = machines.add('a', { punchMs: 400 })
    const b = machines.add('b', { punchMs: 400 })
    await machines.listen(b)
    changeSecrets(a)
    expect(await codeOf(machines.attempt(a, b))).to.equal('ERR_PUNCH_NO_CONNECTION')
    expect(b.accepted).to.have.length(0)
  })
})

describe('hole punching at the request of hostile devices', () => {
  let machines: Machines
  beforeEach(() => {
    machines = new Machines()
  })
  afterEach(async () => {
    await machines.dispose()
  })

  const anOffer = (address = '127.0.0.9', attempt = Buffer.alloc(12, 1)): Record<string, unknown> => ({
    ...writeOffer({
      attempt,
      secret: Buffer.alloc(32),
      clock: undefined,
      listens: false,
      candidates: [{ pair: 0, family: 4, local: { address, port: 22_000 }, mapped: undefined, behaviour: KINDS.unknown }]
    })
  })

  async function refusalOf(from: Machine, to: Machine, body: Record<string, unknown>): Promise<unknown> {
    try {
      await from.hub.request(to.id, MAPPINGS_KIND, body, { signal: new AbortController().signal })
      return undefined
    } catch (error) {
      return (error as { details?: { code?: string } }).details?.code
    }
  }

  it('refuses what it cannot read', async () => {
    const [hostile, victim] = [machines.add('hostile'), machines.add('victim')]
    await machines.listen(victim)
    for (const body of [{}, { ...anOffer(), candidates: Array.from({ length: 1_000 }, () => ({})) }, { ...anOffer(), secret: 'x' }])
      expect(await refusalOf(hostile, victim, body)).to.be.oneOf(['ERR_PUNCH_MESSAGE', undefined])
    expect(await refusalOf(hostile, victim, { version: 1 })).to.equal('ERR_PUNCH_MESSAGE')
  })

  it('dials nothing that the dial policy forbids, and says why', async () => {
    const asked: string[] = []
    const victim = machines.add(
      'victim',
      {},
      {
        dialPolicy: {
          refuse: (_from, address, port) => {
            asked.push(`${address}:${port}`)
            return 'not in our networks'
          }
        }
      }
    )
    const hostile = machines.add('hostile')
    await machines.listen(victim)
    expect(await refusalOf(hostile, victim, anOffer('127.0.0.1'))).to.equal('ERR_PUNCH_ADDRESS')
    expect(asked).to.deep.equal(['127.0.0.1:22000'])
    const caller = machines.add('caller', {}, { dialPolicy: { refuse: () => 'never' } })
    const other = machines.add('other')
    await machines.listen(other)
    expect(await codeOf(machines.attempt(caller, other))).to.equal('ERR_PUNCH_ADDRESS')
  })

  it('answers only so many attempts of one device, and still those of others', async () => {
    const [hostile, victim, honest] = [
      machines.add('hostile', { punchMs: 500 }),
      machines.add('victim', { punchMs: 500 }),
      machines.add('honest')
    ]
    await machines.listen(victim)
    const codes = await Promise.all(
      Array.from({ length: 6 }, (_, index) => refusalOf(hostile, victim, anOffer('127.0.0.9', Buffer.alloc(12, index))))
    )
    expect(codes.filter((code) => code === 'ERR_PUNCH_BUSY').length).to.be.at.least(4)
    await within(machines.attempt(honest, victim), LIMIT_MS, 'an honest attempt')
    await eventually('the stream to arrive', () => victim.accepted.length === 1)
  })

  it('counts an attempt that is sent again and again under one name as what it is', async () => {
    const [hostile, victim] = [machines.add('hostile', { punchMs: 500 }), machines.add('victim', { punchMs: 500 })]
    await machines.listen(victim)
    const codes = await Promise.all(Array.from({ length: 6 }, () => refusalOf(hostile, victim, anOffer())))
    expect(codes.filter((code) => code === 'ERR_PUNCH_MESSAGE').length).to.equal(5)
  })

  it('is not confused by cancellations of attempts that nobody knows', async () => {
    const [hostile, victim] = [machines.add('hostile'), machines.add('victim')]
    await machines.listen(victim)
    const signal = new AbortController().signal
    for (let index = 0; index < 300; index++) {
      const attempt = Buffer.alloc(12)
      attempt.writeUInt32BE(index)
      await hostile.hub.notify(victim.id, MAPPINGS_KIND, writeCancel(attempt), { signal })
    }
    await within(machines.attempt(hostile, victim), LIMIT_MS, 'an attempt')
  })

  it('refuses an offer whose cancellation came first', async () => {
    const [hostile, victim] = [machines.add('hostile'), machines.add('victim')]
    await machines.listen(victim)
    await hostile.hub.notify(victim.id, MAPPINGS_KIND, writeCancel(Buffer.alloc(12, 1)), { signal: new AbortController().signal })
    expect(await refusalOf(hostile, victim, anOffer())).to.equal('ERR_PUNCH_CANCELLED')
  })
})

describe('options of hole punching', () => {
  let machines: Machines
  beforeEach(() => {
    machines = new Machines()
  })
  afterEach(async () => {
    await machines.dispose()
  })

  it('say which local ports are used, and how they are drawn', async () => {
    const controller = new AbortController()
    const ports: number[] = []
    const bind: BindTcp = async ({ localPort }) => {
      ports.push(localPort)
      controller.abort(new Error('seen enough'))
      throw controller.signal.reason
    }
    const [a, b] = [
      machines.add('a', { stun: ['stun:192.0.2.1'], bind, ports: { low: 30_000, high: 31_000 }, random: () => 0.25 }),
      machines.add('b')
    ]
    expect(await codeOf(machines.attempt(a, b, controller.signal))).to.contain('seen enough')
    expect(ports).to.deep.equal([30_250])
  })

  it('give a clock, of which the other side is told', async () => {
    const clock = { now: () => 1_234_567, uncertaintyMs: 5 }
    const [a, b] = [machines.add('a', { clock }), machines.add('b')]
    const told: unknown[] = []
    b.hub.handle(MAPPINGS_KIND, async (_from, { clock: sent }) => {
      told.push(sent)
      throw new Error('heard enough')
    })
    await codeOf(machines.attempt(a, b))
    expect(told).to.deep.equal([{ at: 1_234_567, uncertaintyMs: 5 }])
  })

  it('are checked', () => {
    expect(() => holePunch({ stun: ['stun.example.org'] })).to.throw(TypeError, /not a URL/)
    expect(() => holePunch({ ports: { low: 5, high: 70_000 } })).to.throw(TypeError, /ports/)
    for (const punchMs of [Number.NaN, 99, 60_000]) expect(() => holePunch({ punchMs })).to.throw(TypeError, /punchMs/)
  })
})

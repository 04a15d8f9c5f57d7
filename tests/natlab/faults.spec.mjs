// Servers that die or hang at every phase of a connection: a clear outcome within the bound, and recovery when they are back.
import { expect } from 'chai'
import { eventually } from '@kithmesh/testkit'
import { PairLab } from './support/run-pair.mjs'

const CONNECT_MS = 3000
/** The deadline of the connection, then TLS's. */
const BOUND_MS = CONNECT_MS + 12_000
const RECOVERY_MS = 45_000

/** A connection, or a failure that says what failed; never later than the bound. */
async function clearOutcome(attempt) {
  const from = performance.now()
  const result = await attempt
  expect(performance.now() - from).to.be.below(BOUND_MS)
  if (result.connected) return result
  expect(result.code, result.message).to.match(/^ERR_/)
  expect(result.message).to.be.a('string').and.not.equal('')
  if (result.phase === 'route') {
    expect(result.report.attempts.length).to.be.above(0)
    for (const attempted of result.report.attempts) {
      const what = `${JSON.stringify(attempted)}\n${result.report.text}`
      expect(attempted.state, what).to.be.oneOf(['failed', 'skipped', 'lost'])
      if (attempted.state === 'failed') expect(attempted.code, what).to.be.a('string')
      expect(attempted.message, what).to.be.a('string').and.not.equal('')
    }
  }
  return result
}

/** Until a connection works again, by one of these strategies. */
async function recovers(lab, ...strategies) {
  await Promise.all([lab.a.signals(), lab.b.signals()])
  await lab.acquaint()
  const result = await eventually(
    'a connection after the server is back',
    async () => {
      const last = await lab.connect('a')
      return last.connected && last
    },
    { withinMs: RECOVERY_MS, everyMs: 500 }
  )
  expect(result.strategy).to.be.oneOf(strategies)
}

const setups = [
  { pair: ['port-restricted', 'port-restricted'], strategy: 'tcp-hole-punch', strategies: ['direct', 'reverse', 'tcp-hole-punch'] },
  { pair: ['symmetric-random', 'symmetric-random'], strategy: 'turn', strategies: ['direct', 'reverse', 'tcp-hole-punch', 'turn'] }
]

for (const { pair, strategy, strategies } of setups) {
  describe(`${strategy}, between ${pair.join(' and ')}`, () => {
    let lab
    before(async () => {
      lab = await PairLab.create(pair, { strategies, connectMs: CONNECT_MS })
    })
    after(() => lab?.dispose())

    for (const [name, server] of [
      ['the broker', () => lab.broker],
      ['the STUN and TURN server', () => lab.relay]
    ]) {
      it(`${name} is dead before the connection`, async () => {
        await server().kill()
        const result = await clearOutcome(lab.connect('a'))
        // Routers that keep ports can be punched without asking what they pick; nothing else can be done without a server.
        if (strategy === 'turn' || server() === lab.broker) expect(result.connected).to.equal(false)
        await server().restart()
        await recovers(lab, strategy)
      })
      for (const afterMs of [20, 150]) {
        it(`${name} dies ${afterMs} ms after the beginning of the connection`, async () => {
          const outcome = clearOutcome(lab.connect('b'))
          await new Promise((resolve) => setTimeout(resolve, afterMs))
          await server().kill()
          await outcome
          await server().restart()
          await recovers(lab, strategy)
        })
      }
      it(`${name} hangs`, async () => {
        server().freeze(true)
        await clearOutcome(lab.connect('a'))
        server().freeze(false)
        await recovers(lab, strategy)
      })
    }
  })
}

describe('servers that come late', () => {
  it('peers that start without a broker meet when there is one', async () => {
    const lab = await PairLab.create(['open', 'port-restricted'], { late: 'broker' })
    try {
      expect(lab.a.events.filter(({ event }) => event === 'seen')).to.deep.equal([])
      await lab.broker.restart()
      await recovers(lab, 'reverse', 'tcp-hole-punch')
    } finally {
      await lab.dispose()
    }
  })
})

describe('an open link', () => {
  it('that is direct does not notice that broker and relay are gone', async () => {
    const lab = await PairLab.create(['port-restricted', 'port-restricted'])
    try {
      const { connected, conversation } = await lab.a.call('connect', { peerId: lab.b.peerId })
      expect(connected).to.equal(true)
      await Promise.all([lab.broker.kill(), lab.relay.kill()])
      expect((await lab.a.call('transfer', { conversation, bytes: 1_000_000 })).bytes).to.equal(1_000_000)
    } finally {
      await lab.dispose()
    }
  })
  it('that is relayed ends when the relay dies, and another one is made when it is back', async () => {
    const lab = await PairLab.create(['symmetric-random', 'symmetric-random'])
    try {
      const { connected, conversation } = await lab.a.call('connect', { peerId: lab.b.peerId })
      expect(connected).to.equal(true)
      const transfer = lab.a.call('transfer', { conversation, bytes: 500_000_000 }).then(
        () => 'whole',
        (error) => error.message
      )
      await new Promise((resolve) => setTimeout(resolve, 200))
      await lab.relay.kill()
      expect(await transfer)
        .to.be.a('string')
        .and.not.equal('whole')
      await lab.relay.restart()
      await recovers(lab, 'turn')
    } finally {
      await lab.dispose()
    }
  })
})

import { once } from 'node:events'
import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { finished } from 'node:stream/promises'
import { errorCode, type DialPolicy, type KithmeshError, type PeerNetwork } from '@kithmesh/core'
import { eventually, rejection, unknownNetwork } from '@kithmesh/testkit'
import { turn, type TurnServer } from '@kithmesh/transport-turn'
import { expect } from 'chai'
import { DatagramServer } from './support/datagram-server.ts'
import { catchHellos } from './support/hello-catcher.ts'
import { Machines, peerIdOf } from './support/machines.ts'
import { TestTurnServer } from './support/turn-server.ts'

const servers: TestTurnServer[] = []
let machines: Machines | undefined

async function startServer(host?: string): Promise<TestTurnServer> {
  const server = await new TestTurnServer(host).start()
  servers.push(server)
  return server
}

async function between(ours: readonly TurnServer[], theirs: readonly TurnServer[], dialPolicy?: DialPolicy): Promise<Machines> {
  machines = new Machines({ a: turn({ servers: ours }), b: turn({ servers: theirs }) }, dialPolicy)
  await machines.listen()
  return machines
}

async function expectCarries([one, other]: readonly [Duplex, Duplex]): Promise<void> {
  one.write('there')
  expect(String((await once(other, 'data'))[0])).to.equal('there')
  other.write('back')
  expect(String((await once(one, 'data'))[0])).to.equal('back')
}

/** A device whose connections are known to come from this machine, so that a relay lets it in before it has said anything. */
const fromHere: PeerNetwork = { routes: unknownNetwork().routes.map((route) => ({ ...route, externalAddress: '127.0.0.1' })), port: 0 }

/** A server that nobody runs. */
const dead: TurnServer = { url: 'turn:127.0.0.1:1?transport=tcp', username: 'user', credential: 'password' }

describe('turn', () => {
  afterEach(async () => {
    await machines?.[Symbol.asyncDispose]()
    machines = undefined
    await Promise.all(servers.splice(0).map((server) => server.kill()))
  })

  describe('which relay', () => {
    it('says that there is none on either side', async () => {
      const error = await rejection((await between([], [])).attempt())
      expect(error.code).to.equal('ERR_TURN_NONE')
      expect(error.hint).to.contain('--turn')
    })
    it('is that of the dialled device when the dialling one has none', async () => {
      const server = await startServer()
      await expectCarries(await (await between([], [server.server])).connect())
      expect(server.allocated).to.equal(1)
    })
    it('is that of the dialled device when the dialling one gets none', async () => {
      const server = await startServer()
      await expectCarries(await (await between([dead], [server.server])).connect())
    })
    it('is that of the next server when one refuses', async () => {
      const full = await startServer()
      full.refusal = 486
      const server = await startServer('127.0.0.2')
      await expectCarries(await (await between([full.server, server.server], [])).connect())
      expect([full.allocated, server.allocated]).to.deep.equal([0, 1])
    })
    it('is asked for over TLS as the server wants it', async () => {
      await using catcher = await catchHellos(true)
      const server = { ...dead, url: catcher.url, tls: { servername: 'relay.example.org' } }
      expect((await rejection((await between([server], [])).attempt())).code).to.equal('ERR_TURN_ALLOCATE')
      expect(catcher.hellos.map((hello) => hello.includes('relay.example.org'))).to.deep.equal([true, true])
    })
    it('is none when all refuse, and the error says why for each', async () => {
      const full = await startServer()
      full.refusal = 486
      const error = await rejection((await between([full.server, dead], [])).attempt())
      expect(error.code).to.equal('ERR_TURN_ALLOCATE')
      expect(error.details?.['attempts']).to.deep.equal([
        { server: full.url, relay: 'tcp', code: 'ERR_TURN_QUOTA' },
        { server: full.url, relay: 'udp', code: 'ERR_TURN_QUOTA' },
        { server: dead.url, relay: 'tcp', code: 'ERR_STUN_CONNECT' },
        { server: dead.url, relay: 'udp', code: 'ERR_STUN_CONNECT' }
      ])
    })
    it('is not asked for again with a password that was refused', async () => {
      const server = await startServer()
      const error = await rejection((await between([{ ...server.server, credential: 'wrong' }], [])).attempt())
      expect(error.code).to.equal('ERR_TURN_ALLOCATE')
      expect(error.message).to.contain('password')
    })
  })

  describe('who may come', () => {
    it('is nobody but the peer: a stranger is dropped, and the peer still gets through', async () => {
      const server = await startServer()
      const both = await between([server.server], [])
      // The peer's answer is lost at first, so that the relay waits while the stranger is there.
      let lost = 0
      both.signaling.loses = (from) => from === peerIdOf('b') && lost++ === 0
      const connecting = both.connect()
      const relay = await eventually('the relay', () => server.relays[0])
      const stranger = connect({ host: relay.address, port: relay.port })
      stranger.on('error', () => {})
      stranger.write(Buffer.alloc(32))
      // Not by `once`, which rejects when it is cut off by a reset.
      await new Promise((resolve) => stranger.once('close', resolve))
      await expectCarries(await connecting)
    })
    it('is refused an address by the dial policy, and comes from a relay of its own instead', async () => {
      const ours = await startServer()
      const theirs = await startServer('127.0.0.2')
      const asked: string[] = []
      const both = await between([ours.server], [theirs.server], {
        refuse: (_from, address, port) => {
          asked.push(`${address}:${port}`)
          return 'not here'
        }
      })
      await expectCarries(await both.connect())
      expect(asked).to.not.deep.equal([])
      expect(theirs.allocated).to.equal(1)
    })
    it('needs no leave to use the address of a server of its own', async () => {
      const server = await startServer()
      const both = await between([server.server], [server.server], { refuse: () => 'not here' })
      await expectCarries(await both.connect())
      expect(server.allocated).to.equal(1)
    })
  })

  describe('the relay', () => {
    it('is given back when the stream is cut', async () => {
      const server = await startServer()
      const [one] = await (await between([server.server], [])).connect()
      one.destroy()
      await eventually('the relay to be given back', () => server.open === 0)
    })
    it('is given back when the attempt is cancelled', async () => {
      const server = await startServer()
      const both = await between([server.server], [])
      both.signaling.loses = () => true
      const controller = new AbortController()
      const attempt = rejection(both.attempt({ signal: controller.signal }))
      await eventually('the relay', () => server.open === 1)
      controller.abort(new Error('no longer'))
      expect((await attempt).message).to.equal('no longer')
      await eventually('the relay to be given back', () => server.open === 0)
    })
    it('is met on although the answer of the peer is lost', async () => {
      const server = await startServer()
      const both = await between([server.server], [])
      both.signaling.loses = (from) => from === peerIdOf('b')
      await expectCarries(await both.connect({ target: both.target(fromHere) }))
    })
    it('is given back when the attempt is cancelled after the peer has come and before it has answered', async () => {
      const server = await startServer()
      const both = await between([server.server], [])
      both.signaling.loses = (from) => from === peerIdOf('b')
      const controller = new AbortController()
      const attempt = both.attempt({ signal: controller.signal, target: both.target(fromHere) }).catch((error: unknown) => error)
      await eventually('the peer to come', () => both.accepted.length === 1)
      controller.abort(new Error('no longer'))
      const outcome = await attempt
      if (!(outcome instanceof Error)) (outcome as Duplex).destroy()
      await eventually('the relay to be given back', () => server.open === 0)
    })
    it('is given back when both sides have everything', async () => {
      const server = await startServer()
      const [one, other] = await (await between([server.server], [])).connect()
      const received = Promise.all(
        [one, other].map(async (stream) => {
          let bytes = 0
          stream.on('data', (chunk: Buffer) => {
            bytes += chunk.length
          })
          await finished(stream)
          return bytes
        })
      )
      one.end(Buffer.alloc(2_000_000))
      other.end(Buffer.alloc(1_000_000))
      expect(await received).to.deep.equal([1_000_000, 2_000_000])
      await eventually('the relay to be given back', () => server.open === 0)
    })
    it('is asked for again with a new nonce when the old one has expired', async () => {
      const server = await startServer()
      const both = await between([server.server], [])
      server.expiresAtOnce = true
      await expectCarries(await both.connect())
      expect(server.staleNonces).to.be.above(0)
    })
  })

  describe('a server that is killed', () => {
    it('ends streams with an error on both sides, and is used again when it is back', async () => {
      // At an address that no other test uses, so that nobody takes its port while it is away.
      const server = await startServer('127.0.63.1')
      const both = await between([server.server], [])
      const pair = await both.connect()
      await expectCarries(pair)
      const closed = Promise.all(pair.map((stream) => new Promise((resolve) => stream.once('close', resolve))))
      await server.kill()
      await closed
      for (const stream of pair) expect(errorCode(stream.errored)).to.be.oneOf(['ERR_TURN_LOST', 'ERR_TURN_CUT'])
      expect((await rejection(both.attempt())).code).to.equal('ERR_TURN_ALLOCATE')
      await server.start()
      await expectCarries(await both.connect())
    })
  })

  describe('phases', () => {
    it('are told with addresses', async () => {
      const server = await startServer()
      const both = await between([server.server], [])
      const phases: string[] = []
      await both.attempt({
        progress: (phase, address) => {
          phases.push(address === undefined ? phase : `${phase} ${address.replace(/:\d+(?=$|\?)/g, ':port')}`)
        }
      })
      expect(phases).to.deep.equal([
        'allocate turn:127.0.0.1:port?transport=tcp',
        'signal',
        'connect 127.0.0.1:port',
        'verify 127.0.0.1:port'
      ])
    })
  })

  describe('offers', () => {
    it('that are malformed are refused', async () => {
      const both = await between([], [])
      const signal = AbortSignal.timeout(30_000)
      const id = '0'.repeat(32)
      const secret = 'A'.repeat(43)
      const relay = { kind: 'tcp', address: '127.0.0.1', port: 1 }
      for (const body of [
        {},
        { step: 'offer', id: 'x', secret, addresses: [] },
        { step: 'offer', id, secret: 'short', addresses: [] },
        { step: 'offer', id, secret, addresses: ['host.example'] },
        { step: 'offer', id, secret, addresses: new Array(9).fill('192.0.2.1') },
        { step: 'offer', id, secret, addresses: [], relay: { ...relay, kind: 'sctp' } },
        { step: 'offer', id, secret, addresses: [], relay: { ...relay, port: 0 } },
        { step: 'offer', id, secret, addresses: [], relay: { ...relay, address: 'host.example' } },
        { step: 'offer', id, secret, addresses: [], relay: { ...relay, stun: {} } },
        { step: 'accept', id, addresses: [] }
      ]) {
        const error = await rejection(both.hubs.a.request(peerIdOf('b'), 'turn-offer', body, { signal }))
        expect(error.details?.['code'], JSON.stringify(body)).to.equal('ERR_TURN_OFFER')
      }
    })
    it('are refused when too many are under way', async () => {
      const both = await between([], [])
      const signal = AbortSignal.timeout(30_000)
      // Nobody is at this port: each offer keeps the guest busy until it gives up.
      const offers = Array.from({ length: 20 }, (_, index) => ({
        step: 'offer',
        id: index.toString(16).padStart(32, '0'),
        secret: 'A'.repeat(43),
        addresses: [],
        relay: { kind: 'tcp', address: '127.0.0.1', port: 1 }
      }))
      const codes: unknown[] = []
      for (const offer of offers) {
        await both.hubs.a.request(peerIdOf('b'), 'turn-offer', offer, { signal }).then(
          () => codes.push('taken'),
          (error: KithmeshError) => codes.push(error.details['code'])
        )
      }
      expect(codes).to.deep.equal([...new Array(16).fill('taken'), ...new Array(4).fill('ERR_TURN_BUSY')])
    })
    it('are given up when the listener is closed', async () => {
      const server = await startServer()
      machines = new Machines({ a: turn({ servers: [] }), b: turn({ servers: [server.server] }) })
      const listener = await machines.listen()
      const offer = { step: 'offer', id: '0'.repeat(32), secret: 'A'.repeat(43), addresses: [] }
      const { hubs } = machines
      await hubs.a.request(peerIdOf('b'), 'turn-offer', offer, { signal: AbortSignal.timeout(30_000) })
      expect(server.open).to.equal(1)
      await listener.close()
      await eventually('the relay to be given back', () => server.open === 0)
    })
    it('for a relay are refused when there is no listener', async () => {
      const server = await startServer()
      machines = new Machines({ a: turn({ servers: [server.server] }), b: turn({ servers: [] }) })
      const error = await rejection(machines.attempt())
      expect(error.code).to.equal('ERR_TURN_SIGNAL')
      expect(errorCode(error.cause)).to.equal('ERR_SIGNAL_REFUSED')
    })
  })
})

describe('turn with datagrams', () => {
  const server = new DatagramServer()
  before(() => server.start())
  after(() => server.stop())
  afterEach(async () => {
    await machines?.[Symbol.asyncDispose]()
    machines = undefined
  })

  it('goes from relay to relay when the dial policy refuses the address', async () => {
    const other = new DatagramServer()
    await other.start()
    try {
      const both = await between([{ ...server.server, url: server.server.url.replace('127.0.0.1', 'localhost') }], [other.server], {
        refuse: () => 'not here'
      })
      await expectCarries(await both.connect())
    } finally {
      await machines?.[Symbol.asyncDispose]()
      machines = undefined
      await other.stop()
    }
  })
})

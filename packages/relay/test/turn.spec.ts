import { once } from 'node:events'
import { connect, createServer, type AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { expect } from 'chai'
import { errorCode } from '@kithmesh/core'
import { openStunUdp, type TransportAddress } from '@kithmesh/stun'
import { eventually, rejection } from '@kithmesh/testkit'
import { Stage, team } from './support/relays.ts'

const loopback = '127.0.0.1'

/** Until the other side ends; the own side stays open. */
function everythingOf(stream: Duplex): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    stream.on('data', (chunk: Buffer) => {
      text += chunk.toString()
    })
    stream.once('end', () => {
      resolve(text)
    })
  })
}

describe('the TURN server of a relay', () => {
  const stage = new Stage()
  afterEach(() => stage.end())

  /** Somebody who echoes datagrams. */
  async function echo(): Promise<{ readonly address: TransportAddress; readonly heard: string[] }> {
    const socket = stage.use(await openStunUdp({ localAddress: loopback }))
    const heard: string[] = []
    socket.onDatagram((data, from) => {
      heard.push(data.toString())
      socket.send(Buffer.from(`re: ${data.toString()}`), from)
    })
    return { address: { address: loopback, port: socket.localPort }, heard }
  }

  for (const query of ['?transport=udp', '?transport=tcp'])
    it(`relays datagrams in indications and on channels, to clients over ${query.slice(-3)}`, async () => {
      const relay = await stage.relay()
      const peer = await echo()
      const allocation = await stage.turn(relay, { query }).allocateUdp()
      const back: string[] = []
      allocation.onData((data) => back.push(data.toString()))
      await allocation.permit(loopback)
      allocation.send(Buffer.from('in an indication'), peer.address)
      await eventually('an answer', () => back.length === 1)
      await allocation.bindChannel(peer.address)
      allocation.send(Buffer.from('on a channel'), peer.address)
      await eventually('another answer', () => back.length === 2)
      expect(back).to.deep.equal(['re: in an indication', 're: on a channel'])
      expect(relay.status.turn).to.include({ allocations: 1, relayedBytes: 2 * (16 + 12) + 8 })
      await allocation.close()
      await eventually('the allocation to end', () => relay.status.turn.allocations === 0)
    })

  it('relays at the ports it was given', async () => {
    const relay = await stage.relay({ host: '127.0.0.77', relayPorts: { first: 21_000, last: 21_099 } })
    for (const kind of ['allocateUdp', 'allocateTcp'] as const) {
      const { relayed } = await stage.turn(relay, { query: '?transport=tcp' })[kind]()
      expect(relayed.port, kind).to.be.within(21_000, 21_099)
    }
  })

  it('lets nobody in who has no permission', async () => {
    const relay = await stage.relay()
    const allocation = await stage.turn(relay, { query: '?transport=udp' }).allocateUdp()
    const heard: string[] = []
    allocation.onData((data) => heard.push(data.toString()))
    const [stranger, friend] = [
      stage.use(await openStunUdp({ localAddress: '127.0.0.3' })),
      stage.use(await openStunUdp({ localAddress: '127.0.0.2' }))
    ]
    await allocation.permit('127.0.0.2')
    stranger.send(Buffer.from('from a stranger'), allocation.relayed)
    await eventually('the permitted one to be heard', () => {
      friend.send(Buffer.from('from a friend'), allocation.relayed)
      return heard.length > 0
    })
    expect(new Set(heard)).to.deep.equal(new Set(['from a friend']))
  })

  it('relays connections both ways (RFC 6062), with everything that was sent before somebody reads', async () => {
    const relay = await stage.relay()
    const allocation = await stage.turn(relay, { query: '?transport=tcp' }).allocateTcp()
    const arrived: Duplex[] = []
    allocation.onConnection((stream) => {
      stream.on('error', () => {})
      arrived.push(stream)
    })
    await allocation.permit(loopback)
    const guest = connect({ host: loopback, port: allocation.relayed.port })
    guest.on('error', () => {})
    guest.end(Buffer.alloc(300_000, 'x'))
    const stream = await eventually('the connection', () => arrived[0])
    stream.write(Buffer.alloc(200_000, 'y'))
    const [there, back] = await Promise.all([everythingOf(stream), everythingOf(guest)])
    expect([there.length, back.length]).to.deep.equal([300_000, 200_000])

    const server = createServer((socket) => void socket.on('error', () => {}).pipe(socket)).listen(0, loopback)
    await once(server, 'listening')
    try {
      const out = await allocation.connect({ address: loopback, port: (server.address() as AddressInfo).port })
      out.on('error', () => {})
      out.end('there and back')
      expect(await everythingOf(out)).to.equal('there and back')
      await eventually('both connections to be over', () => relay.status.turn.connections === 0)
    } finally {
      server.close()
    }
    await allocation.close()
  })

  it('relays from one of its relays to another one, also where its addresses are called otherwise outside', async () => {
    const relay = await stage.relay({ host: { address: loopback, publicAddress: '203.0.113.9' }, allowPeers: [] })
    const at = { urls: { turn: [`turn:${loopback}:${relay.urls.turn[0]!.split(':').at(-1)}`] } } as unknown as typeof relay
    const [one, other] = [
      await stage.turn(at, { query: '?transport=udp' }).allocateUdp(),
      await stage.turn(at, { query: '?transport=udp' }).allocateUdp()
    ]
    expect([one.relayed.address, other.relayed.address]).to.deep.equal(['203.0.113.9', '203.0.113.9'])
    const heard: [string, TransportAddress][] = []
    other.onData((data, from) => heard.push([data.toString(), from]))
    await Promise.all([one.permit('203.0.113.9'), other.permit('203.0.113.9')])
    one.send(Buffer.from('hello'), other.relayed)
    await eventually('it to arrive', () => heard.length === 1)
    expect(heard).to.deep.equal([['hello', one.relayed]])
    const tcp = await stage.turn(at, { query: '?transport=tcp' }).allocateTcp()
    const guest = await stage.turn(at, { query: '?transport=tcp' }).allocateTcp()
    const met = new Promise<string>((resolve) => {
      tcp.onConnection((stream, from) => {
        stream.on('error', () => {})
        resolve(from.address)
      })
    })
    await tcp.permit('203.0.113.9')
    const stream = await guest.connect(tcp.relayed)
    stream.on('error', () => {})
    expect(await met).to.equal('203.0.113.9')
    stream.destroy()
  })

  it('relays nowhere near itself unless asked: no private, link-local or loopback addresses, not its own ports, no services', async () => {
    const relay = await stage.relay({ allowPeers: [] })
    const allocation = await stage.turn(relay, { query: '?transport=tcp' }).allocateTcp()
    const codeOf = async (doing: Promise<unknown>): Promise<string | undefined> => errorCode(await rejection(doing))
    for (const address of ['10.0.0.1', '192.168.1.1', '172.16.0.1', '169.254.169.254', '100.64.0.1', '127.0.0.2', '224.0.0.1', '0.0.0.0'])
      expect(await codeOf(allocation.permit(address)), address).to.equal('ERR_TURN_FORBIDDEN')
    const [mqttPort, stunPort] = [relay.urls.brokers[0], relay.urls.stun[0]].map((url) => Number(url?.split(':').at(-1)))
    for (const peer of [
      { address: loopback, port: mqttPort! },
      { address: loopback, port: stunPort! },
      { address: '192.0.2.1', port: 25 },
      { address: '10.0.0.1', port: 8080 }
    ])
      expect(await codeOf(allocation.connect(peer)), JSON.stringify(peer)).to.equal('ERR_TURN_FORBIDDEN')
    expect(relay.status.turn.refused).to.deep.equal({ 403: 12 })
    const open = await stage.relay()
    const asked = await stage.turn(open, { query: '?transport=tcp' }).allocateTcp()
    const own = Number(open.urls.brokers[0]?.split(':').at(-1))
    expect(await codeOf(asked.connect({ address: loopback, port: own }))).to.equal('ERR_TURN_FORBIDDEN')
  })

  it('knows logins only, and those of somebody who is gone no more', async () => {
    const relay = await stage.relay({ users: [team, { username: 'guest', password: 'another secret' }] })
    for (const wrong of [{ credential: 'something else' }, { username: 'nobody' }])
      expect(errorCode(await rejection(stage.turn(relay, wrong).allocateUdp()))).to.equal('ERR_STUN_CREDENTIALS')
    const guest = await stage.turn(relay, { username: 'guest', credential: 'another secret', query: '?transport=udp' }).allocateUdp()
    const mine = await stage.turn(relay, { query: '?transport=udp' }).allocateUdp()
    expect(relay.status.turn.allocations).to.equal(2)
    relay.setUsers([team])
    expect(relay.status.turn.allocations).to.equal(1)
    expect(errorCode(await rejection(guest.permit(loopback)))).to.be.oneOf(['ERR_STUN_CREDENTIALS', 'ERR_TURN_MISMATCH', 'ERR_TURN_LOST'])
    await mine.permit(loopback)
  })

  it('grants each user a number of allocations, and all of them together another one', async () => {
    const users = [team, { username: 'second', password: 'another secret' }]
    const relay = await stage.relay({ users, limits: { allocations: 3, allocationsPerUser: 2 } })
    // Over connections, on which nothing is asked twice.
    const query = '?transport=tcp'
    const allocate = () => stage.turn(relay, { query }).allocateUdp()
    const mine = [await allocate(), await allocate()]
    expect(errorCode(await rejection(allocate()))).to.equal('ERR_TURN_QUOTA')
    const second = { username: 'second', credential: 'another secret', query }
    await stage.turn(relay, second).allocateUdp()
    expect(errorCode(await rejection(stage.turn(relay, second).allocateUdp()))).to.equal('ERR_TURN_CAPACITY')
    await mine[0]?.close()
    await allocate()
    expect(relay.status.turn.refused).to.include({ 486: 1, 508: 1 })
  })

  it('bounds channels', async () => {
    const relay = await stage.relay({ limits: { channelsPerAllocation: 2 } })
    const allocation = await stage.turn(relay, { query: '?transport=udp' }).allocateUdp()
    for (const port of [40_001, 40_002]) await allocation.bindChannel({ address: loopback, port })
    expect(errorCode(await rejection(allocation.bindChannel({ address: loopback, port: 40_003 })))).to.equal('ERR_TURN_CAPACITY')
  })

  it('bounds relayed connections', async () => {
    const relay = await stage.relay({ limits: { connectionsPerAllocation: 2 } })
    const allocation = await stage.turn(relay, { query: '?transport=tcp' }).allocateTcp()
    const servers = [1, 2, 3].map(() => createServer((socket) => void socket.on('error', () => {})).listen(0, loopback))
    try {
      await Promise.all(servers.map((server) => once(server, 'listening')))
      const [first, second, third] = servers.map((server) => server.address() as AddressInfo)
      const streams = [await allocation.connect(first!), await allocation.connect(second!)]
      expect(errorCode(await rejection(allocation.connect(third!)))).to.equal('ERR_TURN_CAPACITY')
      for (const stream of streams) stream.on('error', () => {}).destroy()
    } finally {
      for (const server of servers) server.close()
    }
  })

  it('bounds permissions, and what one user has relayed per second', async () => {
    const relay = await stage.relay({ limits: { permissionsPerAllocation: 2, relayedBytesPerSecond: 1_000 } })
    const allocation = await stage.turn(relay, { query: '?transport=udp' }).allocateUdp()
    await allocation.permit('127.0.0.2')
    await allocation.permit('127.0.0.3')
    expect(errorCode(await rejection(allocation.permit('127.0.0.4')))).to.equal('ERR_TURN_CAPACITY')
    const silent = stage.use(await openStunUdp({ localAddress: '127.0.0.2' }))
    for (let n = 0; n < 50; n++) allocation.send(Buffer.alloc(1_000), { address: '127.0.0.2', port: silent.localPort })
    await allocation.bindChannel({ address: '127.0.0.2', port: silent.localPort })
    expect(relay.status.turn.relayedBytes).to.be.within(1_000, 10_000)
  })
})

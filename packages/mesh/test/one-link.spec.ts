import { expect } from 'chai'
import { type ByteSocket, type NetworkProbeFactory, type TransportFactory, dials, errorCode } from '@kithmesh/core'
import { type Identity, createIdentity } from '@kithmesh/identity'
import { eventually, fastClock, within } from '@kithmesh/testkit'
import { duplexPair, memoryProvider } from '@kithmesh/testkit/memory'
import { direct } from '@kithmesh/transport-direct'
import { Rogue } from './defects/rogue.ts'
import { type TestPeer, World, converged, isUp, linkTo, linked } from './world.ts'

/** Direct connections whose dialling goes through `attempt`. */
function dialling(attempt: (dial: () => Promise<ByteSocket>) => Promise<ByteSocket>): TransportFactory {
  const factory = direct({ host: '127.0.0.1' })
  return {
    ...factory,
    create(context) {
      const strategy = factory.create(context)
      return { ...strategy, attempt: (target, options) => attempt(() => strategy.attempt(target, options)) }
    }
  }
}

/** Dialling whose streams so far can be made to swallow everything, without an error on either side. */
function freezable(): {
  attempt: (dial: () => Promise<ByteSocket>) => Promise<ByteSocket>
  freezeAll: () => void
  readonly streams: number
} {
  let streams = 0
  let frozen = 0
  return {
    get streams() {
      return streams
    },
    freezeAll() {
      frozen = streams
    },
    async attempt(dial) {
      const outer = await dial()
      const [near, far] = duplexPair()
      const mine = ++streams
      const join = (from: ByteSocket, to: ByteSocket): void => {
        from.on('error', () => {})
        from.on('data', (chunk: Buffer) => {
          if (mine > frozen && !to.destroyed) to.write(chunk)
        })
        from.on('close', () => {
          if (mine > frozen) to.destroy()
        })
      }
      join(outer, far)
      join(far, outer)
      return near
    }
  }
}

function connectedLinks(peer: TestPeer): number {
  return peer.mesh.links.filter(isUp).length
}

describe('one link per device', () => {
  let world: World
  const rogues: Rogue[] = []
  beforeEach(() => {
    world = new World()
  })
  afterEach(async () => {
    for (const rogue of rogues.splice(0)) rogue.end()
    await world.end()
  })

  function dialAs(identity: Identity, peer: TestPeer): ReturnType<Rogue['silent']> {
    const rogue = new Rogue(identity)
    rogues.push(rogue)
    return rogue.silent(peer)
  }

  it('replaces the connection of a peer by a newer one of the same peer', async () => {
    const [host] = await world.started(['host'], { clock: fastClock(10) })
    const peer = await createIdentity({ commonName: 'peer' })
    const first = await dialAs(peer, host!)
    await eventually('the first', () => connectedLinks(host!) === 1)
    await dialAs(peer, host!)
    expect(await first.closed).to.equal(1000)
    expect(host!.mesh.links).to.have.length(1)
    expect(connectedLinks(host!)).to.equal(1)
  })

  it("keeps its own connection when a peer dials that should be dialled, and lets the peer have its way when it is the other's turn", async () => {
    for (let round = 0; round < 6; round++) {
      const [left, right] = await world.started([`left ${round}`, `right ${round}`])
      await linked([left!, right!])
      const [dialler, dialled] = dials(left!.id, right!.id) ? [left!, right!] : [right!, left!]
      const intruder = await dialAs(dialled.identity, dialler)
      expect(await intruder.closed).to.equal(1000)
      expect(linkTo(dialler, dialled)).to.include({ direction: 'outgoing' })
      const second = await dialAs(dialler.identity, dialled)
      await eventually('the newer one in the right direction to be served', () => isUp(linkTo(dialled, dialler)))
      second.socket.close()
      await world.leave(left!)
      await world.leave(right!)
    }
  })

  it('works with devices that do not say who they are, also when all of them dial each other', async () => {
    const clock = fastClock(5)
    for (let round = 0; round < 4; round++) {
      const left = await world.peer('left', { claims: round % 2 === 0, clock })
      const right = await world.peer('right', { claims: false, clock })
      await Promise.all([left.mesh.start(), right.mesh.start()])
      left.database.collection().put(`left ${round}`, {})
      right.database.collection().put(`right ${round}`, {})
      await converged([left, right], 2)
      await eventually('one link on each side', () => connectedLinks(left) === 1 && connectedLinks(right) === 1)
      left.database.collection().put('after', {})
      await converged([left, right], 3)
      await clock.sleep(2000)
      await eventually('one link on each side, still', () => connectedLinks(left) === 1 && connectedLinks(right) === 1)
      await world.leave(left)
      await world.leave(right)
    }
  })

  it('notices that what it found is itself', async () => {
    const [host] = await world.started(['host'], { claims: false })
    world.medium.announce({ ...world.medium.services[0]!, displayName: 'mirror', peerId: 'f'.repeat(64), metadata: new Map() })
    await eventually(
      'the error',
      () => errorCode(host!.mesh.links.find(({ displayName }) => displayName === 'mirror')?.error) === 'ERR_MESH_SELF'
    )
    expect(connectedLinks(host!)).to.equal(0)
  })

  it('is dialled by the other side when the side whose turn it is cannot reach it', async () => {
    const clock = fastClock(10)
    const [one, two] = [await createIdentity({ commonName: 'one' }), await createIdentity({ commonName: 'two' })]
    const [dialler, dialled] = dials(one.peerId, two.peerId) ? [one, two] : [two, one]
    const walled = await world.peer('walled', {
      identity: dialler,
      clock,
      transports: [
        dialling(async () => {
          throw Object.assign(new Error('a firewall'), { code: 'EHOSTUNREACH' })
        })
      ]
    })
    const free = await world.peer('free', { identity: dialled, clock })
    await Promise.all([walled.mesh.start(), free.mesh.start()])
    await eventually('the reason to be shown', () => errorCode(linkTo(walled, free)?.error) === 'ERR_ROUTE_FAILED')
    await linked([walled, free])
    expect(linkTo(free, walled)).to.include({ direction: 'outgoing' })
    walled.database.collection().put('hello', {})
    await converged([walled, free], 1)
    await clock.sleep(10_000)
    expect(linkTo(walled, free)).to.include({ direction: 'incoming', error: undefined })
  })

  it('notices a connection that died without a word, and makes another', async () => {
    const network = freezable()
    const clock = fastClock(20)
    const [left, right] = await world.started(['left', 'right'], { clock, transports: [dialling(network.attempt)] })
    await linked([left!, right!])
    left!.database.collection().put('before', {})
    await converged([left!, right!], 1)
    network.freezeAll()
    left!.database.collection().put('after', {})
    await converged([left!, right!], 2)
    expect(network.streams).to.be.greaterThan(1)
    await linked([left!, right!])
  })

  it('looks at once whether a connection lives when the network changed', async () => {
    const net = freezable()
    const stale: Array<() => void> = []
    const unknown = { mapping: 'unknown', filtering: 'unknown', ports: { kind: 'unknown' } } as const
    let localAddress = '192.0.2.1'
    const network: NetworkProbeFactory = {
      name: 'probe',
      create: () => ({
        measure: async () => ({
          routes: [{ interfaceIndex: 0, family: 4, localAddress, externalAddress: undefined, tcp: unknown, udp: unknown }],
          measuredAt: 0
        }),
        onStale: (tell: () => void) => {
          stale.push(tell)
          return () => {}
        },
        shutdown: async () => {}
      })
    }
    // Four times as fast: the probe takes little more than a second, and the heartbeat would need five before it looks and five for the answer.
    const [left, right] = await world.started(['left', 'right'], { clock: fastClock(4), network, transports: [dialling(net.attempt)] })
    await linked([left!, right!])
    await converged([left!, right!], 0)
    net.freezeAll()
    localAddress = '192.0.2.2'
    for (const tell of stale) tell()
    await eventually('a new connection', () => net.streams > 1)
    await linked([left!, right!])
  })

  it('stops within a bound when the network swallows everything', async () => {
    const clock = fastClock(20)
    const network = freezable()
    const [left, right] = await world.started(['left', 'right'], { clock, transports: [dialling(network.attempt)] })
    await linked([left!, right!])
    network.freezeAll()
    left!.database.collection().put('never sent', {})
    right!.database.collection().put('never sent either', {})
    await within(Promise.all([left!.mesh.stop(), right!.mesh.stop()]), 30_000, 'stop')
    expect([left!.mesh.links, right!.mesh.links]).to.deep.equal([[], []])
  })

  it('takes connections that a provider brings, and names them by it', async () => {
    const providers = (host: string) => [memoryProvider(world.medium, { host })]
    const peers = [await world.peer('left', { providers: providers('left') }), await world.peer('right', { providers: providers('right') })]
    for (const { name, database } of peers) database.collection().put(name, {})
    await Promise.all(peers.map(({ mesh }) => mesh.start()))
    await converged(peers, 2)
    await linked(peers)
    for (const peer of peers) expect(peer.mesh.links[0]?.route).to.match(/^Memory /)
  })
})

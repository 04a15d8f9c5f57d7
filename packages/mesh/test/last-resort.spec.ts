import { expect } from 'chai'
import type { ByteSocket, TransportFactory } from '@kithmesh/core'
import { eventually } from '@kithmesh/testkit'
import { MemoryMedium, memoryProvider } from '@kithmesh/testkit/memory'
import { direct } from '@kithmesh/transport-direct'
import { ChangingNetwork, type TestPeer, World, converged, isUp, linkTo, linked } from './world.ts'

const RADIO = { name: 'Radio', capabilities: { lastResort: true, needsPort: false } }

/** An IP network between all peers that can be taken away, streams that are open included. */
class Cable extends ChangingNetwork {
  plugged = true
  readonly #streams = new Set<ByteSocket>()

  unplug(): void {
    this.plugged = false
    for (const stream of this.#streams) stream.destroy(new Error('unplugged'))
    this.change()
  }

  plug(): void {
    this.plugged = true
    this.change()
  }

  get transport(): TransportFactory {
    const factory = direct({ host: '127.0.0.1' })
    return {
      ...factory,
      create: (context) => {
        const strategy = factory.create(context)
        return {
          ...strategy,
          attempt: async (target, options) => {
            if (!this.plugged) throw Object.assign(new Error('no cable'), { code: 'EHOSTUNREACH' })
            const stream = await strategy.attempt(target, options)
            this.#streams.add(stream)
            return stream
          }
        }
      }
    }
  }
}

describe('a provider of last resort', () => {
  let world: World
  let radio: MemoryMedium
  let cable: Cable
  let writing: NodeJS.Timeout | undefined

  beforeEach(() => {
    world = new World()
    radio = new MemoryMedium('radio')
    cable = new Cable()
  })
  afterEach(async () => {
    clearInterval(writing)
    await world.end()
  })

  const onRadio = (host: string) => memoryProvider(radio, { host, ...RADIO })
  const qualities = (peers: readonly TestPeer[]) => peers.flatMap(({ mesh }) => mesh.links.map(({ quality }) => quality))

  it('links devices that have no other network, and no port', async () => {
    const peers = await Promise.all(['shop', 'store'].map((name) => world.peer(name, { providers: [onRadio(name)], transports: [] })))
    await Promise.all(peers.map(({ mesh }) => mesh.start()))
    await linked(peers)
    expect(peers.map(({ mesh }) => mesh.port)).to.deep.equal([undefined, undefined])
    expect(qualities(peers)).to.deep.equal(['last-resort', 'last-resort'])
    for (const { database, name } of peers) database.collection().put(name, { name })
    await converged(peers, 2)
  })

  it('is left for IP, taken when IP goes, and left again when it is back, without losing or repeating a document', async () => {
    const withoutSockets = { suppliesSocketFactory: false, incomingConnections: false }
    const peers = await Promise.all(
      ['shop', 'store'].map((name) =>
        world.peer(name, {
          providers: [memoryProvider(world.medium, { host: '127.0.0.1', capabilities: withoutSockets }), onRadio(name)],
          transports: [cable.transport],
          network: cable.network
        })
      )
    )
    const [shop, store] = peers as [TestPeer, TestPeer]
    await Promise.all(peers.map(({ mesh }) => mesh.start()))
    const settled = (quality: string) => () => {
      const ends = [linkTo(shop, store), linkTo(store, shop)]
      return ends.every((link) => isUp(link) && link?.quality === quality) && ends[0]?.direction !== ends[1]?.direction
    }
    await eventually('the link to be direct', settled('direct'))
    await eventually('one device to be seen in both ways', () => {
      const [device, ...others] = shop.discovery.devices
      return others.length === 0 && device?.peers.length === 2
    })
    let written = 0
    writing = setInterval(() => {
      for (const { database, name } of peers) database.collection().put(`${name}-${written}`, { written })
      written++
    }, 10)
    const moves = async (): Promise<void> => {
      const before = store.mesh.statistics.documentsIn
      await eventually('documents to move', () => store.mesh.statistics.documentsIn > before + 20)
    }
    await moves()
    cable.unplug()
    await eventually('the link to be of last resort', settled('last-resort'))
    await moves()
    cable.plug()
    await eventually('the link to be direct again', settled('direct'))
    await moves()
    clearInterval(writing)
    await converged(peers, 2 * written)
    expect(peers.map(({ mesh }) => mesh.links.length)).to.deep.equal([1, 1])
    expect(peers.map(({ mesh }) => mesh.statistics.documentsIn)).to.deep.equal([written, written])
  })
})

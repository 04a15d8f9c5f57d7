import { expect } from 'chai'
import type { NetworkProbeFactory, TransportFactory } from '@kithmesh/core'
import { eventually } from '@kithmesh/testkit'
import { direct } from '@kithmesh/transport-direct'
import { type TestPeer, World, converged, isUp, linkTo, linked } from './world.ts'

/** A network between two devices on which direct connections work only while `directly` says so; a relay always does. */
class Obstructed {
  directly = false
  readonly dialled: string[] = []
  #stale: Array<() => void> = []

  get transports(): readonly TransportFactory[] {
    return [this.#through('direct', false), this.#through('turn', true)]
  }

  /** A probe that measures nothing, and says when there is something new. */
  get network(): NetworkProbeFactory {
    return {
      name: 'probe',
      create: () => ({
        measure: async () => ({ routes: [], measuredAt: 0 }),
        onStale: (stale) => {
          this.#stale.push(stale)
          return () => {}
        },
        shutdown: async () => {}
      })
    }
  }

  change(): void {
    for (const stale of this.#stale) stale()
  }

  #through(name: string, relayed: boolean): TransportFactory {
    const factory = direct({ host: '127.0.0.1' })
    const capabilities = Object.freeze({ listens: !relayed, relayed })
    return {
      ...factory,
      name,
      capabilities,
      create: (context) => {
        const { listen, ...strategy } = factory.create(context)
        return {
          ...strategy,
          name,
          capabilities,
          ...(relayed || listen === undefined ? {} : { listen }),
          attempt: async (target, options) => {
            if (!relayed && !this.directly) throw Object.assign(new Error('no way'), { code: 'EHOSTUNREACH' })
            this.dialled.push(name)
            return await strategy.attempt(target, options)
          }
        }
      }
    }
  }
}

describe('a relayed link', () => {
  let world: World
  let net: Obstructed
  let peers: TestPeer[]
  let writing: NodeJS.Timeout | undefined

  beforeEach(async () => {
    world = new World()
    net = new Obstructed()
    peers = await world.started(['shop', 'store'], { transports: net.transports, network: net.network })
    await linked(peers)
  })
  afterEach(async () => {
    clearInterval(writing)
    await world.end()
  })

  const dialler = (): TestPeer => peers.find((peer) => linkTo(peer, other(peer))?.direction === 'outgoing') as TestPeer
  const other = (peer: TestPeer): TestPeer => peers.find((each) => each !== peer) as TestPeer
  const outgoing = () => linkTo(dialler(), other(dialler()))

  it('says so, and stays while there is no other way', async () => {
    expect(outgoing()?.relayed).to.equal(true)
    expect(outgoing()?.route).to.match(/^turn 127\.0\.0\.1:/)
    net.change()
    for (let index = 0; index < 20; index++) peers[index % 2]?.database.collection().put(`doc-${index}`, { index })
    await converged(peers, 20)
    expect(outgoing()?.relayed).to.equal(true)
    expect(new Set(net.dialled)).to.deep.equal(new Set(['turn']))
  })

  it('moves to a direct route when there is one, in the middle of replication, without losing or repeating a document', async () => {
    let written = 0
    const [shop, store] = peers as [TestPeer, TestPeer]
    writing = setInterval(() => {
      for (const { database, name } of peers) database.collection().put(`${name}-${written}`, { written })
      written++
    }, 2)
    await eventually('documents to move', () => shop.mesh.statistics.documentsIn > 20)
    net.directly = true
    net.change()
    await eventually('the link to be direct', () => outgoing()?.relayed === false && isUp(outgoing()))
    const before = store.mesh.statistics.documentsIn
    await eventually('documents to move over it', () => store.mesh.statistics.documentsIn > before + 20)
    clearInterval(writing)
    await converged(peers, 2 * written)
    expect(peers.map(({ mesh }) => mesh.links.length)).to.deep.equal([1, 1])
    expect(net.dialled.filter((name) => name === 'direct')).to.have.length(1)
    await eventually('both ends to agree', () => {
      const [here, there] = [linkTo(shop, store), linkTo(store, shop)]
      return here?.relayed === false && there?.relayed === false && here.direction !== there.direction
    })
    expect(shop.mesh.statistics.documentsIn).to.equal(written)
    expect(store.mesh.statistics.documentsIn).to.equal(written)
  })

  it('stops looking for another way when it ends', async () => {
    await world.leave(dialler())
    net.directly = true
    net.change()
    expect(net.dialled.filter((name) => name === 'direct')).to.have.length(0)
  })
})

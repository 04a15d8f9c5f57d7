import { expect } from 'chai'
import type { ByteSocket, TransportFactory } from '@kithmesh/core'
import { type LogEntry, eventually } from '@kithmesh/testkit'
import { direct } from '@kithmesh/transport-direct'
import { ChangingNetwork, type TestPeer, World, converged, isUp, linkTo, linked } from './world.ts'

/** A network between two devices on which direct connections work only while `directly` says so; a relay always does. */
class Obstructed extends ChangingNetwork {
  directly = false
  readonly dialled: string[] = []
  readonly direct: ByteSocket[] = []
  /** Tries without a way. */
  refused = 0

  get transports(): readonly TransportFactory[] {
    return [this.#through('direct', false), this.#through('turn', true)]
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
            if (!relayed && !this.directly) {
              this.refused++
              throw Object.assign(new Error('no way'), { code: 'EHOSTUNREACH' })
            }
            this.dialled.push(name)
            const stream = await strategy.attempt(target, options)
            if (!relayed) this.direct.push(stream)
            return stream
          }
        }
      }
    }
  }
}

/** Runs it in the moment in which something is logged. */
function whenLogged({ logger }: TestPeer, text: string, run: () => void): void {
  const entries = logger.entries as LogEntry[]
  const push = entries.push.bind(entries)
  entries.push = (...added) => {
    if (added.some(({ message }) => message.includes(text))) run()
    return push(...added)
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
    expect(outgoing()?.quality).to.equal('relayed')
    expect(outgoing()?.route).to.match(/^turn 127\.0\.0\.1:/)
    net.change()
    for (let index = 0; index < 20; index++) peers[index % 2]?.database.collection().put(`doc-${index}`, { index })
    await converged(peers, 20)
    expect(outgoing()?.quality).to.equal('relayed')
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
    await eventually('the link to be direct', () => outgoing()?.quality === 'direct' && isUp(outgoing()))
    const before = store.mesh.statistics.documentsIn
    await eventually('documents to move over it', () => store.mesh.statistics.documentsIn > before + 20)
    clearInterval(writing)
    await converged(peers, 2 * written)
    expect(peers.map(({ mesh }) => mesh.links.length)).to.deep.equal([1, 1])
    expect(net.dialled.filter((name) => name === 'direct')).to.have.length(1)
    await eventually('both ends to agree', () => {
      const [here, there] = [linkTo(shop, store), linkTo(store, shop)]
      return here?.quality === 'direct' && there?.quality === 'direct' && here.direction !== there.direction
    })
    expect(shop.mesh.statistics.documentsIn).to.equal(written)
    expect(store.mesh.statistics.documentsIn).to.equal(written)
  })

  it('goes on when the direct connection dies before it is used', async () => {
    let cut = 0
    whenLogged(dialler(), 'moves to a better route', () => {
      if (cut++ === 0) for (const stream of net.direct) stream.destroy()
    })
    net.directly = true
    net.change()
    await eventually('the connection to be cut', () => cut === 1)
    for (let index = 0; index < 20; index++) peers[index % 2]?.database.collection().put(`doc-${index}`, { index })
    await converged(peers, 20)
    await eventually('the link to be direct', () => outgoing()?.quality === 'direct' && isUp(outgoing()))
    expect(peers.map(({ mesh }) => mesh.statistics.documentsIn)).to.deep.equal([10, 10])
  })

  it('leaves nothing open when it ends while it moves', async () => {
    const [one, two] = [dialler(), other(dialler())]
    let left: Promise<void> | undefined
    whenLogged(one, 'moves to a better route', () => {
      left ??= one.mesh.stop()
    })
    net.directly = true
    net.change()
    await eventually('the stop', () => left !== undefined)
    await left
    expect(one.mesh.links).to.deep.equal([])
    await eventually('the streams to be closed', () => net.direct.length > 0 && net.direct.every(({ destroyed }) => destroyed))
    await eventually('the other one to notice', () => !isUp(linkTo(two, one)))
    await one.mesh.start()
    one.database.collection().put('after', {})
    await converged(peers, 1)
  })

  it('tries at most once a second, however often the network changes', async () => {
    net.refused = 0
    for (let index = 0; index < 20; index++) {
      net.change()
      await new Promise((resolve) => setImmediate(resolve))
    }
    await eventually('a try', () => net.refused > 0)
    expect(net.refused).to.be.lessThan(4)
  })

  it('stops looking for another way when it ends', async () => {
    await world.leave(dialler())
    net.directly = true
    net.change()
    expect(net.dialled.filter((name) => name === 'direct')).to.have.length(0)
  })
})

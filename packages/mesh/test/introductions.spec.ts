import { expect } from 'chai'
import { createDialPolicy } from '@kithmesh/core'
import { MemoryMedium, memoryProvider } from '@kithmesh/testkit/memory'
import { type Introductions, introductions } from '@kithmesh/mesh'
import { type TestPeer, World, converged, linkTo, linked } from './world.ts'

describe('a device that others are told of', () => {
  let world: World
  beforeEach(() => {
    world = new World()
  })
  afterEach(async () => {
    await world.end()
  })

  const capabilities = { suppliesSocketFactory: false, incomingConnections: false }
  const on = (...media: MemoryMedium[]) => media.map((medium) => memoryProvider(medium, { host: '127.0.0.1', capabilities }))

  /** Two devices that do not see each other, and one that sees both. */
  async function threeInTwoNetworks(
    believe: boolean
  ): Promise<{ left: TestPeer; between: TestPeer; right: TestPeer; told: Introductions }> {
    const [one, two] = [new MemoryMedium('one'), new MemoryMedium('two')]
    const told = introductions({ dialPolicy: createDialPolicy({ ownAddresses: true }) })
    const between = await world.peer('between', {
      providers: [...on(one), { ...on(two)[0]!, name: 'Other' }],
      channel: { peerGroup: { share: () => true } }
    })
    const left = await world.peer('left', {
      providers: [...on(one), told],
      channel: {
        peerGroup: { introduce: (_peer, from) => believe && from === between.id },
        handlers: { peerGroup: (peers, from) => void told.introduced(peers, from) }
      }
    })
    const right = await world.peer('right', { providers: on(two) })
    await Promise.all([left, between, right].map(({ mesh }) => mesh.start()))
    await linked([left, between])
    await linked([between, right])
    return { left, between, right, told }
  }

  it('is found by them, dialled, proven and linked, when the one who introduces it is believed', async () => {
    const { left, between, right } = await threeInTwoNetworks(true)
    expect(linkTo(left, right)).to.equal(undefined)
    const peer = { peerId: right.id, displayName: 'right', addresses: [`127.0.0.1:${right.mesh.port}`] }
    await between.mesh.channel(left.id).sharePeers([peer])
    await linked([left, right])
    right.database.collection().put('hello', {})
    await converged([left, right], 1)
  })

  it('is not dialled when nobody believes it, or where it may not be dialled', async () => {
    const { left, between, right, told } = await threeInTwoNetworks(false)
    await between.mesh.channel(left.id).sharePeers([{ peerId: right.id, addresses: [`127.0.0.1:${right.mesh.port}`] }])
    expect(linkTo(left, right)).to.equal(undefined)
    const strict = introductions({ dialPolicy: createDialPolicy() })
    const addresses = ['127.0.0.1:4984', 'localhost:4984', '224.0.0.1:4984', '8.8.8.8:25', '8.8.8.8:99999', 'x']
    expect(strict.introduced([{ peerId: right.id, addresses }], between.id)).to.equal(0)
    expect(told.introduced([{ peerId: left.id, addresses: ['127.0.0.1:4984'] }], between.id)).to.equal(0)
  })

  it('is forgotten when ever more are introduced', async () => {
    const { left, between, told } = await threeInTwoNetworks(true)
    const invented = Array.from({ length: 300 }, (_, n) => ({ peerId: n.toString(16).padStart(64, '0'), addresses: ['127.0.0.1:1'] }))
    for (const peer of invented) told.introduced([peer], `${between.id.slice(0, 60)}${peer.peerId.slice(60)}`)
    expect(left.discovery.devices.length).to.be.lessThan(260)
  })
})

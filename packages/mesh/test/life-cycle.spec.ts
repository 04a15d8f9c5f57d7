import { once } from 'node:events'
import { createServer } from 'node:net'
import { expect } from 'chai'
import { type ProviderFactory, type TransportFactory, coreErrors, errorCode } from '@kithmesh/core'
import { PROVIDER_CONTRACT_VERSION, Deferred, defineProvider } from '@kithmesh/core/plugin'
import { eventually, fastClock, within } from '@kithmesh/testkit'
import { createIdentity } from '@kithmesh/identity'
import { createMesh } from '@kithmesh/mesh'
import { direct } from '@kithmesh/transport-direct'
import { World, converged, isUp, linkTo, linked } from './world.ts'

/** A provider that cannot publish, or only when it is let. */
function publishing(startPublishing: () => Promise<void>): ProviderFactory {
  return defineProvider({
    name: 'stub',
    contractVersion: PROVIDER_CONTRACT_VERSION,
    capabilities: {
      publishes: true,
      metadata: false,
      metadataUpdates: false,
      reportsDisappearance: false,
      suppliesSocketFactory: false,
      incomingConnections: false
    },
    create: (context) => ({
      async startBrowsing() {
        context.statusChanged('browse', { state: 'online' })
      },
      async stopBrowsing() {
        context.statusChanged('browse', { state: 'offline' })
      },
      startPublishing,
      async stopPublishing() {
        context.statusChanged('publish', { state: 'offline' })
      },
      async updateMetadata() {},
      monitorMetadata() {},
      async resolveUrl() {
        throw coreErrors.create('ERR_PD_RESOLVE_FAILED', 'nobody is here')
      },
      socketFactory: () => undefined,
      async shutdown() {}
    })
  })
}

/** A transport that listens where no port can be named. */
function portless(): TransportFactory {
  const factory = direct({ host: '127.0.0.1' })
  return {
    ...factory,
    create(context) {
      const strategy = factory.create(context)
      return { ...strategy, listen: async (options) => ({ ...(await strategy.listen!(options)), port: undefined }) }
    }
  }
}

async function codeOf(promise: Promise<unknown>): Promise<string | undefined> {
  try {
    await promise
  } catch (error) {
    return errorCode(error) ?? (error as Error).name
  }
  return undefined
}

describe('the life of a mesh', () => {
  let world: World
  beforeEach(() => {
    world = new World()
  })
  afterEach(async () => {
    await world.end()
  })

  it('starts and stops idempotently, and leaves nothing behind', async () => {
    const { mesh, discovery } = await world.peer('alone')
    expect([mesh.state, mesh.port, mesh.links]).to.deep.equal(['stopped', undefined, []])
    await mesh.stop()
    await Promise.all([mesh.start(), mesh.start()])
    await mesh.start()
    expect(mesh.state).to.equal('started')
    expect(mesh.port).to.be.greaterThan(0)
    expect(world.medium.services).to.have.length(1)
    await Promise.all([mesh.stop(), mesh.stop()])
    await mesh[Symbol.asyncDispose]()
    expect([mesh.state, mesh.port, mesh.links]).to.deep.equal(['stopped', undefined, []])
    expect(world.medium.services).to.deep.equal([])
    expect(discovery.status('Memory', 'browse').state).to.equal('offline')
  })

  it('is seen by others after it was started and stopped five times in a row', async () => {
    const [observer] = await world.started(['observer'])
    const restless = await world.peer('restless')
    for (let round = 0; round < 5; round++) {
      await restless.mesh.start()
      await restless.mesh.stop()
    }
    await eventually('the observer to have forgotten it', () => observer!.mesh.links.length === 0)
    void restless.mesh.start().catch(() => {})
    void restless.mesh.stop().catch(() => {})
    await restless.mesh.start()
    await linked([observer!, restless])
    restless.database.collection().put('hello', {})
    await converged([observer!, restless], 1)
    expect(world.medium.services).to.have.length(2)
  })

  it('can be stopped while it starts; the start says so', async () => {
    const gate = new Deferred<void>()
    const peer = await world.peer('hasty', { providers: [publishing(() => gate.promise)] })
    const starting = codeOf(peer.mesh.start())
    const stopping = peer.mesh.stop()
    gate.resolve()
    expect(await starting).to.equal('AbortError')
    await within(stopping, 30_000, 'stop')
    expect([peer.mesh.state, peer.mesh.port]).to.deep.equal(['stopped', undefined])
  })

  it('undoes a start that fails, and can be started again', async () => {
    let fails = true
    const peer = await world.peer('unlucky', {
      providers: [
        publishing(async () => {
          if (fails) throw new Error('no network')
        })
      ]
    })
    expect(await codeOf(peer.mesh.start())).to.equal('ERR_PD_START_FAILED')
    expect([peer.mesh.state, peer.mesh.port]).to.deep.equal(['stopped', undefined])
    fails = false
    await peer.mesh.start()
    expect(peer.mesh.state).to.equal('started')
  })

  it('refuses what cannot work, before anything is published', async () => {
    const peer = await world.peer('peer')
    const other = await createIdentity({ commonName: 'other' })
    const { database, discovery, identity } = peer
    const options = { database, discovery, identity, authenticator: { name: 'any', check: () => true }, displayName: 'peer' }
    expect(await codeOf(createMesh({ ...options, identity: other }).start())).to.equal('ERR_MESH_IDENTITY')
    expect(await codeOf(createMesh({ ...options, collections: ['nowhere'] }).start())).to.equal('ERR_MESH_COLLECTION')
    expect(() => createMesh({ ...options, collections: ['a.b.c'] })).to.throw(TypeError)
    expect(() => createMesh({ ...options, collections: [] })).to.throw(TypeError)
    expect(() => createMesh({ ...options, peerGroupId: 'another' })).to.throw(TypeError, /not of "another"/)
    expect(createMesh({ ...options, peerGroupId: discovery.peerGroupId }).state).to.equal('stopped')
    expect(() => createMesh({ ...options, collections: ['items', '_default.items'] })).to.throw(TypeError)
    expect(() => createMesh({ ...options, databaseName: 'a/b' })).to.throw(TypeError)
    const mute = await world.peer('mute', { transports: [portless()] })
    expect(await codeOf(mute.mesh.start())).to.equal('ERR_PD_PUBLISH_OPTIONS')
    expect(mute.mesh.state).to.equal('stopped')
    const deaf = await world.peer('deaf', { transports: [] })
    expect(await codeOf(deaf.mesh.start())).to.equal('ERR_PD_LISTEN_FAILED')
    expect(world.medium.services).to.deep.equal([])
  })

  it('can be stopped while it connects', async () => {
    const [server] = await world.started(['server'])
    for (let round = 0; round < 10; round++) {
      const peer = await world.peer(`peer-${round}`)
      await peer.mesh.start()
      for (let turn = 0; turn < round * 3; turn++) await new Promise((resolve) => setImmediate(resolve))
      await within(world.leave(peer), 30_000, 'leaving')
    }
    await eventually('nobody to be left', () => server!.mesh.links.length === 0)
  })

  it('takes up where it was when the same mesh is started again, and its totals go on', async () => {
    const [left, right] = await world.started(['left', 'right'])
    left!.database.collection().put('one', {})
    await converged([left!, right!], 1)
    await eventually('the counters', () => right!.mesh.statistics.documentsIn === 1)
    await right!.mesh.stop()
    expect(right!.mesh.statistics.documentsIn).to.equal(1)
    left!.database.collection().put('two', {})
    await right!.mesh.start()
    await converged([left!, right!], 2)
    await linked([left!, right!])
    await eventually('the counters to go on', () => right!.mesh.statistics.documentsIn === 2)
  })

  it('loses a peer that leaves and takes it back when it returns', async () => {
    const peers = await world.started(['one', 'two', 'three'])
    await linked(peers)
    const [one, two, three] = peers
    await two!.mesh.stop()
    await eventually('both others to have forgotten it', () => linkTo(one!, two!) === undefined && linkTo(three!, two!) === undefined)
    one!.database.collection().put('meanwhile', {})
    await converged([one!, three!], 1)
    await two!.mesh.start()
    await linked(peers)
    await converged(peers, 1)
  })

  it('takes back a peer that restarts with the same identity and database on another port', async () => {
    const clock = fastClock(10)
    for (const first of ['left', 'right']) {
      const [left, right] = await world.started([`${first} left`, `${first} right`], { clock })
      const [stays, restarts] = first === 'left' ? [left!, right!] : [right!, left!]
      await linked([stays, restarts])
      const port = restarts.mesh.port
      await world.leave(restarts, { keepDatabase: true })
      // Somebody else gets the port that was free again: this one, unless another program was quicker.
      const squatter = createServer((socket) => socket.destroy()).listen(port, '127.0.0.1')
      await once(squatter, 'listening').catch((error: unknown) => {
        if (errorCode(error) !== 'EADDRINUSE') throw error
      })
      stays.database.collection().put(`while ${first} was alone`, {})
      const again = await world.peer(restarts.name, { identity: restarts.identity, database: restarts.database, clock })
      await again.mesh.start()
      expect(again.mesh.port).to.not.equal(port)
      await converged([stays, again], 1)
      await linked([stays, again])
      expect(stays.mesh.links).to.have.length(1)
      await world.leave(stays)
      await world.leave(again)
      squatter.close()
    }
  })

  it('keeps a connection to a device that discovery lost, and forgets the device when that ends', async () => {
    const [left, right] = await world.started(['left', 'right'])
    await linked([left!, right!])
    await left!.discovery.stopBrowsing()
    await right!.discovery.stopBrowsing()
    expect(left!.discovery.devices).to.deep.equal([])
    left!.database.collection().put('still', {})
    await converged([left!, right!], 1)
    expect(isUp(linkTo(left!, right!))).to.equal(true)
    await right!.mesh.stop()
    await eventually('it to be forgotten', () => left!.mesh.links.length === 0)
    await right!.mesh.start()
    await left!.discovery.startBrowsing()
    await linked([left!, right!])
  })
})

import { expect } from 'chai'
import { createPeerDiscovery } from '@kithmesh/core'
import type { PeerDiscoveryOptions } from '@kithmesh/core'
import { PEER_DISCOVERY, registerPeerDiscovery } from '@kithmesh/core/di'
import { checkPeerGroupId, defineTransport } from '@kithmesh/core/plugin'
import { Disposer } from '../dist/internal/disposer.js'
import { Injector, token } from '../dist/internal/injector.js'
import { recordingLogger, rejection } from '@kithmesh/testkit'
import { FakeProvider, FakeTransport, US, settle, thrown } from './fakes.ts'

function code(changes: Record<string, unknown>): string | undefined {
  return thrown(() =>
    createPeerDiscovery({
      peerGroupId: 'test',
      localPeerId: US,
      providers: [new FakeProvider().factory],
      ...changes
    } as PeerDiscoveryOptions)
  ).code
}

describe('peer group ids', () => {
  it('may be anything of 1 to 63 bytes without comma, backslash and control characters', () => {
    for (const id of ['a', 'com.example.shop', 'x'.repeat(63), 'Größe 1', '群', '.', ' ']) expect(checkPeerGroupId(id)).to.equal(id)
  })

  it('are refused otherwise', () => {
    for (const id of [
      '',
      'x'.repeat(64),
      'ü'.repeat(32),
      'a,b',
      'a\\b',
      'a\nb',
      '\u0000',
      'a\u007f',
      'a\u0085',
      '\ud800',
      undefined,
      null,
      7
    ]) {
      const error = thrown(() => checkPeerGroupId(id))
      expect(error.code, JSON.stringify(id)).to.equal('ERR_PD_GROUP_ID')
      expect(error.hint).to.not.equal('')
    }
  })
})

describe('createPeerDiscovery', () => {
  it('lists what it was composed of', async () => {
    const [one, two, route] = [new FakeProvider('ONE'), new FakeProvider('TWO'), new FakeTransport('direct')]
    await using discovery = createPeerDiscovery({
      peerGroupId: 'com.example.shop',
      localPeerId: US,
      providers: [one.factory, two.factory],
      transports: [route.factory]
    })
    expect(discovery.providers).to.deep.equal(['ONE', 'TWO'])
    expect(discovery.transports).to.deep.equal(['direct'])
    expect(discovery.peerGroupId).to.equal('com.example.shop')
    expect(discovery.localPeerId).to.equal(US)
    expect(one.context.peerGroupId).to.equal('com.example.shop')
    expect(one.context.localPeerId).to.equal(US)
    expect(one.calls).to.deep.equal([])
    expect(discovery.status('ONE', 'browse')).to.deep.equal({ state: 'offline' })
    expect(thrown(() => discovery.status('THREE', 'browse')).code).to.equal('ERR_PD_UNKNOWN_PROVIDER')
  })

  it('gives instances nothing in common', async () => {
    const [one, two] = [new FakeProvider(), new FakeProvider()]
    await using first = createPeerDiscovery({ peerGroupId: 'g', localPeerId: US, providers: [one.factory] })
    await using second = createPeerDiscovery({ peerGroupId: 'g', localPeerId: US, providers: [two.factory] })
    await Promise.all([first.startBrowsing(), second.startBrowsing()])
    one.context.peersFound([{ id: 'p', displayName: 'P' }])
    expect(first.peers).to.have.length(1)
    expect(second.peers).to.have.length(0)
  })

  it('refuses each mistake with its own code', () => {
    const { factory } = new FakeProvider()
    const route = new FakeTransport().factory
    expect(thrown(() => createPeerDiscovery(undefined as never))).to.be.instanceOf(TypeError)
    expect(code({ peerGroupId: 'a,b' })).to.equal('ERR_PD_GROUP_ID')
    expect(code({ localPeerId: 'AB'.repeat(32) })).to.equal('ERR_PD_PEER_ID')
    expect(code({ localPeerId: undefined })).to.equal('ERR_PD_PEER_ID')
    expect(code({ providers: [] })).to.equal('ERR_PD_NO_PROVIDERS')
    expect(code({ providers: factory })).to.equal('ERR_PD_INVALID_PROVIDER')
    for (const wrong of [
      null,
      undefined,
      'DNS-SD',
      () => factory,
      {},
      { ...factory, name: '' },
      { ...factory, create: 1 },
      { ...factory, capabilities: undefined },
      { ...factory, capabilities: { publishes: true } }
    ]) {
      expect(code({ providers: [wrong] })).to.equal('ERR_PD_INVALID_PROVIDER')
    }
    expect(code({ providers: [{ ...factory, contractVersion: 2 }] })).to.equal('ERR_PD_CONTRACT_VERSION')
    expect(code({ providers: [{ ...factory, contractVersion: undefined }] })).to.equal('ERR_PD_CONTRACT_VERSION')
    expect(code({ providers: [factory, new FakeProvider().factory] })).to.equal('ERR_PD_DUPLICATE_PROVIDER')
    expect(code({ transports: route })).to.equal('ERR_PD_INVALID_TRANSPORT')
    expect(code({ transports: [{ ...route, create: undefined }] })).to.equal('ERR_PD_INVALID_TRANSPORT')
    expect(code({ transports: [{ ...route, contractVersion: 0 }] })).to.equal('ERR_PD_CONTRACT_VERSION')
    expect(code({ transports: [route, new FakeTransport().factory] })).to.equal('ERR_PD_DUPLICATE_TRANSPORT')
    expect(
      code({
        providers: [new FakeProvider('BLE', { suppliesSocketFactory: true }).factory],
        transports: [new FakeTransport('BLE').factory]
      })
    ).to.equal('ERR_PD_DUPLICATE_TRANSPORT')
    expect(code({ providers: [{ ...factory, create: () => ({}) }] })).to.equal('ERR_PD_INVALID_PROVIDER')
    expect(code({ transports: [{ ...route, create: () => undefined }] })).to.equal('ERR_PD_INVALID_TRANSPORT')
  })

  it('shuts down what was created when a later plugin throws', async () => {
    const [fine, route, cause] = [new FakeProvider('FINE'), new FakeTransport(), new Error('no adapter')]
    const broken = defineTransport({
      ...route.factory,
      name: 'BROKEN',
      create: () => {
        throw cause
      }
    })
    const error = thrown(() =>
      createPeerDiscovery({ peerGroupId: 'g', localPeerId: US, providers: [fine.factory], transports: [route.factory, broken] })
    )
    expect(error.code).to.equal('ERR_PD_CREATE_FAILED')
    expect(error.cause).to.equal(cause)
    await settle()
    expect(fine.calls).to.deep.equal(['shutdown'])
    expect(route.stopped).to.equal(true)
  })

  it('does not suffer from a logger that throws', async () => {
    const provider = new FakeProvider()
    const bad = (): never => {
      throw new Error('disk full')
    }
    const logger = { debug: bad, info: bad, warn: bad, error: bad, child: () => logger }
    await using discovery = createPeerDiscovery({ peerGroupId: 'g', localPeerId: US, providers: [provider.factory], logger })
    discovery.addObserver({
      statusChanged: () => {
        throw new Error('bad observer')
      }
    })
    await discovery.startBrowsing()
    await settle()
    expect(discovery.status('FAKE', 'browse')).to.deep.equal({ state: 'online' })
  })

  it('tells plugins apart in the log', async () => {
    const logger = recordingLogger()
    const provider = new FakeProvider('DNS-SD')
    await using discovery = createPeerDiscovery({ peerGroupId: 'g', localPeerId: US, providers: [provider.factory], logger })
    provider.context.logger.child('browser').info('hello')
    expect(logger.entries.at(-1)).to.include({ name: 'test:DNS-SD:browser', message: 'hello' })
    expect(discovery.providers).to.deep.equal(['DNS-SD'])
  })
})

describe('Injector', () => {
  const [A, B, C] = [token<{ name: string }>('A'), token<{ name: string }>('B'), token<{ name: string }>('C')]

  it('makes each component once, when it is asked for', () => {
    let made = 0
    const injector = new Injector().value(A, { name: 'a' }).factory(B, (from) => {
      made++
      return { name: `b of ${from.get(A).name}` }
    })
    expect(made).to.equal(0)
    expect(injector.get(B)).to.equal(injector.get(B))
    expect(injector.get(B).name).to.equal('b of a')
    expect(made).to.equal(1)
  })

  it('names a circle', () => {
    const injector = new Injector()
      .factory(A, (from) => from.get(B))
      .factory(B, (from) => from.get(C))
      .factory(C, (from) => from.get(B))
    const error = thrown(() => injector.get(A))
    expect(error.code).to.equal('ERR_CORE_INJECTION_CYCLE')
    expect(error.message).to.include('B → C → B')
    expect(thrown(() => injector.get(A)).code).to.equal('ERR_CORE_INJECTION_CYCLE')
  })

  it('says who needs what is missing', () => {
    const error = thrown(() => new Injector().factory(A, (from) => from.get(B)).get(A))
    expect(error.code).to.equal('ERR_CORE_INJECTION')
    expect(error.message).to.include('A → B')
  })

  it("does not build a parent's component with a child's", () => {
    const parent = new Injector().factory(A, (from) => from.get(B))
    const child = new Injector(parent).value(B, { name: 'of the child' })
    expect(thrown(() => child.get(A)).code).to.equal('ERR_CORE_INJECTION')
    expect(child.get(B).name).to.equal('of the child')
  })

  it('ends what it owns, last first, everything, and reports all failures', async () => {
    const ended: string[] = []
    const injector = new Injector()
    injector.own(async () => {
      ended.push('first')
    })
    injector.own(async () => {
      ended.push('second')
      throw new Error('stuck')
    })
    injector.own(() => {
      ended.push('third')
      throw new Error('torn')
    })
    const error = await rejection(injector.dispose())
    expect(ended).to.deep.equal(['third', 'second', 'first'])
    expect(error.code).to.equal('ERR_CORE_DISPOSE')
    expect((error.cause as AggregateError).errors.map((each: Error) => each.message)).to.deep.equal(['torn', 'stuck'])
    expect(await rejection(injector.dispose())).to.equal(error)
    expect(
      thrown(() => {
        injector.own(async () => {})
      })
    ).to.be.instanceOf(TypeError)
  })

  it('disposes of nothing gladly', async () => {
    await new Disposer().dispose()
  })
})

describe('registerPeerDiscovery', () => {
  it('registers one lazily made discovery and shuts it down', async () => {
    const provider = new FakeProvider()
    const factories = new Map<symbol, () => unknown>()
    const end = registerPeerDiscovery(
      { register: (key, { useFactory }) => factories.set(key, useFactory) },
      { peerGroupId: 'g', localPeerId: US, providers: [provider.factory] }
    )
    expect(provider.context).to.equal(undefined)
    const resolve = factories.get(PEER_DISCOVERY)
    expect(resolve?.()).to.equal(resolve?.())
    await end()
    expect(provider.calls).to.deep.equal(['shutdown'])
  })

  it('has nothing to shut down when it was never resolved', async () => {
    await registerPeerDiscovery({ register: () => {} }, { peerGroupId: 'g', localPeerId: US, providers: [new FakeProvider().factory] })()
  })
})

import { networkInterfaces } from 'node:os'
import type { NetworkInterfaceInfo } from 'node:os'
import { expect } from 'chai'
import { systemClock } from '@kithmesh/core'
import type { Metadata, PeerDiscoveryProvider } from '@kithmesh/core'
import { eventually, fastClock, manualClock, recordingContext, rejection, within } from '@kithmesh/testkit'
import type { RecordingContext } from '@kithmesh/testkit'
import { dnssd, dnssdErrors } from '@kithmesh/provider-dnssd'
import type { DnssdOptions } from '@kithmesh/provider-dnssd'
import { nextPort } from './support/ports.ts'

const metadata = (entries: Record<string, string>): Metadata =>
  new Map(Object.entries(entries).map(([key, value]) => [key, Buffer.from(value)]))
const id = (letter: string): string => letter.repeat(64)

interface Machine {
  readonly context: RecordingContext
  readonly provider: PeerDiscoveryProvider
}

describe('dnssd', () => {
  let port: number
  let machines: Machine[]
  beforeEach(() => {
    port = nextPort()
    machines = []
  })
  afterEach(async () => {
    await Promise.all(machines.map(({ provider }) => provider.shutdown()))
  })

  const machine = (letter: string, options: DnssdOptions = {}, clock = systemClock): Machine => {
    const context = recordingContext({ peerGroupId: 'com.example.shop', localPeerId: id(letter) })
    const provider = dnssd({ interfaces: ['127.0.0.1'], port, probe: false, ...options }).create({ ...context, clock })
    const made = { context, provider }
    machines.push(made)
    return made
  }

  it('names peers by their full service name and resolves them to host, port and all addresses', async () => {
    const a = machine('a', { interfaces: ['lo'], hostName: 'till', databaseName: 'my db' })
    const b = machine('b', { interfaces: ['lo'], databaseName: 'my db' })
    await b.provider.startBrowsing()
    await a.provider.startPublishing({ displayName: 'Mr. Smith', port: 4984, metadata: metadata({ a: '1' }) })
    const peer = await eventually('the peer', () => [...b.context.peers.values()][0])
    expect(peer.id).to.equal('Mr\\. Smith._couchbaseP2P._tcp.local')
    expect(peer.displayName).to.equal('Mr. Smith')
    const { url, addresses } = await b.provider.resolveUrl(peer.id, { signal: AbortSignal.timeout(30_000) })
    expect(url).to.equal('wss://till.local:4984/my%20db')
    const own = networkInterfaces().lo!.map(({ address }) => address)
    expect([...addresses].sort()).to.deep.equal(own.sort())
  })
  it('finds services of its own type only', async () => {
    const [a, b] = [machine('a', { serviceType: '_kith-test._udp' }), machine('b', { serviceType: '_kith-test._udp' })]
    const [c, d] = [machine('c'), machine('d')]
    for (const { provider } of [b, d]) await provider.startBrowsing()
    await a.provider.startPublishing({ displayName: 'Till', port: 1, metadata: new Map() })
    await c.provider.startPublishing({ displayName: 'Shop', port: 2, metadata: new Map() })
    await eventually('both', () => b.context.peers.size > 0 && d.context.peers.size > 0)
    expect([...b.context.peers.keys()]).to.deep.equal(['Till._kith-test._udp.local'])
    expect([...d.context.peers.keys()]).to.deep.equal(['Shop._couchbaseP2P._tcp.local'])
  })
  it('publishes no addresses of a family that it does not use', async () => {
    const a = machine('a', { interfaces: ['lo'], ipv6: false })
    const b = machine('b', { interfaces: ['lo'] })
    await b.provider.startBrowsing()
    await a.provider.startPublishing({ displayName: 'Till', port: 1, metadata: new Map() })
    const peer = await eventually('the peer', () => [...b.context.peers.values()][0])
    const { addresses } = await b.provider.resolveUrl(peer.id, { signal: AbortSignal.timeout(5000) })
    expect(addresses).to.deep.equal(['127.0.0.1'])
  })
  it('does not report a service that claims the own peer id', async () => {
    const a = machine('a')
    const b = machine('b')
    await a.provider.startBrowsing()
    await b.provider.startPublishing({ displayName: 'Elsewhere', port: 1, metadata: metadata({ _PID: id('a').toUpperCase() }) })
    const c = machine('c')
    await c.provider.startPublishing({ displayName: 'Other', port: 1, metadata: new Map([['_PID', Buffer.alloc(32, 0xaa)]]) })
    const d = machine('d')
    await d.provider.startPublishing({ displayName: 'Marker', port: 1, metadata: metadata({ _PID: id('d') }) })
    await eventually('the marker', () => a.context.peers.size > 0)
    expect([...a.context.namesSeen]).to.deep.equal(['Marker'])
  })
  it('announces a name at once unless it is to probe first', async () => {
    const clock = manualClock()
    const publish = async (letter: string, probe: boolean): Promise<void> => {
      await machine(letter, { probe }, clock).provider.startPublishing({ displayName: letter, port: 1, metadata: new Map() })
    }
    /** Time passes until it is done. */
    const passing = async (what: string, work: Promise<unknown>): Promise<void> => {
      let over = false
      void work.then(() => {
        over = true
      })
      await eventually(what, async () => {
        await clock.advance(50)
        return over
      })
    }
    await within(publish('a', false), 10_000, 'publishing without probes, while no time passes')
    const start = clock.monotonic()
    await passing('the other to be published', publish('b', true))
    expect(clock.monotonic() - start).to.be.at.least(750)
    await passing('the end', Promise.all(machines.map(({ provider }) => provider.shutdown())))
  })
  it('reports its number when the name is taken by a machine that probed', async () => {
    const clock = fastClock(5)
    const [a, b] = [machine('a', { probe: true }, clock), machine('b', { probe: true }, clock)]
    await b.provider.startBrowsing()
    await a.provider.startPublishing({ displayName: 'Shop', port: 1, metadata: metadata({ n: '1' }) })
    await b.provider.startPublishing({ displayName: 'Shop', port: 2, metadata: metadata({ n: '2' }) })
    await a.provider.startBrowsing()
    await eventually('each other', () => a.context.namesSeen.has('Shop 2') && b.context.namesSeen.has('Shop'))
    expect(a.context.namesSeen.size + b.context.namesSeen.size).to.equal(2)
  })
  it('shares sockets between the providers of one factory, and keeps them while one is needed', async () => {
    const factory = dnssd({ interfaces: ['127.0.0.1'], port, probe: false })
    const [a, b] = ['a', 'b'].map((letter) => {
      const context = recordingContext({ peerGroupId: 'com.example.shop', localPeerId: id(letter) })
      const made = { context, provider: factory.create(context) }
      machines.push(made)
      return made
    }) as [Machine, Machine]
    await a.provider.startPublishing({ displayName: 'A', port: 1, metadata: new Map() })
    await b.provider.startPublishing({ displayName: 'B', port: 2, metadata: new Map() })
    await a.provider.startBrowsing()
    await b.provider.startBrowsing()
    await eventually('each other', () => a.context.namesSeen.has('B') && b.context.namesSeen.has('A'))
    await a.provider.shutdown()
    const c = machine('c')
    await c.provider.startBrowsing()
    await eventually('B', () => c.context.namesSeen.has('B'))
    expect(c.context.namesSeen.has('A')).to.equal(false)
  })
  it('notices interfaces that come and go', async () => {
    const clock = fastClock(20)
    let up = true
    const lo = networkInterfaces().lo as NetworkInterfaceInfo[]
    const listInterfaces = (): Record<string, NetworkInterfaceInfo[]> => (up ? { lo } : {})
    const a = machine('a', { interfaces: ['lo'], listInterfaces }, clock)
    const b = machine('b')
    await b.provider.startPublishing({ displayName: 'Shop', port: 1, metadata: new Map() })
    await a.provider.startBrowsing()
    await eventually('the peer', () => a.context.peers.size === 1)
    up = false
    await eventually('its loss', () => a.context.peers.size === 0)
    expect(a.context.status('browse')).to.equal('online')
    up = true
    await eventually('its return', () => a.context.peers.size === 1)
  })
  it('rejects with a code and reports failed without a usable interface, and can be started again', async () => {
    let there = false
    const a = machine('a', { interfaces: ['lo'], listInterfaces: () => (there ? networkInterfaces() : {}) })
    expect((await rejection(a.provider.startBrowsing())).code).to.equal('ERR_DNSSD_NO_INTERFACE')
    expect((await rejection(a.provider.startPublishing({ displayName: 'A', port: 1, metadata: new Map() }))).code).to.equal(
      'ERR_DNSSD_NO_INTERFACE'
    )
    expect([a.context.status('browse'), a.context.status('publish')]).to.deep.equal(['failed', 'failed'])
    there = true
    await a.provider.startBrowsing()
    await a.provider.startPublishing({ displayName: 'A', port: 1, metadata: new Map() })
    expect([a.context.status('browse'), a.context.status('publish')]).to.deep.equal(['online', 'online'])
  })
  it('rejects with a code when the address cannot be bound', async () => {
    const a = machine('a', {
      interfaces: ['192.0.2.250'],
      listInterfaces: () => ({
        ghost: [{ address: '192.0.2.250', netmask: '255.255.255.0', cidr: '192.0.2.250/24', family: 'IPv4', mac: '', internal: false }]
      })
    })
    expect((await rejection(a.provider.startBrowsing())).code).to.equal('ERR_DNSSD_SOCKET')
  })
  it('refuses metadata that no packet can carry, and ports that do not exist', async () => {
    const a = machine('a')
    const large = new Map(Array.from({ length: 60 }, (_, index) => [`key${index}`, Buffer.alloc(200)] as const))
    expect((await rejection(a.provider.startPublishing({ displayName: 'A', port: 1, metadata: large }))).code).to.equal(
      'ERR_DNSSD_TOO_LARGE'
    )
    expect(await rejection(a.provider.startPublishing({ displayName: 'A', port: 0, metadata: new Map() }))).to.be.instanceOf(TypeError)
  })
  it('carries 6 kB of metadata', async () => {
    const [a, b] = [machine('a'), machine('b')]
    await b.provider.startBrowsing()
    const large = new Map(Array.from({ length: 30 }, (_, index) => [`key${index}`, Buffer.alloc(190, index)] as const))
    await a.provider.startPublishing({ displayName: 'A', port: 1, metadata: large })
    const peer = await eventually('the peer', () => [...b.context.peers.values()].find((found) => found.metadata.size === 30))
    expect(Buffer.from(peer.metadata.get('key29')!)).to.deep.equal(Buffer.alloc(190, 29))
  })
  it('refuses options that cannot work', () => {
    const wrong: DnssdOptions[] = [
      { serviceType: 'http' },
      { port: 0 },
      { interfaces: [] },
      { ipv4: false, ipv6: false },
      { databaseName: '' },
      { hostName: 'a.local' }
    ]
    for (const options of wrong) expect(() => dnssd(options), JSON.stringify(options)).to.throw(TypeError)
  })
  it('describes every error code with a hint', () => {
    for (const [code, { when, hint }] of Object.entries(dnssdErrors.catalogue)) {
      expect(code).to.match(/^ERR_DNSSD_[A-Z_]+$/)
      expect(when).to.match(/\.$/)
      expect(hint).to.match(/\.$/)
    }
  })
})

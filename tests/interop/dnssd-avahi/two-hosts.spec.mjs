import { expect } from 'chai'
import { eventually } from '@kithmesh/testkit'
import { Cable, stop } from './namespaces.mjs'
import { startPeer } from './peer.mjs'

const group = 'com.example.shop'
const links = {
  'IPv4 and IPv6': {},
  'IPv4 alone': { ipv6: false },
  'IPv6 alone': { ipv4: false }
}

for (const [title, families] of Object.entries(links)) {
  describe(`DNS-SD between two hosts over ${title}`, () => {
    let cable
    before(async () => {
      cable = await Cable.create(families)
    })
    after(() => cable?.[Symbol.asyncDispose]())
    afterEach(() => Promise.all(cable.hosts.map((host) => host.stopAll())))

    it('peers find and resolve each other, see changes and goodbyes', async () => {
      const [a, b] = await Promise.all(cable.hosts.map((host) => startPeer(host, { group })))
      await Promise.all([a.startBrowsing(), b.startBrowsing()])
      await Promise.all([a.startPublishing('A', 1001, { n: '1' }), b.startPublishing('B', 1002, { n: '1' })])
      const [foundB, foundA] = await Promise.all([a.finds('B'), b.finds('A')])
      const { url, addresses } = await a.resolveUrl(foundB.id)
      expect(new URL(url).port).to.equal('1002')
      if (families.ipv4 !== false) expect(addresses).to.include('10.77.0.2')
      if (families.ipv6 !== false) {
        expect(addresses).to.include('fd77::2')
        expect(addresses.some((address) => /^fe80::.+%v/.test(address) && address.endsWith(`%${cable.hosts[0].interface}`))).to.equal(true)
      }
      expect(addresses.some((address) => address.includes(':'))).to.equal(families.ipv6 !== false)
      expect(addresses.some((address) => address.includes('.'))).to.equal(families.ipv4 !== false)
      await b.updateMetadata({ n: '2' })
      await eventually('the change', () => a.peers.get(foundB.id)?.metadata.n === '2')
      await a.stopPublishing()
      await b.loses('A')
      expect(b.peers.has(foundA.id)).to.equal(false)
      expect(a.peers.size).to.equal(1)
    })
    it('a peer that is killed and comes back under another port is resolved anew', async () => {
      const [near, far] = cable.hosts
      const a = await startPeer(near, { group })
      await a.startBrowsing()
      const b = await startPeer(far, { group, hostName: 'b' })
      await b.startPublishing('B', 1002, { run: '1' })
      const { id } = await a.finds('B')
      await stop(b.child, 'SIGKILL')
      const again = await startPeer(far, { group, hostName: 'b' })
      await again.startPublishing('B', 1003, { run: '2' })
      await eventually('the restart', () => a.peers.get(id)?.metadata.run === '2')
      expect(a.peers.size).to.equal(1)
      expect(new URL((await a.resolveUrl(id)).url).port).to.equal('1003')
    })
  })
}

describe('DNS-SD between two hosts of which each allows one address family', () => {
  let cable
  before(async () => {
    cable = await Cable.create()
  })
  after(() => cable?.[Symbol.asyncDispose]())

  for (const options of [{ ipv6: false }, { ipv4: false }]) {
    it(`works with ${JSON.stringify(options)}`, async () => {
      const [a, b] = await Promise.all(cable.hosts.map((host) => startPeer(host, { group, ...options })))
      await a.startBrowsing()
      await b.startPublishing('B', 1002, {})
      const { id } = await a.finds('B')
      const { addresses } = await a.resolveUrl(id)
      expect(addresses.length).to.be.above(0)
      expect(addresses.every((address) => address.includes(':') === (options.ipv4 === false))).to.equal(true)
      await Promise.all([a, b].map(({ child }) => stop(child)))
    })
  }
})

describe('DNS-SD between two hosts with two cables', () => {
  let cable
  let second
  before(async () => {
    cable = await Cable.create()
    second = await cable.second()
  })
  after(() => cable?.[Symbol.asyncDispose]())
  afterEach(() => Promise.all(cable.hosts.map((host) => host.stopAll())))
  const onFirst = (address) => /^(10\.77\.|fd77:)/.test(address)
  const onSecond = (address) => /^(10\.78\.|fd78:)/.test(address)

  it('a peer is one peer, with the addresses of both, and each link is told its own addresses only', async () => {
    const [near, far] = cable.hosts
    const both = await startPeer(near, { group, interfaces: undefined })
    const single = await startPeer(near, { group, interfaces: [second[0]] })
    const b = await startPeer(far, { group, interfaces: undefined })
    await Promise.all([both.startBrowsing(), single.startBrowsing()])
    await b.startPublishing('B', 1002, {})
    const { id } = await both.finds('B')
    await single.finds('B')
    const all = await eventually('addresses of both links', async () => {
      const { addresses } = await both.resolveUrl(id)
      return addresses.some(onFirst) && addresses.some(onSecond) && addresses
    })
    expect(all.filter((address) => address.startsWith('fe80')).length).to.equal(2)
    const { addresses } = await single.resolveUrl(id)
    expect(addresses.some(onSecond)).to.equal(true)
    expect(addresses.some(onFirst)).to.equal(false)
    expect(both.events.filter(({ type }) => type === 'found').length).to.equal(1)
  })
  it('a peer stays while one of the links stays, and a link that returns is used again', async () => {
    const [near, far] = cable.hosts
    const a = await startPeer(near, { group, interfaces: undefined })
    await a.startBrowsing()
    const b = await startPeer(far, { group, interfaces: undefined })
    await b.startPublishing('B', 1002, { n: '1' })
    const { id } = await a.finds('B')
    far.command('ip', 'link', 'set', far.interface, 'down')
    await eventually('the addresses of the first link to go', async () => !(await a.resolveUrl(id)).addresses.some(onFirst), {
      everyMs: 100
    })
    await b.updateMetadata({ n: '2' })
    await eventually('the change over the second link', () => a.peers.get(id)?.metadata.n === '2')
    far.command('ip', 'link', 'set', far.interface, 'up')
    await eventually('the addresses of the first link to return', async () => (await a.resolveUrl(id)).addresses.some(onFirst), {
      everyMs: 100
    })
    expect(a.events.filter(({ type }) => type === 'lost')).to.deep.equal([])
  })
})

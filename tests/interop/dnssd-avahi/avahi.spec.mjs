import { expect } from 'chai'
import { eventually } from '@kithmesh/testkit'
import { startAvahi } from './avahi.mjs'
import { Cable, stop } from './namespaces.mjs'
import { startPeer } from './peer.mjs'

const type = '_couchbaseP2P._tcp'
/**
 * Groups as avahi's programs take them: dots inside the label behind a backslash. They only accept sub-types that begin
 * with an underscore; for other groups see the test with a record of its own.
 */
const groups = { '_my-cool-app': '_my-cool-app', '_com.example.shop': '_com\\.example\\.shop' }

describe('DNS-SD with avahi', () => {
  let cable
  let avahi
  let host
  before(async () => {
    cable = await Cable.create()
    avahi = await startAvahi(cable.hosts[0])
    host = cable.hosts[1]
  })
  after(async () => {
    await avahi?.[Symbol.asyncDispose]()
    await cable?.[Symbol.asyncDispose]()
  })
  afterEach(() => Promise.all([host.stopAll(), avahi.release()]))

  /** Until these services and no others answer avahi, which does not wait for those that are slow. */
  const avahiKnows = (what, names) => {
    const known = () => [...new Set(avahi.look(what).map(({ name }) => name))].sort()
    return eventually(`${names.join(' and ')} to be known to avahi`, () => known().join() === names.join(), { everyMs: 100 })
  }

  for (const [group, subtype] of Object.entries(groups)) {
    describe(`in the group ${group}`, () => {
      it('we find what avahi-publish-service publishes, resolve it, and hear its goodbye', async () => {
        const peer = await startPeer(host, { group })
        await peer.startBrowsing()
        const child = await avahi.publish('Käthe. Till', { subtype, port: 4984, txt: ['_DID=abc', 'k=v=w'] })
        const found = await peer.finds('Käthe. Till')
        expect(found.id).to.equal(`Käthe\\. Till.${type}.local`)
        expect(found.metadata).to.deep.equal({ _DID: 'abc', k: 'v=w' })
        const { url, addresses } = await peer.resolveUrl(found.id)
        expect(url).to.equal('wss://avahi-host.local:4984/db')
        expect(addresses).to.include.members(['10.77.0.1', 'fd77::1'])
        for (const address of addresses) if (address.startsWith('fe80')) expect(address).to.match(new RegExp(`%${host.interface}$`))
        await stop(child)
        await peer.loses('Käthe. Till')
      })
      it('we find what avahi published before, and every change of its TXT data', async () => {
        const service = await avahi.publishGroup('Shop', { subtype, port: 4985, txt: ['n=0'] })
        const peer = await startPeer(host, { group })
        await peer.startBrowsing()
        const { id } = await peer.finds('Shop')
        expect(peer.peers.get(id).metadata).to.deep.equal({ n: '0' })
        for (let n = 1; n <= 10; n++) {
          await service.updateTxt([`n=${n}`, 'more=yes'])
          await eventually(`n=${n}`, () => peer.peers.get(id)?.metadata.n === String(n))
        }
        expect(peer.events.filter((event) => event.type === 'lost')).to.deep.equal([])
        await service.withdraw()
        await peer.loses('Shop')
      })
      it('avahi-browse finds and resolves us, sees changed metadata and our goodbye', async () => {
        const browser = avahi.browse(`${subtype}._sub.${type}`)
        const peer = await startPeer(host, { group, hostName: 'till' })
        await peer.startPublishing('Mr. Smith', 4986, { _DID: 'abc', empty: '' })
        await eventually('avahi to find us', () => browser.lines().some(({ event, name }) => event === '+' && name === 'Mr. Smith'))
        const resolved = () => avahi.look(`${subtype}._sub.${type}`).filter(({ event, name }) => event === '=' && name === 'Mr. Smith')
        const isThere = (lines) => ['IPv4', 'IPv6'].every((family) => lines.some(({ protocol }) => protocol === family)) && lines
        const lines = await eventually('avahi to resolve us over both families', () => isThere(resolved()), { everyMs: 100 })
        for (const line of lines) {
          expect(line).to.deep.include({ host: 'till.local', port: 4986, domain: 'local' })
          expect([...line.txt].sort()).to.deep.equal(['_DID=abc', 'empty='])
          expect(['10.77.0.2', 'fd77::2']).to.satisfy((own) => own.includes(line.address) || line.address.startsWith('fe80:'))
        }
        await peer.updateMetadata({ _DID: 'def' })
        await eventually('avahi to see the change', () => resolved().every(({ txt }) => txt.join() === '_DID=def'), {
          everyMs: 100
        })
        const from = browser.lines().length
        await peer.stopPublishing()
        await eventually('avahi to hear our goodbye', () =>
          browser
            .lines()
            .slice(from)
            .some(({ event, name }) => event === '-' && name === 'Mr. Smith')
        )
      })
    })
  }

  it('we find a service of a group without underscore, which avahi publishes when it is given the PTR record', async () => {
    const service = await avahi.publishGroup('Shop', { group: 'com.example.shop', port: 4991, txt: ['n=0'] })
    const peer = await startPeer(host, { group: 'com.example.shop' })
    await peer.startBrowsing()
    expect((await peer.finds('Shop')).metadata).to.deep.equal({ n: '0' })
    await service.withdraw()
    await peer.loses('Shop')
  })
  it('groups are kept apart in both directions', async () => {
    const ours = await startPeer(host, { group: '_group-a' })
    await ours.startBrowsing()
    await ours.startPublishing('Ours', 4987, {})
    await avahi.publish('Foreign', { subtype: '_group-b', port: 1 })
    await avahi.publish('Own', { subtype: '_group-a', port: 2 })
    await ours.finds('Own')
    expect([...ours.peers.values()].map(({ displayName }) => displayName)).to.deep.equal(['Own'])
    await avahiKnows(`_group-a._sub.${type}`, ['Ours', 'Own'])
    await avahiKnows(`_group-b._sub.${type}`, ['Foreign'])
    await avahiKnows(type, ['Foreign', 'Ours', 'Own'])
  })
  it('we take another name when avahi has ours', async () => {
    await avahi.publish('Shop', { subtype: '_group-a', port: 1 })
    const peer = await startPeer(host, { group: '_group-a' })
    await peer.startPublishing('Shop', 4988, {})
    await avahiKnows(`_group-a._sub.${type}`, ['Shop', 'Shop 2'])
  })
  it('avahi takes another name when we have its', async () => {
    const peer = await startPeer(host, { group: '_group-a' })
    await peer.startPublishing('Shop', 4989, {})
    const second = await avahi.publish('Shop', { subtype: '_group-a', port: 1 })
    await eventually('avahi to step back', () => /#2/.test(second.output))
  })
  it('avahi lists our service type', async () => {
    const peer = await startPeer(host, { group: '_group-a' })
    await peer.startPublishing('Shop', 4990, {})
    const browser = avahi.browse('--all')
    await eventually('the service type', () => browser.lines().some((line) => line.type === type && line.name === 'Shop'))
  })
})

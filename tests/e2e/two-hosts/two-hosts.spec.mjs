// `kithmesh sync` on two hosts with nothing but a cable between them.
import { join } from 'node:path'
import { expect } from 'chai'
import { expectEqual } from '../support/equal.mjs'
import { cleanUp, documentBecomes, done, newGroup, run, start, temporaryDirectory } from '../support/kithmesh.mjs'
import { cable, ipv4Addresses, makeHosts } from './hosts.mjs'

describe('kithmesh sync on two hosts', () => {
  let network
  let home

  beforeEach(() => {
    home = temporaryDirectory()
  })
  afterEach(async () => {
    try {
      await cleanUp()
    } finally {
      network?.remove()
      network = undefined
    }
  })

  const sync = (host, directory, group, name) =>
    start(['sync', directory, '--group', group, '--name', name, '--first-use', '--json'], { host: host.name })
  const connected = (command) =>
    command.event(({ event, state }) => event === 'link' && (state === 'busy' || state === 'idle'), 'a connection')

  /** Starts both, and resolves with them and their directories once documents crossed in both directions, those from before and new ones. */
  async function exchange() {
    const group = newGroup()
    const [shop, store] = [join(home, 'shop'), join(home, 'store')]
    await done(['put', shop, 'before:shop', '{"n":1}'])
    await done(['put', store, 'before:store', '{"n":2}'])
    const [a, b] = [sync(network.hosts[0], shop, group, 'shop'), sync(network.hosts[1], store, group, 'store')]
    const links = await Promise.all([connected(a), connected(b)])
    await documentBecomes(store, 'before:shop', (body) => body?.n === 1)
    await documentBecomes(shop, 'before:store', (body) => body?.n === 2)
    await done(['put', shop, 'live', '{"n":3}'])
    await documentBecomes(store, 'live', (body) => body?.n === 3)
    await done(['put', store, 'live', '{"n":4}'])
    await documentBecomes(shop, 'live', (body) => body?.n === 4)
    return { a, b, shop, store, group, routes: links.map(({ route }) => route) }
  }

  async function finish({ a, b, shop, store }) {
    expect(await a.stop(), a.err).to.equal(0)
    expect(await b.stop(), b.err).to.equal(0)
    await expectEqual(shop, store)
  }

  it('finds the other host by multicast and carries edits across', async () => {
    network = makeHosts({ ipv4: true })
    const running = await exchange()
    for (const route of running.routes) expect(route).to.match(/^direct (10\.77\.0\.[12]|\[fe80:.*\]):\d+$/)
    const peers = await run(['peers', '--group', running.group, '--seconds', 6, '--json'], { host: network.hosts[0].name })
    expect(peers.lines.map(({ name }) => name)).to.include('store')
    expect(peers.lines.find(({ name }) => name === 'store').seen[0].addresses).to.include('10.77.0.2')
    await finish(running)
  })

  it('needs no IPv4', async () => {
    network = makeHosts({ ipv4: false })
    for (const host of network.hosts) expect(ipv4Addresses(host)).to.deep.equal([])
    const running = await exchange()
    for (const route of running.routes) expect(route).to.match(/^direct \[fe80:[^\]]*\]:\d+$/)
    await finish(running)
  })

  it('comes together again after the cable was out and the other side was cut off', async () => {
    network = makeHosts({ ipv4: true })
    const running = await exchange()
    const { a, shop, store, group } = running
    cable(network.hosts[0], 'down')
    await running.b.kill()
    await done(['put', store, 'while the cable was out', '{}'])
    await done(['put', shop, 'also meanwhile', '{}'])
    cable(network.hosts[0], 'up')
    const b = sync(network.hosts[1], store, group, 'store')
    await documentBecomes(store, 'also meanwhile', (body) => body !== undefined)
    await documentBecomes(shop, 'while the cable was out', (body) => body !== undefined)
    await finish({ a, b, shop, store })
  })
})

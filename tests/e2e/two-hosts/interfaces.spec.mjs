// `kithmesh serve` and `kithmesh replicate` bound to a network interface, and one that comes back.
import { join } from 'node:path'
import { expect } from 'chai'
import { eventually } from '../../support/eventually.mjs'
import { cleanUp, done, documentBecomes, run, start, temporaryDirectory } from '../support/kithmesh.mjs'
import { cable, isRunning, makeHosts } from './hosts.mjs'

describe('a network interface', () => {
  let network
  let home

  beforeEach(async () => {
    home = temporaryDirectory()
    network = makeHosts({ ipv4: true })
    await eventually('the cable', () => network.hosts.every(isRunning))
  })
  afterEach(async () => {
    try {
      await cleanUp()
    } finally {
      network.remove()
    }
  })

  const serve = async (host, directory, networkInterface) => {
    const words = ['serve', directory, '--port', '0', '--db', 'db', '--tls', 'off', '--interface', networkInterface, '--json']
    const server = start(words, { host: host.name })
    const { urls } = await server.event(({ event }) => event === 'listening', 'the addresses')
    return urls
  }

  it('is the only one that is listened on, and connected from', async () => {
    const [a, b] = network.hosts
    const [here, there] = [join(home, 'here'), join(home, 'there')]
    await done(['put', here, 'doc', '{"n":1}'])
    const [url, ...others] = await serve(b, there, b.device)
    expect(url).to.match(/^ws:\/\/10\.77\.0\.2:\d+\/db$/)
    for (const other of others) expect(other).to.match(/^ws:\/\/\[fe80:[0-9a-f:]*\]:\d+\/db$/)
    const local = new URL(url)
    local.hostname = '127.0.0.1'
    const refused = await run(['replicate', join(home, 'local'), local.href, '--attempts', '1'], { host: b.name })
    expect(refused.err).to.contain('ECONNREFUSED')
    await done(['replicate', here, url, '--interface', a.device], { host: a.name })
    await documentBecomes(there, 'doc', (body) => body?.n === 1)
    const missing = await run(['replicate', here, url, '--interface', b.device, '--attempts', '1'], { host: a.name })
    expect(missing.err).to.contain(`no network interface "${b.device}"`)
  })

  it('is waited for by a continuous replicator, which connects as soon as it is there', async () => {
    const [a, b] = network.hosts
    const here = join(home, 'here')
    await done(['put', here, 'doc', '{"n":1}'])
    const [url] = await serve(b, join(home, 'there'), b.device)
    cable(a, 'down')
    const live = start(['replicate', here, url, '--continuous', '--interface', a.device, '--json'], { host: a.name })
    // Waits of 2, 4 and 8 seconds are over; the one of 16 has begun.
    const failures = () => live.events.filter(({ activity }) => activity === 'offline')
    await live.until(() => failures().length === 4, 'the fourth failure')
    expect(failures()[3].error).to.contain('no network interface')
    const back = Date.now()
    cable(a, 'up')
    await live.event(({ activity }) => activity === 'idle', 'a connection')
    expect(Date.now() - back).to.be.lessThan(14_000)
    await documentBecomes(join(home, 'there'), 'doc', (body) => body?.n === 1)
    expect(await live.stop(), live.err).to.equal(0)
  })
})

// `kithmesh explain` beside running `kithmesh sync` processes: how a device is connected to, or why not.
import { join } from 'node:path'
import { writeFileSync } from 'node:fs'
import { expect } from 'chai'
import { createPeerDiscovery } from '@kithmesh/core'
import { openOrCreateIdentity } from '@kithmesh/identity'
import { dnssd } from '@kithmesh/provider-dnssd'
import { freePorts } from '../../support/ports.mjs'
import { cleanUp, done, look, newGroup, run, temporaryDirectory, uniqueName } from '../support/kithmesh.mjs'
import { connected, startSync } from './support.mjs'

const [TILL, STORE] = ['till', 'store'].map(uniqueName)

describe('kithmesh explain', () => {
  let group
  let home
  let till
  beforeEach(() => {
    group = newGroup()
    home = temporaryDirectory()
    till = join(home, 'till')
  })
  afterEach(cleanUp)

  const explain = (...words) => run(['explain', ...words, '--group', group, '--interface', 'lo'])
  const running = async (trust = ['--insecure']) => {
    const sync = startSync(till, group, TILL, { trust })
    return await sync.event(({ event }) => event === 'started', 'the start')
  }

  it('connects to a device by its name, and says how, without a document moving', async () => {
    await done(['put', till, 'a', '{}'])
    const { peerId } = await running()
    const { code, out, err } = await explain(TILL.toUpperCase())
    expect(err).to.equal('')
    expect(code).to.equal(0)
    const lines = out.split('\n')
    expect(lines[0]).to.match(new RegExp(`^${TILL} \\(${peerId}\\): connected by direct \\S+ after \\d+ ms$`))
    expect(lines).to.include('seen').and.include('tried')
    expect(out).to.match(/^ {2}DNS-SD {2}\S+\._couchbaseP2P\._tcp\.local {2}wss:\/\/\S+ .*127\.0\.0\.1/m)
    expect(out).to.match(/^ {2}direct {2}DNS-SD {2}\S+ {2}won {2}\d+ ms/m)
    expect(out).to.match(/^identity {2}it proved to be /m)
    expect(out).to.match(/^there {5}it accepts an unknown device/m)
    await look(till, (database) => expect(database.collection().count).to.equal(1))
  })

  it('and by the first digits of its id, in one line of JSON', async () => {
    const { peerId } = await running()
    const { code, lines } = await explain(peerId.slice(0, 8), '--trust', peerId, '--json')
    expect(code).to.equal(0)
    expect(lines).to.have.lengthOf(1)
    expect(lines[0]).to.deep.include({
      event: 'explained',
      peerId,
      name: TILL,
      connected: true,
      identity: { state: 'yes' },
      here: { state: 'yes' }
    })
    expect(lines[0].report.sightings[0]).to.include({ provider: 'DNS-SD', connectable: true })
    expect(lines[0].report.attempts[0]).to.include({ strategy: 'direct', state: 'won' })
    expect(lines[0].report.attempts[0].steps.length).to.be.at.least(1)
  })

  it('says who does not accept whom, with the identity of a directory', async () => {
    const store = join(home, 'store')
    await openOrCreateIdentity(store, { commonName: STORE })
    const { peerId } = await running(['--trust', 'f'.repeat(64)])
    const strict = await explain(TILL, '--dir', store, '--json')
    expect(strict.code, 'there was a connection').to.equal(0)
    expect(strict.lines[0].here).to.include({ state: 'no' })
    expect(strict.lines[0].there).to.include({ state: 'no' })
    const people = await explain(TILL, '--dir', store)
    expect(people.out).to.match(/^here {6}this side does not accept it: /m)
    expect(people.out).to.match(/^there {5}it does not accept this side/m)
    await done(['peers', 'allow', store, peerId])
    expect((await explain(TILL, '--dir', store, '--json')).lines[0].here).to.include({ state: 'yes' })
    await done(['peers', 'block', store, peerId])
    expect((await explain(TILL, '--dir', store, '--insecure', '--json')).lines[0].here).to.include({ state: 'no' })
    const password = join(home, 'password')
    writeFileSync(password, 'tomatoes')
    const proof = await explain(TILL, '--password-file', password, '--json')
    expect(proof.lines[0].here).to.include({ state: 'proof' })
  })

  it('says that nobody answers at the addresses of a device', async () => {
    const [port] = await freePorts(1)
    const peerId = 'e'.repeat(64)
    const discovery = createPeerDiscovery({ peerGroupId: group, localPeerId: peerId, providers: [dnssd({ interfaces: ['lo'] })] })
    try {
      await discovery.startPublishing({ displayName: TILL, port })
      const { code, lines, err } = await explain(TILL, '--json')
      expect(code).to.equal(1)
      expect(err).to.include('ERR_CLI_NOT_CONNECTED')
      expect(lines[0]).to.include({ event: 'explained', connected: false, peerId })
      const attempt = lines[0].report.attempts.find(({ strategy }) => strategy === 'direct')
      expect(attempt).to.include({ state: 'failed', code: 'ERR_DIRECT_DIAL' })
      expect(attempt.hint).to.be.a('string').and.not.equal('')
      const refused = attempt.steps.filter((step) => step.code === 'ECONNREFUSED').map(({ address }) => address)
      expect(refused).to.have.members([`127.0.0.1:${port}`, `[::1]:${port}`])
      const people = await explain(TILL)
      expect(people.out).to.match(new RegExp(`^ +\\+\\d+ ms dial 127\\.0\\.0\\.1:${port}: ECONNREFUSED$`, 'm'))
    } finally {
      await discovery.shutdown()
    }
  })

  it('says that nobody was found, who was, and what to do', async () => {
    const nobody = await explain('nobody', '--seconds', '1')
    expect(nobody.code).to.equal(1)
    expect(nobody.err).to.include('ERR_CLI_NO_PEER').and.include('kithmesh doctor')
    await running()
    const other = await explain('nobody', '--seconds', '6')
    expect(other.err).to.include(`These were found: ${TILL} (`)
  })

  it('tells of all devices, and of what would be tried without trying', async () => {
    await running()
    const second = startSync(join(home, 'store'), group, STORE, { trust: ['--insecure'] })
    await second.event(({ event }) => event === 'started', 'the start')
    const all = await explain('--all', '--seconds', '6', '--json')
    expect(all.code).to.equal(0)
    expect(all.lines.map(({ name }) => name)).to.have.members([TILL, STORE])
    const dry = await explain(TILL, '--dry-run', '--json')
    expect(dry.code).to.equal(0)
    expect(dry.lines[0]).to.include({ event: 'assessed', displayName: TILL })
    expect(dry.lines[0].routes[0]).to.include({ strategy: 'direct', usable: true })
    expect((await explain(TILL, '--dry-run')).out).to.match(/^ {2}direct {2}DNS-SD {2}usable, rank 0$/m)
  })

  it('asks a running sync by its page', async () => {
    const sync = startSync(till, group, TILL, { trust: ['--insecure'], args: ['--web', '0'] })
    const { url } = await sync.event(({ event }) => event === 'web', 'the page')
    const other = startSync(join(home, 'store'), group, STORE, { trust: ['--insecure'] })
    await Promise.all([connected(sync), connected(other)])
    const { code, lines, err } = await run(['explain', STORE, '--from', url, '--json'])
    expect(code, err).to.equal(0)
    expect(lines).to.have.lengthOf(1)
    expect(lines[0]).to.include({ event: 'explained', name: STORE, connected: true })
    expect(lines[0].device.route).to.match(/^direct /)
    // As the same device, beside it: the link stays what it is.
    const beside = await explain(STORE, '--dir', till, '--insecure', '--json')
    expect(beside.lines[0]).to.deep.include({ connected: true, here: { state: 'yes' }, there: { state: 'yes' } })
    const links = sync.events.filter(({ event }) => event === 'link')
    expect(links.at(-1).state).to.be.oneOf(['busy', 'idle'])
    expect(links.filter(({ state }) => state === 'offline' || state === 'quarantined')).to.deep.equal([])
    const people = await run(['explain', '--all', '--from', url])
    expect(people.out).to.match(new RegExp(`^${STORE} \\([0-9a-f]{64}\\): (idle|busy), direct `, 'm'))
    expect(people.out).to.include('seen by DNS-SD')
    expect((await run(['explain', 'nobody', '--from', url])).err).to.include('ERR_CLI_NO_PEER')
    const wrong = await run(['explain', STORE, '--from', url.replace(/token=.*/, 'token=wrong')])
    expect(wrong.code).to.equal(1)
    expect(wrong.err).to.include('ERR_CLI_PAGE')
    const tokenFile = join(till, 'web-token')
    const unseen = await run(['explain', STORE, '--from', new URL(url).origin, '--web-token-file', tokenFile, '--json'])
    expect(unseen.lines, unseen.err).to.have.length(1)
    expect((await run(['explain', STORE, '--group', 'x', '--web-token-file', tokenFile])).err).to.include('--web-token-file is for --from')
    const bare = await run(['explain', STORE, '--from', url.replace(/\?.*/, '')])
    expect(bare.code).to.equal(2)
  })

  it('is misused without a group, without a device, and with both a device and --all', async () => {
    for (const words of [
      ['explain', 'x'],
      ['explain', '--group', group],
      ['explain', 'x', '--all', '--group', group]
    ]) {
      const { code, err } = await run(words)
      expect(code, words.join(' ')).to.equal(2)
      expect(err).to.include('ERR_CLI_USAGE')
    }
  })
})

// What happens to two devices when their relay is killed, speaks TLS, or is all that a firewall lets them reach.
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { expect } from 'chai'
import { documentBecomes, done, temporaryDirectory } from '../support/kithmesh.mjs'
import { allLinked, connectedLinks, endScenes } from '../across-nats/scene.mjs'
import { relayScene, startRelay } from './relay-scene.mjs'

describe('kithmesh relay and two devices that can meet nowhere else', () => {
  let scene
  afterEach(endScenes)

  async function ended(commands) {
    expect(await Promise.all(commands.map((command) => command.stop())), commands.map(({ err }) => err).join('')).to.deep.equal([0, 0])
    await scene.expectEqual('a', 'b')
  }

  it('they lose their link when it dies, and have it again when it is back', async () => {
    scene = await relayScene({ a: 'symmetric-random', b: 'symmetric-random' })
    const commands = [scene.sync('a'), scene.sync('b')]
    await allLinked(commands, 'turn')
    await scene.newsTravels(1)
    const { command, state } = scene.relay
    await command.kill()
    for (const name of ['a', 'b']) await done(['put', scene.directory(name), `meanwhile:${name}`, '{}'])
    await Promise.all(commands.map((each) => each.until(() => connectedLinks(each).length === 0, 'the end of the link')))
    await startRelay(scene.lab, { state })
    await allLinked(commands, 'turn')
    await documentBecomes(scene.directory('b'), 'meanwhile:a', (body) => body !== undefined)
    await documentBecomes(scene.directory('a'), 'meanwhile:b', (body) => body !== undefined)
    await ended(commands)
  })

  it('they reach it over TCP alone, where UDP is blocked', async () => {
    scene = await relayScene({ a: 'symmetric-random', b: 'symmetric-random' }, { addresses: 1 })
    await Promise.all(['a', 'b'].map((side) => scene.lab.blockUdp(side)))
    const commands = [scene.sync('a'), scene.sync('b')]
    await allLinked(commands, 'turn')
    await scene.newsTravels(1)
    await ended(commands)
  })

  it('they log in over TLS, with the authority that they were given', async () => {
    const folder = temporaryDirectory()
    const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
    const subject = ['-subj', '/CN=relay', '-addext', 'subjectAltName=IP:203.0.113.10']
    const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
    execFileSync('openssl', ['req', '-x509', ...kind, ...subject, '-keyout', key, '-out', cert], { stdio: 'ignore' })
    scene = await relayScene({ a: 'symmetric-random', b: 'symmetric-random' }, { addresses: 1, more: ['--cert', cert, '--key', key] })
    expect(scene.broker.url).to.match(/^mqtts:\/\/team:[\w-]+@203\.0\.113\.10:8883$/)
    const commands = ['a', 'b'].map((name) => scene.sync(name, { more: ['--broker-ca', cert] }))
    await allLinked(commands, 'turn')
    await scene.newsTravels(1)
    await ended(commands)
  })
})

// `kithmesh explain` from behind one router towards a `sync` behind another: the way that works, and why the others do not.
import { expect } from 'chai'
import { run } from '../support/kithmesh.mjs'
import { Scene, connectedLinks, endScenes, linkEvents, linked } from './scene.mjs'

describe('kithmesh explain across NATs', () => {
  afterEach(endScenes)

  const explain = async (scene, ...more) => {
    const { stunUrls } = scene.relay
    const words = [
      'explain',
      scene.ids.b.slice(0, 10),
      '--group',
      scene.group,
      '--broker',
      scene.broker.url,
      '--no-lan',
      '--dir',
      scene.directory('a')
    ]
    return await run([...words, '--insecure', ...stunUrls.flatMap((url) => ['--stun', url]), ...more], {
      host: scene.lab.namespaces.a,
      timeoutMs: 60_000
    })
  }
  const withRelay = ({ relay: { turnUrl, username, credential } }) => ['--turn', turnUrl, '--turn-user', `${username}:${credential}`]
  /** Until b runs and knows its network, which it tells others. */
  const started = async (scene) => {
    const sync = scene.sync('b', { relay: false, more: ['--verbose'] })
    await sync.event(({ event }) => event === 'started', 'the start')
    await sync.until(({ err }) => /The network was measured .*"cutOff":false/.test(err), 'a whole measurement')
  }

  it('a hole that cannot be punched is explained, strategy by strategy, with what would help', async () => {
    const scene = await Scene.create({ a: 'symmetric-random', b: 'symmetric-random' })
    await started(scene)
    const { code, lines, err } = await explain(scene, '--json')
    expect(code, err).to.equal(1)
    const [told] = lines
    expect(told).to.include({ event: 'explained', peerId: scene.ids.b, name: 'b', connected: false })
    const attempt = (name) => told.report.attempts.find(({ strategy }) => strategy === name)
    expect(attempt('tcp-hole-punch').message).to.equal('both routers pick random ports for each destination: only a relay can work')
    expect(attempt('turn')).to.include({ code: 'ERR_TURN_NONE' })
    for (const name of ['direct', 'reverse', 'tcp-hole-punch', 'turn']) expect(attempt(name).state, name).to.be.oneOf(['failed', 'skipped'])
    expect(told.report.sightings[0]).to.include({ provider: 'MQTT', signaling: true })
    expect(told.network[0].tcp.mapping).to.equal('address-and-port-dependent')

    const people = await explain(scene)
    expect(people.code).to.equal(1)
    expect(people.out).to.match(/^b \([0-9a-f]{64}\): not connected$/m)
    expect(people.out).to.match(/^ {2}from \S+: symmetric NAT .*random ports/m)
    expect(people.out).to.match(/^ {2}tcp-hole-punch +MQTT .*only a relay can work$/m)

    const relayed = await explain(scene, ...withRelay(scene), '--json')
    expect(relayed.code, relayed.err).to.equal(0)
    expect(relayed.lines[0].route).to.match(/^turn /)
    expect(relayed.lines[0].there).to.deep.equal({ state: 'yes' })
  })

  it('and one that can be is punched, by a device that is announced to nobody', async () => {
    const scene = await Scene.create({ a: 'port-restricted', b: 'port-restricted' })
    await started(scene)
    const { code, lines, err } = await explain(scene, '--json')
    expect(code, err).to.equal(0)
    expect(lines[0].route).to.match(/^tcp-hole-punch /)
    expect(lines[0].report.attempts.find(({ strategy }) => strategy === 'direct').state).to.be.oneOf(['failed', 'lost', 'skipped'])
  })

  it('beside a sync of the same device, whose link stays what it is', async () => {
    const scene = await Scene.create({ a: 'port-restricted', b: 'port-restricted' })
    const [a] = [scene.sync('a', { relay: false }), scene.sync('b', { relay: false })]
    await linked(a)
    const before = a.events.length
    const { code, lines, err } = await explain(scene, '--json')
    expect(code, err).to.equal(0)
    expect(lines[0]).to.deep.include({ connected: true, there: { state: 'yes' } })
    expect(linkEvents(a, before).filter(({ state }) => state === 'offline' || state === 'quarantined')).to.deep.equal([])
    expect(connectedLinks(a)).to.have.lengthOf(1)
  })
})

// Brokers, relays and STUN servers that die, and come back.
import { expect } from 'chai'
import { documentBecomes, done } from '../support/kithmesh.mjs'
import { Scene, allLinked, connectedLinks, endScenes, linkEvents, linked, repeated } from './scene.mjs'

describe('kithmesh sync across NATs: servers', () => {
  let scene
  afterEach(endScenes)

  it('a broker that dies does not concern a link, and one that is back introduces newcomers', async () => {
    scene = await Scene.create({ a: 'port-restricted', b: 'port-restricted' })
    // Without a relay, of which a link would move away when it likes.
    const [a, b] = ['a', 'b'].map((name) => scene.sync(name, { relay: false }))
    await Promise.all([linked(a), linked(b)])
    const seen = [a, b].map(({ events }) => events.length)
    await scene.broker.kill('SIGKILL')
    await scene.newsTravels(1)
    await scene.broker.restart()
    // A third device, on a host of its own in the internet.
    const c = scene.sync('c', { host: 'srv' })
    await linked(c, { devices: 2 })
    await Promise.all([linked(a, { devices: 2 }), linked(b, { devices: 2 })])
    await done(['put', scene.directory('c'), 'news:c', '{"n":1}'])
    for (const name of ['a', 'b']) await documentBecomes(scene.directory(name), 'news:c', (body) => body?.n === 1)
    for (const [index, command] of [a, b].entries()) {
      const old = linkEvents(command, seen[index]).filter(({ device }) => Object.values(scene.ids).includes(device))
      expect(old.filter(({ state, error }) => error !== undefined || !['busy', 'idle'].includes(state))).to.deep.equal([])
      expect(repeated(command)).to.deep.equal([])
    }
    expect(await Promise.all([a.stop(), b.stop(), c.stop()]), `${a.err}${b.err}${c.err}`).to.deep.equal([0, 0, 0])
    await scene.expectEqual('a', 'b', 'c')
  })

  it('a relay that dies ends its link with a reason, and carries a new one when it is back', async () => {
    scene = await Scene.create({ a: 'symmetric-random', b: 'symmetric-random' })
    const [a, b] = [scene.sync('a'), scene.sync('b')]
    await allLinked([a, b], 'turn')
    await scene.newsTravels(1)
    const seen = a.events.length
    await scene.relay.kill('SIGKILL')
    await done(['put', scene.directory('a'), 'meanwhile:a', '{}'])
    await done(['put', scene.directory('b'), 'meanwhile:b', '{}'])
    await Promise.all([a, b].map((command) => command.until(() => connectedLinks(command).length === 0, 'the end of the link')))
    const offline = await a.until(
      ({ events }) => events.slice(seen).find(({ event, state, error }) => event === 'link' && state === 'offline' && error !== undefined),
      'an error'
    )
    expect(offline.code).to.match(/^ERR_/)
    // Of what was tried while the relay died, other things may be said before.
    const relayFailed = ({ strategy, state, message }) =>
      strategy === 'turn' && state === 'failed' && message.includes(scene.lab.servers.ipv4[0]) && message.includes('ECONNREFUSED')
    const report = await a.until(
      ({ events }) => events.slice(seen).find(({ event, attempts }) => event === 'report' && attempts.some(relayFailed)),
      'a report of why there is no link'
    )
    const relayed = report.attempts.find(relayFailed)
    expect(relayed.code).to.match(/^ERR_TURN_/)
    expect(relayed.hint).to.be.a('string').and.not.equal('')
    await scene.relay.restart()
    await allLinked([a, b], 'turn')
    await documentBecomes(scene.directory('b'), 'meanwhile:a', (body) => body !== undefined)
    await documentBecomes(scene.directory('a'), 'meanwhile:b', (body) => body !== undefined)
    expect(await Promise.all([a.stop(), b.stop()]), `${a.err}${b.err}`).to.deep.equal([0, 0])
    await scene.expectEqual('a', 'b')
  })

  it('a STUN server that is dead from the start leaves what works without it, and otherwise the report says so', async () => {
    scene = await Scene.create({ a: 'port-restricted', b: 'open' })
    await scene.relay.kill('SIGKILL')
    const [a, b] = [scene.sync('a'), scene.sync('b')]
    await allLinked([a, b], 'direct')
    await scene.newsTravels(1)
    expect(await Promise.all([a.stop(), b.stop()])).to.deep.equal([0, 0])

    await scene.lab.setNat('b', 'port-restricted')
    const [again, other] = [scene.sync('a'), scene.sync('b')]
    const failed = ({ event, state, attempts }) =>
      event === 'report' && state === 'failed' && attempts.some(({ code }) => code === 'ERR_PUNCH_STUN')
    const { attempts } = await again.event(failed, 'a report that names the STUN servers')
    const { message, hint } = attempts.find(({ strategy }) => strategy === 'tcp-hole-punch')
    for (const url of scene.relay.stunUrls)
      expect(message)
        .to.match(/^No STUN server answered/)
        .and.to.contain(url)
    expect(hint).to.contain('Check the STUN servers')

    // It comes up after all.
    await scene.relay.restart()
    await Promise.all([linked(again), linked(other)])
    await scene.newsTravels(2)
    expect(await Promise.all([again.stop(), other.stop()])).to.deep.equal([0, 0])
  })

  it('a broker that is dead from the start is joined when it comes up', async () => {
    scene = await Scene.create({ a: 'port-restricted', b: 'port-restricted' })
    await scene.broker.kill('SIGKILL')
    const [a, b] = [scene.sync('a', { lan: true }), scene.sync('b', { lan: true })]
    await Promise.all([a, b].map((command) => command.event(({ event }) => event === 'started', 'a start')))
    await scene.broker.restart()
    await allLinked([a, b], 'tcp-hole-punch')
    await scene.newsTravels(1)
    expect(await Promise.all([a.stop(), b.stop()]), `${a.err}${b.err}`).to.deep.equal([0, 0])
  })
})

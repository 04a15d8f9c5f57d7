// A relayed link that moves in the middle of replication, and links whose network goes away.
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import { documentBecomes, done } from '../support/kithmesh.mjs'
import { withItems } from './inventory.mjs'
import { allLinked, Scene, connectedLinks, endScenes, linkEvents, linked, repeated, strategyOf } from './scene.mjs'

/** Edits both databases, again and again, until `enough` holds; resolves with how many items were added. */
async function editUntil(scene, enough) {
  return await withItems(scene.directory('a'), (a) =>
    withItems(scene.directory('b'), async (b) => {
      let round = 0
      for (; !enough(); round++) {
        for (const [name, items] of [
          ['a', a],
          ['b', b]
        ]) {
          await items.addMany(`${name}-${round}`, 5, { pictureBytes: 10_000, everyNthPicture: 5 })
          if (round > 0) items.edit(`${name}-${round - 1}-0`, { quantity: round })
        }
        await delay(20) // People do not type faster; the processes need the processor too.
      }
      return round * 10
    })
  )
}

describe('kithmesh sync across NATs: a link', () => {
  let scene
  afterEach(endScenes)

  it('that is relayed moves to a punched connection in the middle of replication', async () => {
    scene = await Scene.create({ a: 'symmetric-random', b: 'symmetric-random' })
    const [a, b] = [scene.sync('a'), scene.sync('b')]
    await allLinked([a, b], 'turn')
    const seen = [a, b].map(({ events }) => events.length)
    await Promise.all(['a', 'b'].map((side) => scene.lab.setNat(side, 'port-restricted', { keepFlows: true })))
    // Each machine joins another network too, which is what makes it look at its routers anew.
    for (const [index, host] of ['a', 'b'].entries()) {
      const ip = (...words) => scene.lab.exec(host, 'ip', words)
      await ip('link', 'add', 'other', 'type', 'veth', 'peer', 'name', 'far')
      await ip('address', 'add', `192.168.${70 + index}.1/24`, 'dev', 'other')
      await ip('link', 'set', 'far', 'up')
      await ip('link', 'set', 'other', 'up')
    }
    const deadline = performance.now() + 60_000
    const moved = (command) => connectedLinks(command).some(({ quality }) => quality === 'direct')
    let after = 0
    await editUntil(scene, () => {
      if (moved(a) && moved(b)) after++
      return after > 50 || a.over || b.over || performance.now() > deadline
    })
    await allLinked([a, b], 'tcp-hole-punch')
    await scene.becomesEqual('a', 'b')
    for (const [index, command] of [a, b].entries()) {
      const events = linkEvents(command, seen[index])
      expect(events.filter(({ error, code }) => error !== undefined || code !== undefined)).to.deep.equal([])
      expect(events.filter(({ state }) => state === 'offline' || state === 'waiting')).to.deep.equal([])
      expect(command.events.filter(({ event, error }) => event === 'document' && error !== undefined)).to.deep.equal([])
      expect(repeated(command)).to.deep.equal([])
    }
    expect([await a.stop(), await b.stop()], `${a.err}${b.err}`).to.deep.equal([0, 0])
    await scene.expectEqual('a', 'b')
  })

  /** How often a command has measured its network. */
  const measured = ({ err }) => err.split('The network was measured').length - 1

  /** Starts both over a punched connection; what happens to the network comes next. */
  async function punched() {
    scene = await Scene.create({ a: 'port-restricted', b: 'port-restricted' })
    const commands = ['a', 'b'].map((name) => scene.sync(name, { more: ['--verbose'] }))
    await allLinked(commands, 'tcp-hole-punch')
    // Which takes longer than linking does.
    for (const command of commands) await command.until(() => measured(command) > 0, 'the first measurement of the network')
    return commands
  }

  /** What both sides wrote meanwhile arrives within the bound, by the processes that were there all the time. */
  async function comesBack(commands) {
    for (const [name, other] of [
      ['a', 'b'],
      ['b', 'a']
    ])
      await documentBecomes(scene.directory(other), `meanwhile:${name}`, (body) => body !== undefined)
    // While a side is not back at its broker, the relay may be the only way; nobody has to stay there.
    const passes = (link) => strategyOf(link) === 'tcp-hole-punch'
    await Promise.all(commands.map((command) => linked(command, { passes })))
    expect(commands.map(({ over }) => over)).to.deep.equal([false, false])
    expect(await Promise.all(commands.map((command) => command.stop())), commands.map(({ err }) => err).join('')).to.deep.equal([0, 0])
    await scene.expectEqual('a', 'b')
  }

  const writeMeanwhile = async () => {
    for (const name of ['a', 'b']) await done(['put', scene.directory(name), `meanwhile:${name}`, '{}'])
  }

  for (const side of ['a', 'b'])
    it(`whose ${side === 'a' ? 'dialling' : 'other'} side loses its network is back when the network is`, async () => {
      const commands = await punched()
      const command = commands[side === 'a' ? 0 : 1]
      const before = measured(command)
      await scene.lab.setLink(side, false)
      await command.until(() => measured(command) > before, 'the loss noticed')
      await writeMeanwhile()
      // The connection does not survive: the router has another mapping afterwards.
      await scene.lab.setNat(side, 'port-preserving')
      await scene.lab.setLink(side, true)
      await comesBack(commands)
    })

  for (const [side, what] of [
    ['a', 'another address'],
    ['b', 'another address'],
    ['a', 'an address before its way out']
  ])
    it(`whose ${side === 'a' ? 'dialling' : 'other'} side gets ${what} is made anew`, async () => {
      const commands = await punched()
      const command = commands[side === 'a' ? 0 : 1]
      const before = measured(command)
      const { ipv4 } = scene.lab.addresses(side)
      const ip = (...words) => scene.lab.exec(side, 'ip', words)
      if (what !== 'another address') await ip('route', 'delete', 'default')
      await ip('address', 'add', `${ipv4.replace(/\d+$/, '77')}/24`, 'dev', 'eth0')
      await ip('address', 'delete', `${ipv4}/24`, 'dev', 'eth0')
      await ip('address', 'replace', `${ipv4.replace(/\d+$/, '77')}/24`, 'dev', 'eth0')
      if (what !== 'another address') await command.until(() => measured(command) > before, 'a measurement without a way out')
      await ip('route', 'replace', 'default', 'via', ipv4.replace(/\d+$/, '1'))
      await writeMeanwhile()
      await comesBack(commands)
    })
})

// Two devices that have a network between them and Bluetooth besides: which of the two they use, and what happens when the network goes.
import { join } from 'node:path'
import { expect } from 'chai'
import { eventually } from '../../support/eventually.mjs'
import { cleanUp, documentBecomes, done, newGroup, start, temporaryDirectory } from '../support/kithmesh.mjs'
import { addCable, cable, isRunning, makeHosts } from '../two-hosts/hosts.mjs'
import { becomeEqual, libraries, linksOf, startAir } from './radio.mjs'

for (const library of libraries) {
  describe(`two devices with a network and Bluetooth LE, with ${library}`, () => {
    let network
    let home
    let writing

    beforeEach(async () => {
      home = temporaryDirectory()
      network = makeHosts({ ipv4: true })
    })
    afterEach(async () => {
      writing?.stop()
      try {
        await cleanUp()
      } finally {
        network.remove()
      }
    })

    /** Puts one document after the other into a directory. */
    const writer = (directory, name) => {
      let count = 0
      let stopped = false
      const run = async () => {
        while (!stopped) await done(['put', directory, `${name}:${count++}`, `{"n":${count}}`])
      }
      const running = run()
      return {
        get count() {
          return count
        },
        stop: async () => {
          stopped = true
          await running
        }
      }
    }

    it('use the network, Bluetooth while it is gone, and the network again, and lose and repeat nothing', async () => {
      const [a, b] = network.hosts
      await eventually('the cable', () => network.hosts.every(isRunning))
      // The air is reached over a cable of its own, on which nobody is announced.
      const [, there] = addCable(network.hosts, 78)
      const air = await startAir({ more: ['--host', there.address], host: b.name })
      const group = newGroup()
      const sync = ({ name, device }, directory) => {
        const words = ['sync', join(home, directory), '--group', group, '--name', directory, '--interface', device]
        return start([...words, '--ble-air', air.place, '--ble-library', library, '--insecure', '--json'], { host: name })
      }
      const syncs = [sync(a, 'shop'), sync(b, 'store')]
      const [shop, store] = syncs
      const linkOver = async (quality) => {
        const up = () =>
          [linksOf(shop).get('store'), linksOf(store).get('shop')].every(
            (link) => ['busy', 'idle'].includes(link?.state) && link.quality === quality
          )
        await eventually(`both ends to be linked ${quality}`, up)
      }
      await linkOver('direct')
      writing = writer(join(home, 'shop'), 'shop')
      await documentBecomes(join(home, 'store'), 'shop:0', (body) => body !== undefined)

      cable(a, 'down')
      await linkOver('last-resort')
      expect(linksOf(shop).get('store').route).to.match(/^BluetoothLE /)
      const during = writing.count
      await documentBecomes(join(home, 'store'), `shop:${during}`, (body) => body !== undefined)

      cable(a, 'up')
      await linkOver('direct')
      const after = writing.count
      await documentBecomes(join(home, 'store'), `shop:${after}`, (body) => body !== undefined)
      await writing.stop()
      expect(await becomeEqual(join(home, 'shop'), join(home, 'store'))).to.equal(writing.count)
      const pulls = () => store.events.filter(({ event, direction }) => event === 'document' && direction === 'pull').map(({ id }) => id)
      // What is in the database may be told a moment later.
      const pulled = await store.until(() => new Set(pulls()).size === writing.count && pulls(), 'word of each document')
      expect(pulled.toSorted()).to.deep.equal([...new Set(pulled)].toSorted())
      expect(pulled).to.have.lengthOf(writing.count)
      for (const each of syncs) expect(await each.stop(), each.err).to.equal(0)
    })
  })
}

// `kithmesh air`, and `kithmesh sync` of devices whose only way to each other it is.
import { expectEqual, waitUntilEqual } from '../support/equal.mjs'
import { start } from '../support/kithmesh.mjs'

export const libraries = ['abandonware', 'stoprocent']

/** Starts an air; resolves with the running command and its `place`, host and port. */
export async function startAir({ port = 0, more = [], host } = {}) {
  const air = start(['air', '--port', port, '--json', ...more], { host })
  const listening = await air.event(({ event }) => event === 'listening', 'the port of the air')
  return Object.assign(air, { port: listening.port, place: `${listening.host}:${listening.port}` })
}

/** A device without any network: it neither looks for others there nor listens. */
export function syncOnAir(air, directory, group, name, { library, more = [] } = {}) {
  const words = ['sync', directory, '--group', group, '--name', name, '--no-lan', '--ble-air', air.place, '--insecure', '--json']
  return start([...words, ...(library === undefined ? [] : ['--ble-library', library]), ...more])
}

/** The links of a running `sync` as they are now, by the name of the other device. */
export function linksOf({ events }) {
  const names = new Map()
  const links = new Map()
  for (const event of events) {
    if (event.event === 'link') {
      names.set(event.device, event.name)
      links.set(event.name, event)
    } else if (event.event === 'gone') links.delete(names.get(event.device))
  }
  return links
}

/** Resolves once a running `sync` is connected to a device. */
export async function connectedTo(sync, name) {
  return await sync.until(() => {
    const link = linksOf(sync).get(name)
    return ['busy', 'idle'].includes(link?.state) && link
  }, `a connection to ${name}`)
}

/** Waits until all directories hold the same, blobs and all; then their integrity is checked. Resolves with the number of documents. */
export async function becomeEqual(...directories) {
  await waitUntilEqual(...directories)
  return await expectEqual(...directories)
}

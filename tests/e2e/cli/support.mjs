import { join } from 'node:path'
import { documentBecomes, done, newGroup, start, temporaryDirectory, uniqueName } from '../support/kithmesh.mjs'

/** What two devices are called that nobody else on this machine is called. */
export const [SHOP, STORE] = ['shop', 'store'].map(uniqueName)

/** A group of their own, and the directories of the two in one folder. */
export function shopAndStore() {
  const home = temporaryDirectory()
  return { group: newGroup(), home, shop: join(home, 'shop'), store: join(home, 'store') }
}

/** The same, each with a document that the other one has not. */
export async function shopAndStoreWithDocuments() {
  const two = shopAndStore()
  await done(['put', two.shop, 'secret', '{}'])
  await done(['put', two.store, 'public', '{}'])
  return two
}

/** Until each of {@link shopAndStoreWithDocuments} has the other one's. */
export async function becomeEqual({ shop, store }) {
  await documentBecomes(store, 'secret', (body) => body !== undefined)
  await documentBecomes(shop, 'public', (body) => body !== undefined)
}

/** The id that a `sync` says it has. */
export async function idOf(sync) {
  return (await sync.event(({ event }) => event === 'started', 'its id')).peerId
}

/** The devices that a directory knows, restricted ones left out. */
export async function knownOf(directory) {
  const lines = (await done(['peers', 'list', directory, '--json'])).split('\n').slice(0, -1)
  return lines.map((line) => JSON.parse(line)).filter(({ level }) => level !== 'restricted')
}

/** `kithmesh sync` on the loopback interface; `trust` says who is accepted, `more` is for `start`. */
export function startSync(directory, group, name, { json = true, args = [], trust = ['--first-use'], ...more } = {}) {
  const words = ['sync', directory, '--group', group, '--name', name, '--interface', 'lo', ...(json ? ['--json'] : []), ...trust, ...args]
  return start(words, more)
}

/** Resolves with the event that says that a link is up. */
export function connected(sync) {
  return sync.event(({ event, state }) => event === 'link' && (state === 'busy' || state === 'idle'), 'a connection')
}

/** `kithmesh serve` on a loopback port; resolves with the running command, its `port` and the `url` of the database `db`. */
export async function startServe(directory, ...args) {
  const server = start(['serve', directory, '--port', 0, '--host', '127.0.0.1', '--db', 'db', '--json', ...args])
  const { port, url } = await server.event(({ event }) => event === 'listening', 'the port')
  return Object.assign(server, { port, url })
}

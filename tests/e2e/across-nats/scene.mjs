// Devices that run `kithmesh sync` behind routers of their own, an internet with a broker and a STUN and TURN server, and their databases.
import { join } from 'node:path'
import { dials } from '@kithmesh/core/plugin'
import { openOrCreateIdentity } from '@kithmesh/identity'
import { createNatLab } from '@kithmesh/testkit/natlab'
import { cleanUp, documentBecomes, done, newGroup, start, temporaryDirectory } from '../support/kithmesh.mjs'
import { expectEqual, waitUntilEqual } from '../support/equal.mjs'

const connectedStates = ['busy', 'idle']
const scenes = new Set()

/** Ends what the tests started: commands first, then the networks that they run in. */
export async function endScenes() {
  try {
    await cleanUp()
  } finally {
    const ending = [...scenes]
    scenes.clear()
    await Promise.all(ending.map(({ lab }) => lab.dispose()))
  }
}

/** A lab with its servers, and in it `a` and `b`. Of the two, `a` is the one that dials. */
export class Scene {
  /** `servers` starts a broker and a relay in the lab; by default mosquitto and coturn. */
  static async create(nats, { servers = (lab) => Promise.all([lab.startMosquitto(), lab.startCoturn()]) } = {}) {
    const lab = await createNatLab(nats)
    try {
      const [broker, relay] = await servers(lab)
      const home = temporaryDirectory()
      const scene = new Scene(lab, broker, relay, home)
      await scene.#meet()
      scenes.add(scene)
      return scene
    } catch (error) {
      await lab.dispose()
      throw error
    }
  }

  constructor(lab, broker, relay, home) {
    Object.assign(this, { lab, broker, relay, home, group: newGroup(), ids: {}, directories: {} })
  }

  /** Gives the two databases identities, so that it is known who dials. */
  async #meet() {
    const paths = ['one', 'other'].map((name) => join(this.home, name))
    const [one, other] = await Promise.all(paths.map((path) => openOrCreateIdentity(path, { commonName: 'device' })))
    const order = dials(one.peerId, other.peerId) ? [0, 1] : [1, 0]
    const ids = [one.peerId, other.peerId]
    for (const [index, name] of ['a', 'b'].entries()) {
      this.directories[name] = paths[order[index]]
      this.ids[name] = ids[order[index]]
      await done(['put', this.directories[name], `from:${name}`, '{"n":0}'])
    }
  }

  directory(name) {
    return (this.directories[name] ??= join(this.home, name))
  }

  /** Starts `kithmesh sync` on a host. `relay: false` names no TURN server, `stun: false` no STUN server; `lan` looks for devices nearby too. */
  sync(name, { host = name, relay = true, stun = true, lan = false, json = true, more = [] } = {}) {
    const { stunUrls, turnUrl, username, credential } = this.relay
    const words = ['sync', this.directory(name), '--group', this.group, '--name', name, '--broker', this.broker.url, '--insecure']
    if (!lan) words.push('--no-lan')
    if (stun) words.push(...stunUrls.flatMap((url) => ['--stun', url]))
    if (relay) words.push('--turn', turnUrl, '--turn-user', `${username}:${credential}`)
    if (json) words.push('--json')
    return start([...words, ...more], { host: this.lab.namespaces[host] })
  }

  /** Something new of each of the two reaches the other. */
  async newsTravels(n) {
    await Promise.all(['a', 'b'].map((name) => done(['put', this.directory(name), `news:${name}`, `{"n":${n}}`])))
    await documentBecomes(this.directory('b'), 'news:a', (body) => body?.n === n)
    await documentBecomes(this.directory('a'), 'news:b', (body) => body?.n === n)
  }

  /** TCP connections between a host and anybody but the servers. */
  async connectionsBetweenPeers(host) {
    const rows = await this.lab.exec(host, 'ss', ['-Htn', 'state', 'established'])
    const remotes = rows
      .split('\n')
      .map((row) => row.trim().split(/\s+/)[3])
      .filter((remote) => remote !== undefined)
    return remotes.filter((remote) => !this.lab.servers.ipv4.some((server) => remote.startsWith(`${server}:`)))
  }

  async expectEqual(...names) {
    return await expectEqual(...names.map((name) => this.directory(name)))
  }

  async becomesEqual(...names) {
    await waitUntilEqual(...names.map((name) => this.directory(name)))
  }
}

/** What a `sync` last said of its links, by device; those that left are not there. */
export function linksOf(command) {
  const links = new Map()
  for (const event of command.events) {
    if (event.event === 'link') links.set(event.device, event)
    else if (event.event === 'gone') links.delete(event.device)
  }
  return [...links.values()]
}

export function connectedLinks(command) {
  return linksOf(command).filter(({ state }) => connectedStates.includes(state))
}

/** Waits until a `sync` is linked with so many devices, as `passes` wants; the links. */
export function linked(command, { devices = 1, passes = () => true } = {}) {
  return command.until(() => {
    const links = connectedLinks(command)
    return links.length === devices && links.every(passes) && links
  }, `a link with ${devices} device(s)`)
}

/** The strategy of a link: the first word of its route. */
export function strategyOf({ route }) {
  return route.split(' ')[0]
}

/**
 * Until each of these is linked with one device, by this strategy; the links. On a busy machine another strategy may be the faster one at first: a
 * link over a relay moves as soon as it need not be relayed.
 */
export async function allLinked(commands, strategy) {
  const passes = (link) => strategyOf(link) === strategy
  return (await Promise.all(commands.map((command) => linked(command, { passes })))).flat()
}

/** Link events from a certain one on: `from` is the number of events seen before. */
export function linkEvents(command, from = 0) {
  return command.events.slice(from).filter(({ event }) => event === 'link')
}

/** Revisions that a `sync` said it moved to or from a device more than once. */
export function repeated(command) {
  const seen = new Map()
  const twice = []
  for (const [index, { event, device, id, rev, direction, error }] of command.events.entries()) {
    if (event !== 'document' || error !== undefined) continue
    const key = `${direction} ${id} ${rev} ${device.slice(0, 8)}`
    if (seen.has(key)) twice.push(`${key} (events ${seen.get(key)} and ${index})`)
    seen.set(key, index)
  }
  return twice
}

// The test's side of observe.mjs and echo-address.mjs.
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const program = (name) => fileURLToPath(new URL(`./${name}`, import.meta.url))

/** Starts the server that tells addresses; it ends with the lab. */
export async function startEchoAddress(lab, addresses = lab.servers.ipv4) {
  const child = lab.run('srv', process.execPath, [program('echo-address.mjs'), ...addresses], { stdio: ['ignore', 'pipe', 'inherit'] })
  await Promise.race([
    once(child.stdout, 'data'),
    once(child, 'exit').then(([code]) => {
      throw new Error(`echo-address.mjs ended with ${code}`)
    })
  ])
  return child
}

/** What a peer sees of its router: { udp, tcp }, each { mapping, filtering, allocation }. */
export async function observe(lab, peer, { own = lab.addresses(peer).ipv4, servers = lab.servers.ipv4 } = {}) {
  return JSON.parse(await lab.exec(peer, process.execPath, [program('observe.mjs'), own, ...servers], { timeoutMs: 90_000 }))
}

const eim = 'endpoint-independent'
const apd = 'address-and-port-dependent'

/** What each kind is to look like from inside, for TCP and UDP alike (nat-lab §2). */
export const expectedOf = {
  open: { mapping: 'none', filtering: eim, allocation: 'equal' },
  firewall: { mapping: 'none', filtering: apd, allocation: 'equal' },
  'full-cone': { mapping: eim, filtering: eim, allocation: 'equal' },
  'address-restricted': { mapping: eim, filtering: 'address-dependent', allocation: 'equal' },
  'port-restricted': { mapping: eim, filtering: apd, allocation: 'equal' },
  'eim-random': { mapping: eim, filtering: apd, allocation: 'random' },
  'port-preserving': { mapping: eim, filtering: apd, allocation: 'preserving' },
  dependent: { mapping: eim, filtering: apd, allocation: 'dependent' },
  'symmetric-sequential': { mapping: apd, filtering: apd, allocation: 'independent' },
  'symmetric-random': { mapping: apd, filtering: apd, allocation: 'random' }
}

/** An observation without what only some tests look at. */
export function behaviour({ mapping, filtering, allocation }) {
  return { mapping, filtering, allocation }
}

/** Connects from a host by TCP: { outcome, ms }. A connection that is not expected to come about is waited for less long. */
export async function dial(lab, host, address, port, { expected = true } = {}) {
  return await talk(lab, host, 'dial', address, port, expected ? 20_000 : 1500)
}

/** Runs talk.mjs on a host. */
export async function talk(lab, host, ...args) {
  return JSON.parse(await lab.exec(host, process.execPath, [program('talk.mjs'), ...args.map(String)]))
}

// The parent's side of peer-process.mjs.
import { createHash } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { eventually } from '@kithmesh/testkit'

const program = fileURLToPath(new URL('./peer-process.mjs', import.meta.url))
let ids = 0

/** Starts a peer on a host; `peers` is what it sees, by name. */
export async function startPeer(host, { group, ...options }) {
  const localPeerId = createHash('sha256').update(`${host.namespace} ${++ids}`).digest('hex')
  const child = host.start(
    [
      process.execPath,
      program,
      JSON.stringify({ interfaces: [host.interface], ...options }),
      JSON.stringify({ peerGroupId: group, localPeerId })
    ],
    {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc']
    }
  )
  const events = []
  const peers = new Map()
  const waiting = new Map()
  child.on('message', ({ id, value, error, event }) => {
    if (event !== undefined) {
      events.push(event)
      if (event.type === 'found') peers.set(event.id, event)
      if (event.type === 'lost') peers.delete(event.id)
      if (event.type === 'metadata') peers.set(event.id, { ...peers.get(event.id), metadata: event.metadata })
      return
    }
    const { resolve, reject } = waiting.get(id)
    waiting.delete(id)
    if (error === undefined) resolve(value)
    else reject(new Error(error))
  })
  const call =
    (name) =>
    (...args) =>
      new Promise((resolve, reject) => {
        const id = ++ids
        waiting.set(id, { resolve, reject })
        child.send({ id, call: name, args })
      })
  const named = (displayName) => [...peers.values()].find((peer) => peer.displayName === displayName)
  await eventually('the peer process', () => events.length > 0)
  return {
    child,
    events,
    peers,
    localPeerId,
    named,
    startBrowsing: call('startBrowsing'),
    stopBrowsing: call('stopBrowsing'),
    startPublishing: call('startPublishing'),
    stopPublishing: call('stopPublishing'),
    updateMetadata: call('updateMetadata'),
    resolveUrl: call('resolveUrl'),
    finds: (displayName) => eventually(`${displayName} to be found`, () => named(displayName), { everyMs: 20 }),
    loses: (displayName) => eventually(`${displayName} to be lost`, () => named(displayName) === undefined, { everyMs: 20 })
  }
}

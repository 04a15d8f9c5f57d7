import { start } from '../support/kithmesh.mjs'

/** `kithmesh sync` on the loopback interface. */
export function startSync(directory, group, name, { json = true, args = [] } = {}) {
  return start(['sync', directory, '--group', group, '--name', name, '--interface', 'lo', ...(json ? ['--json'] : []), ...args])
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

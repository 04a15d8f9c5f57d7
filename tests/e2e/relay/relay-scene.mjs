// A scene of tests/e2e/across-nats whose only server is `kithmesh relay`.
import { Scene } from '../across-nats/scene.mjs'
import { start, temporaryDirectory } from '../support/kithmesh.mjs'

/** Starts `kithmesh relay` on the lab's server; what a Scene wants to know of its broker and of its relay. */
export async function startRelay(lab, { addresses = 2, more = [], state = temporaryDirectory() } = {}) {
  const hosts = lab.servers.ipv4.slice(0, addresses)
  const words = ['relay', '--state', state, '--show-login', '--json', ...hosts.flatMap((host) => ['--host', host]), ...more]
  const command = start(words, { host: lab.namespaces.srv })
  const { login, options, stun } = await command.event(({ event }) => event === 'listening', 'the relay to listen')
  const given = (name) => options.filter((_, index) => options[index - 1] === name)
  const server = { command, state, options, restart: async () => void (await startRelay(lab, { addresses, more, state })) }
  return [
    { ...server, url: given('--broker')[0] },
    { ...server, stunUrls: stun, turnUrl: given('--turn')[0], username: login.username, credential: login.password }
  ]
}

/** A scene with such a server. */
export function relayScene(nats, options) {
  return Scene.create(nats, { servers: (lab) => startRelay(lab, options) })
}

// What every peer of the lab is made of, from the configuration it is started with (see peer.mjs).
import { createPeerDiscovery, errorCode, lineLogger, silentLogger } from '@kithmesh/core'
import { createIdentity } from '@kithmesh/identity'
import { mqtt } from '@kithmesh/provider-mqtt'
import { transportsOf } from './transports.mjs'

/** Writes a line of JSON for the parent. */
export function tell(message) {
  process.stdout.write(`${JSON.stringify(message)}\n`)
}

/** Identity, discovery and logger. Tells of the network, of brokers, and of devices that are seen and lost. */
export async function compose(config) {
  const identity = await createIdentity({ commonName: config.name })
  const logger =
    config.log === undefined ? silentLogger : lineLogger((line) => process.stderr.write(`${config.name} ${line}\n`), config.log)
  const { transports, network } = await transportsOf(config, (facts) => tell({ event: 'network', facts }))
  const provider = mqtt({
    brokers: config.brokers,
    identity,
    groupKey: 'a group key of the NAT lab',
    onBrokers: (brokers) => tell({ event: 'brokers', states: brokers.map(({ state }) => state) }),
    ...config.mqtt
  })
  const discovery = createPeerDiscovery({
    peerGroupId: config.group,
    localPeerId: identity.peerId,
    providers: [provider],
    transports,
    logger,
    ...(network === undefined ? {} : { network })
  })
  discovery.addObserver({
    devicesChanged: ({ added, removed }) => {
      for (const { id } of added) tell({ event: 'seen', peerId: id })
      for (const { id } of removed) tell({ event: 'lost', peerId: id })
    }
  })
  return { identity, discovery, logger }
}

/** Answers the lines { id, call, … } of standard input. */
export function answer(calls) {
  let rest = ''
  process.stdin.setEncoding('utf8').on('data', (text) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop()
    for (const line of lines) respond(calls, JSON.parse(line))
  })
}

async function respond(calls, { id, call, ...args }) {
  try {
    tell({ id, value: (await calls[call](args)) ?? null })
  } catch (error) {
    tell({ id, error: { message: error.message, code: errorCode(error) } })
  }
}

/** What the other side says of its network, once it has measured it. */
export async function known(discovery, { peerId, withinMs = 30_000 }) {
  const until = performance.now() + withinMs
  for (;;) {
    const peer = discovery.deviceWithId(peerId)?.peers[0]
    const resolved = await peer?.resolveUrl().catch(() => undefined)
    const measured = resolved?.network?.routes.some(({ tcp }) => tcp.mapping !== 'unknown') === true
    if (measured || (performance.now() >= until && resolved !== undefined)) return { measured, network: resolved.network }
    if (performance.now() >= until) throw new Error(`${peerId} is not seen`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

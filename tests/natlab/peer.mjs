// One peer of a NAT lab in a process of its own: node tests/natlab/peer.mjs CONFIG, JSON:
//   { group, name, brokers: [url], stun: [url], turn: [{ url, username, credential }], strategies: [name], connectMs }
// Prints JSON lines: { event: 'online', peerId, ms }, { event: 'network', facts }, { event: 'seen', peerId }, { event: 'lost', peerId }, { event: 'brokers', states },
// { event: 'waiting', code, message } when it could not start and will try again, and
// { event: 'incoming', from, strategy, remote }; and answers each line { id, call, … } of its standard input with { id, value } or { id, error }.
import { createInterface } from 'node:readline'
import { createPeerDiscovery, errorCode, formatConnectionReport, isKithmeshError, silentLogger, lineLogger } from '@kithmesh/core'
import { createIdentity, insecureAcceptAnyone, pinnedPeers, secureClient, secureServer } from '@kithmesh/identity'
import { mqtt } from '@kithmesh/provider-mqtt'
import { Conversation } from './support/conversation.mjs'
import { transportsOf } from './support/transports.mjs'

const config = JSON.parse(process.argv[2])
const startedAt = performance.now()
const tell = (message) => process.stdout.write(`${JSON.stringify(message)}\n`)
const identity = await createIdentity({ commonName: config.name })
const logger = config.log === undefined ? silentLogger : lineLogger((line) => process.stderr.write(`${config.name} ${line}\n`), config.log)

const { transports, network } = await transportsOf(config, (facts) => tell({ event: 'network', facts }))
const discovery = createPeerDiscovery({
  peerGroupId: config.group,
  localPeerId: identity.peerId,
  providers: [
    mqtt({
      brokers: config.brokers,
      identity,
      groupKey: 'a group key of the NAT lab',
      onBrokers: (brokers) => tell({ event: 'brokers', states: brokers.map(({ state }) => state) }),
      ...config.mqtt
    })
  ],
  transports,
  logger,
  ...(network === undefined ? {} : { network })
})

/** Conversations that this side began, by number. */
const open = new Map()
let conversations = 0

const listener = await discovery.listen({
  onConnection: (socket, remote, strategy) => {
    socket.on('error', () => undefined)
    secureServer(socket, { identity, authenticator: insecureAcceptAnyone() }).then(
      ({ stream, peer }) => {
        tell({ event: 'incoming', from: peer?.peerId, strategy, remote })
        new Conversation(stream).serve()
      },
      (error) => tell({ event: 'refused', strategy, remote, code: errorCode(error), message: error.message })
    )
  }
})
discovery.addObserver({
  devicesChanged: ({ added, removed }) => {
    for (const { id } of added) tell({ event: 'seen', peerId: id })
    for (const { id } of removed) tell({ event: 'lost', peerId: id })
  }
})

/** What a person needs of a report. */
function summary(report) {
  const { state, elapsedMs, attempts } = report
  return {
    state,
    elapsedMs,
    text: formatConnectionReport(report),
    attempts: attempts.map(({ strategy, state, phase, address, elapsedMs, code, message, hint }) => ({
      strategy,
      state,
      phase,
      address,
      elapsedMs,
      code,
      message,
      hint
    }))
  }
}

const calls = {
  /** What the other side says of its network, once it has measured it. */
  async known({ peerId, withinMs = 8000 }) {
    const until = performance.now() + withinMs
    for (;;) {
      const peer = discovery.deviceWithId(peerId)?.peers[0]
      const resolved = await peer?.resolveUrl().catch(() => undefined)
      const measured = resolved?.network?.routes.some(({ tcp }) => tcp.mapping !== 'unknown') === true
      if (measured || (performance.now() >= until && resolved !== undefined)) return { measured, network: resolved.network }
      if (performance.now() >= until) throw new Error(`${peerId} is not seen`)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  },
  /** Connects, authenticates, and hears one answer: { conversation, strategy, route, relayed, ms, report }. */
  async connect({ peerId, deadlineMs = config.connectMs }) {
    const from = performance.now()
    let connection
    try {
      connection = await discovery.connect(peerId, { deadlineMs })
      const { stream } = await secureClient(connection.socket, {
        identity,
        authenticator: pinnedPeers([peerId]),
        expectedPeerId: peerId
      })
      const conversation = new Conversation(stream)
      await conversation.echo()
      const ms = performance.now() - from
      const number = ++conversations
      open.set(number, conversation)
      const { strategy, route, relayed, report } = connection
      return { connected: true, conversation: number, strategy, route, relayed, ms, report: summary(report) }
    } catch (error) {
      connection?.socket.destroy()
      const report = discovery.explain(peerId)
      return {
        connected: false,
        ms: performance.now() - from,
        code: errorCode(error),
        message: error.message,
        hint: isKithmeshError(error) ? error.hint : undefined,
        phase: connection === undefined ? 'route' : 'secure',
        report: report === undefined ? undefined : summary(report)
      }
    }
  },
  echo: ({ conversation }) => open.get(conversation).echo(),
  /** Sends that many bytes each way; both sides compare hashes. */
  transfer: ({ conversation, bytes }) => open.get(conversation).transfer(bytes),
  close({ conversation }) {
    open.get(conversation)?.end()
    open.delete(conversation)
  },
  devices: () => discovery.devices.map(({ id }) => id),
  status: () => ({ browse: discovery.status('MQTT', 'browse').state, publish: discovery.status('MQTT', 'publish').state })
}

createInterface({ input: process.stdin }).on('line', async (line) => {
  const { id, call, ...args } = JSON.parse(line)
  try {
    tell({ id, value: (await calls[call](args)) ?? null })
  } catch (error) {
    tell({ id, error: { message: error.message, code: errorCode(error) } })
  }
})
process.on('SIGTERM', async () => {
  await listener.close().catch(() => undefined)
  await discovery.shutdown().catch(() => undefined)
  process.exit()
})

for (;;) {
  try {
    await discovery.start({ publish: { displayName: config.name, port: listener.port ?? 9 } })
    break
  } catch (error) {
    tell({ event: 'waiting', code: errorCode(error), message: error.message })
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
}
tell({ event: 'online', peerId: identity.peerId, ms: performance.now() - startedAt })

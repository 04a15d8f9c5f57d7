// One peer of a NAT lab in a process of its own: node tests/natlab/peer.mjs CONFIG, JSON:
//   { group, name, brokers: [url], stun: [url], turn: [{ url, username, credential }], strategies: [name], connectMs }
// Prints JSON lines: { event: 'online', peerId, ms }, { event: 'network', facts }, { event: 'seen', peerId }, { event: 'lost', peerId }, { event: 'brokers', states },
// { event: 'waiting', code, message } when it could not start and will try again, and
// { event: 'incoming', from, strategy, remote }; and answers each line { id, call, … } of its standard input with { id, value } or { id, error }.
import { errorCode, formatConnectionReport, isKithmeshError } from '@kithmesh/core'
import { insecureAcceptAnyone, pinnedPeers, secureClient, secureServer } from '@kithmesh/identity'
import { answer, compose, known, tell } from './support/compose.mjs'
import { Conversation } from './support/conversation.mjs'

const config = JSON.parse(process.argv[2])
const startedAt = performance.now()
const { identity, discovery } = await compose(config)

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

answer({
  known: (args) => known(discovery, args),
  /** Connects, authenticates, and hears one answer: { conversation, strategy, route, quality, ms, report }. */
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
      const { strategy, route, quality, report } = connection
      return { connected: true, conversation: number, strategy, route, quality, ms, report: summary(report) }
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

// A signalling message to a peer and its answer, through a broker: two processes and the broker's own, all on loopback, beside bare MQTT
// messages over the same broker in the same rounds.
import { fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { performance } from 'node:perf_hooks'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { silentLogger, systemClock } from '@kithmesh/core'
import { createIdentity } from '@kithmesh/identity'
import { mqtt } from '@kithmesh/provider-mqtt'
import { Aedes } from 'aedes'
import mqttJs from 'mqtt'
import { Mosquitto, isMosquittoInstalled } from '../tests/interop/mqtt-mosquitto/mosquitto.mjs'
import { figure, line, percentile } from './lib/statistics.mjs'

const USAGE = `npm run bench -- signaling [options]
  --messages N       round trips per row and round (default 2000)
  --rounds N         interleaved; the figures are medians (default 5)
  --size BYTES       of a message (default 256)
  --broker NAME      mosquitto or aedes (default: mosquitto where it is installed)
  --json             one line of JSON on standard output at the end`

const WARM_UP = 200
const GROUP = 'bench'
const groupKey = Buffer.alloc(32, 1)
/** Rows with the provider: its options beside broker and identity. */
const variants = { 'sealed and signed': {}, 'with a group key, too': { groupKey }, 'with RSA identities': { kind: 'rsa' } }
const never = new AbortController().signal

const say = (text) => {
  process.stderr.write(`${text}\n`)
}

const roles = { broker: serveAedes, peer: answer }
if (process.send !== undefined) await roles[process.argv[2]](...process.argv.slice(3))
else await main()

/** aedes in a process of its own. */
async function serveAedes() {
  const aedes = await Aedes.createBroker()
  const server = createServer({ noDelay: true }, (socket) => {
    aedes.handle(socket)
  })
  server.listen(0, '127.0.0.1', () => {
    process.send({ port: server.address().port })
  })
  process.on('disconnect', () => process.exit(0))
}

/** The far side of all rows: sends back what it gets. */
async function answer(port) {
  process.on('disconnect', () => process.exit(0))
  const bare = await bareClient(port)
  await bare.subscribeAsync('bench/there', { qos: 1 })
  bare.on('message', (_topic, payload) => {
    bare.publish('bench/back', payload, { qos: 1 })
  })
  const peerIds = {}
  for (const [name, options] of Object.entries(variants)) {
    const { provider, identity } = await device(port, `${GROUP} ${name}`, options)
    const channel = provider.signalingChannel()
    channel.onMessage((from, message) => {
      void channel.send(from, message, { signal: never })
    })
    await provider.startPublishing({ displayName: 'far side', port: 1, metadata: new Map() })
    peerIds[name] = identity.peerId
  }
  process.send({ peerIds })
}

async function device(port, peerGroupId, { kind = 'ec', ...options }) {
  const identity = await createIdentity({ commonName: 'bench', kind })
  const provider = mqtt({ brokers: [`mqtt://127.0.0.1:${port}`], identity, messagesPerSecond: 1_000_000, ...options }).create({
    peerGroupId,
    localPeerId: identity.peerId,
    logger: silentLogger,
    clock: systemClock,
    network: { current: { routes: [], measuredAt: 0 }, onChange: () => () => {} },
    statusChanged() {},
    peersFound() {},
    peersLost() {},
    metadataChanged() {},
    incomingConnection: () => false
  })
  return { provider, identity }
}

async function bareClient(port) {
  const client = mqttJs.connect(`mqtt://127.0.0.1:${port}`, { protocolVersion: 4 })
  client.stream.setNoDelay(true)
  await once(client, 'connect')
  return client
}

async function main() {
  const { values } = parseArgs({
    options: {
      messages: { type: 'string', default: '2000' },
      rounds: { type: 'string', default: '5' },
      size: { type: 'string', default: '256' },
      broker: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false }
    }
  })
  if (values.help) {
    say(USAGE)
    return
  }
  const [messages, rounds, size] = [values.messages, values.rounds, values.size].map(Number)
  const broker = await startBroker(values.broker)
  const peer = fork(fileURLToPath(import.meta.url), ['peer', String(broker.port)])
  try {
    const [{ peerIds }] = await once(peer, 'message')
    const rows = await openRows(broker.port, peerIds)
    const samples = Object.fromEntries(Object.keys(rows).map((name) => [name, { p50: [], p99: [] }]))
    say(`${messages} round trips of ${size} bytes through ${broker.name}, ${rounds} rounds: median (min–max)`)
    for (let round = 0; round < rounds; round++) {
      for (const [name, row] of Object.entries(rows)) {
        const times = (await measure(row, messages + WARM_UP, size)).slice(WARM_UP)
        samples[name].p50.push(percentile(times, 0.5))
        samples[name].p99.push(percentile(times, 0.99))
      }
    }
    const figures = Object.entries(samples).flatMap(([name, { p50, p99 }]) => [
      figure(`${name}, p50`, 'ms', p50, {
        digits: 3,
        ...(name in variants && variants[name].kind !== 'rsa' ? { goal: { atMost: 1 } } : {})
      }),
      figure(`${name}, p99`, 'ms', p99, { digits: 3 })
    ])
    for (const one of figures) say(line(one))
    for (const row of Object.values(rows)) await row.close()
    if (values.json) process.stdout.write(`${JSON.stringify({ broker: broker.name, messages, size, figures })}\n`)
  } finally {
    peer.disconnect()
    await broker.stop()
  }
}

/** Per row: `send` a message, and `heard` called with each that comes back. */
async function openRows(port, peerIds) {
  const rows = {}
  const bare = await bareClient(port)
  await bare.subscribeAsync('bench/back', { qos: 1 })
  const bareRow = {
    heard: () => {},
    send: (message) => bare.publish('bench/there', message, { qos: 1 }),
    close: () => bare.endAsync()
  }
  bare.on('message', (_topic, payload) => bareRow.heard(payload))
  rows['bare MQTT messages, QoS 1'] = bareRow
  for (const [name, options] of Object.entries(variants)) {
    const { provider } = await device(port, `${GROUP} ${name}`, options)
    await provider.startBrowsing()
    const channel = provider.signalingChannel()
    while (!channel.reaches(peerIds[name])) await systemClock.sleep(10)
    const row = {
      heard: () => {},
      send: (message) => void channel.send(peerIds[name], message, { signal: never }),
      close: () => provider.shutdown()
    }
    channel.onMessage((_from, message) => row.heard(message))
    rows[name] = row
  }
  return rows
}

/** One after the other; milliseconds of each. */
async function measure(row, count, size) {
  const times = []
  for (let index = 0; index < count; index++) {
    const message = randomBytes(size)
    const back = new Promise((resolve) => {
      row.heard = resolve
    })
    const from = performance.now()
    row.send(message)
    const answered = await back
    times.push(performance.now() - from)
    if (Buffer.compare(message, answered) !== 0) throw new Error('another message came back')
  }
  return times
}

async function startBroker(wanted) {
  if (wanted !== 'aedes') {
    const mosquitto = await startMosquitto()
    if (mosquitto !== undefined) return mosquitto
    if (wanted === 'mosquitto') throw new Error('mosquitto is not installed, or does not start')
  }
  const broker = fork(fileURLToPath(import.meta.url), ['broker'])
  const [{ port }] = await once(broker, 'message')
  return { name: 'aedes', port, stop: async () => broker.disconnect() }
}

async function startMosquitto() {
  if (!isMosquittoInstalled()) return undefined
  const broker = await Mosquitto.create(1, ([port]) => `listener ${port} 127.0.0.1\nallow_anonymous true\npersistence false\nlog_type none`)
  return { name: 'mosquitto', port: broker.ports[0], stop: () => broker[Symbol.asyncDispose]() }
}

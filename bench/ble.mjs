// Bluetooth LE without a radio: noble and bleno as they are, above our host of the controller, above virtual controllers, in one process.
// Each figure is taken in a process of its own, so that neither memory nor warm code of one is in the other.
import { fork } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { performance } from 'node:perf_hooks'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { silentLogger, systemClock } from '@kithmesh/core'
import { hciBackend, serviceUuid } from '@kithmesh/provider-ble'
import { VirtualAir, seededRandom } from '@kithmesh/testkit/ble'
import { figure, line, median, round } from './lib/statistics.mjs'

const USAGE = `npm run bench -- ble [options]
  --library NAME     abandonware or stoprocent (default: both, one after the other in each round)
  --megabytes N      of the echo, each way (default 20)
  --peers N          of the mesh (default 12)
  --rounds N         the figures are medians (default 5)
  --json             one line of JSON on standard output at the end; its own figures are those of abandonware, the default library`

const SERVICE = serviceUuid('bench')
const goals = {
  echoMegabytesPerSecond: { unit: 'MB/s', digits: 2, goal: { atLeast: 5 }, name: 'echo over one channel, each way' },
  discoverToOpenMs: { unit: 'ms', digits: 0, goal: { atMost: 200 }, name: 'heard, read and open, every 100 ms' },
  meshOpenMs: { unit: 'ms', digits: 0, goal: { atMost: 2000 }, name: 'full mesh' },
  meshProcessorMs: { unit: 'ms', digits: 0, name: 'full mesh, processor time' },
  peakRssMegabytes: { unit: 'MB', digits: 0, goal: { atMost: 150 }, name: 'memory at its highest, mesh' }
}

/** A signal of its own for each operation, as programs have them. */
const never = () => new AbortController().signal

const say = (text) => {
  process.stderr.write(`${text}\n`)
}

const measurements = { echo: measureEcho, discovery: measureDiscovery, mesh: measureMesh }
if (process.send !== undefined) {
  const [name, library, ...numbers] = process.argv.slice(2)
  process.send(await measurements[name](library, ...numbers.map(Number)))
  process.disconnect()
} else await main()

async function main() {
  const { values } = parseArgs({
    options: {
      library: { type: 'string' },
      megabytes: { type: 'string', default: '20' },
      peers: { type: 'string', default: '12' },
      rounds: { type: 'string', default: '5' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false }
    }
  })
  if (values.help) {
    say(USAGE)
    return
  }
  const libraries = values.library === undefined ? ['abandonware', 'stoprocent'] : [values.library]
  const samples = Object.fromEntries(
    libraries.map((library) => [library, Object.fromEntries(Object.keys(goals).map((name) => [name, []]))])
  )
  for (let index = 0; index < Number(values.rounds); index++) {
    for (const library of libraries) {
      const seed = String(index + 1)
      const measured = {
        ...(await inProcess('echo', library, values.megabytes)),
        ...(await inProcess('discovery', library, seed)),
        ...(await inProcess('mesh', library, values.peers, seed))
      }
      for (const [name, value] of Object.entries(measured)) samples[library][name].push(value)
    }
  }
  const rows = {}
  for (const library of libraries) {
    say(`${library}: ${values.megabytes} MB, ${values.peers} peers, ${values.rounds} rounds: median (min–max)`)
    rows[library] = Object.entries(goals).map(([name, { unit, digits, goal, name: text }]) =>
      figure(text, unit, samples[library][name], { digits, ...(goal && { goal }) })
    )
    for (const each of rows[library]) say(line(each))
  }
  if (!values.json) return
  const medians = Object.fromEntries(
    libraries.map((library) => [
      library,
      Object.fromEntries(Object.entries(goals).map(([name, { digits }]) => [name, round(median(samples[library][name]), digits)]))
    ])
  )
  process.stdout.write(`${JSON.stringify({ ...medians[libraries[0]], libraries: medians, rows })}\n`)
}

/** Runs one measurement in a process of its own, with what the flags of this one say about profiles. */
async function inProcess(name, ...args) {
  const child = fork(fileURLToPath(import.meta.url), [name, ...args])
  const ended = once(child, 'exit')
  const [result] = await Promise.race([once(child, 'message'), ended])
  const [code] = await ended
  if (code !== 0 || typeof result !== 'object') throw new Error(`measuring ${name} with ${args.join(' ')} failed with exit code ${code}`)
  return result
}

/** A device on an air, started and, on request, published; `onStream` gets the streams of others. */
async function device(air, library, onStream) {
  const controller = air.controller()
  const backend = hciBackend({ adapter: controller, library, advertisingIntervalMs: 100, maxCentrals: 16 })({
    clock: systemClock,
    logger: silentLogger
  })
  await backend.start((error) => {
    throw error
  })
  const publish = () =>
    backend.publisher.publish({ serviceUuid: SERVICE, displayName: controller.address.id, metadata: Buffer.from('\u0003a=b'), onStream })
  return { id: controller.address.id, controller, backend, publish }
}

async function end(air, devices) {
  await Promise.all(devices.map(({ backend }) => backend.stop()))
  for (const { id, controller } of devices)
    if (controller.violations.length > 0) throw new Error(`${id} broke a rule: ${JSON.stringify(controller.violations)}`)
  await air.close()
}

/** Resolves with the first advertisement of a device. */
function hear(finder, id) {
  return new Promise((resolve, reject) => {
    finder.backend.central
      .startScan(SERVICE, (advertisement) => {
        if (advertisement.id === id) resolve(advertisement)
      })
      .catch(reject)
  })
}

/** Bytes that come back over one channel, in both directions at once: the rate of each. */
async function measureEcho(library, megabytes) {
  const air = new VirtualAir({ clock: systemClock })
  const devices = [
    await device(air, library, () => {}),
    await device(air, library, (stream) => {
      stream.on('error', () => {})
      stream.pipe(stream)
    })
  ]
  const [near, far] = devices
  await far.publish()
  await hear(near, far.id)
  const { psm } = await near.backend.central.read(far.id, { signal: never() })
  const stream = await near.backend.central.openStream(far.id, psm, { signal: never() })
  const block = randomBytes(1_000_000)
  await echo(stream, block)
  const from = performance.now()
  for (let count = 0; count < megabytes; count++) await echo(stream, block)
  const seconds = (performance.now() - from) / 1000
  stream.destroy()
  await end(air, devices)
  return { echoMegabytesPerSecond: (megabytes * block.length) / 1_000_000 / seconds }
}

/** Writes a block as fast as the stream takes it, and resolves when the same block has come back. */
async function echo(stream, block) {
  const hash = createHash('sha1')
  let received = 0
  const back = new Promise((resolve, reject) => {
    stream.once('error', reject)
    stream.on('data', (chunk) => {
      hash.update(chunk)
      received += chunk.length
      if (received < block.length) return
      stream.removeAllListeners('data').removeListener('error', reject)
      resolve()
    })
  })
  for (let offset = 0; offset < block.length; offset += 16_384)
    if (!stream.write(block.subarray(offset, offset + 16_384))) await once(stream, 'drain')
  await back
  if (hash.digest('hex') !== createHash('sha1').update(block).digest('hex')) throw new Error('other bytes came back')
}

/** From the first advertisement of an unknown device that is heard until a channel to it is open; its record is read in between. */
async function measureDiscovery(library, seed) {
  const air = new VirtualAir({ clock: systemClock, random: seededRandom(seed) })
  const devices = [await device(air, library, () => {}), await device(air, library, (stream) => stream.on('error', () => {}))]
  const [near, far] = devices
  const heard = hear(near, far.id)
  await far.publish()
  await heard
  const from = performance.now()
  const { psm } = await near.backend.central.read(far.id, { signal: never() })
  const stream = await near.backend.central.openStream(far.id, psm, { signal: never() })
  const discoverToOpenMs = performance.now() - from
  stream.on('error', () => {}).destroy()
  await end(air, devices)
  return { discoverToOpenMs }
}

/** Everybody finds everybody, reads the record and opens a channel: from the beginning of the search until the last one is open. */
async function measureMesh(library, peers, seed) {
  const air = new VirtualAir({ clock: systemClock, random: seededRandom(seed) })
  let accepted = 0
  const devices = []
  const streams = []
  for (let count = 0; count < peers; count++)
    devices.push(
      await device(air, library, (stream) => {
        stream.on('error', () => {})
        streams.push(stream)
        accepted++
      })
    )
  await Promise.all(devices.map(({ publish }) => publish()))
  const from = performance.now()
  const before = process.cpuUsage()
  await Promise.all(
    devices.map(async (own) => {
      const opening = new Map()
      await new Promise((resolve, reject) => {
        const open = async (id, attempt = 1) => {
          try {
            const { psm } = await own.backend.central.read(id, { signal: never() })
            const stream = await own.backend.central.openStream(id, psm, { signal: never() })
            stream.on('error', () => {})
            streams.push(stream)
          } catch (error) {
            // As the provider does. On a machine that is busy with other things a deadline may pass.
            if (attempt === 3) throw error
            say(`once more, ${own.id} to ${id}: ${error.message}`)
            await open(id, attempt + 1)
          }
        }
        own.backend.central
          .startScan(SERVICE, ({ id }) => {
            if (opening.has(id)) return
            opening.set(id, open(id))
            if (opening.size === peers - 1) Promise.all(opening.values()).then(resolve, reject)
          })
          .catch(reject)
      })
    })
  )
  while (accepted < peers * (peers - 1)) await systemClock.sleep(1)
  const meshOpenMs = performance.now() - from
  const { user, system } = process.cpuUsage(before)
  const peakRssMegabytes = process.resourceUsage().maxRSS / 1024
  for (const stream of streams) stream.destroy()
  await end(air, devices)
  return { meshOpenMs, meshProcessorMs: (user + system) / 1000, peakRssMegabytes }
}

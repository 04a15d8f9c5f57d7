// Speed of BLIP alone: two connections in one process over a socket pair in memory, every frame encoded and decoded on one thread.
import { randomBytes } from 'node:crypto'
import { parseArgs } from 'node:util'
import { createBlipConnection } from '@kithmesh/blip'
import { nodeZlib, pakoZlib } from '../packages/blip/dist/deflate.js'
import { figure, line } from './lib/statistics.mjs'

const USAGE = `npm run bench -- blip [options]
  --share S          of the usual numbers of messages, 0 to 1 (default 1)
  --json             one line of JSON on standard output at the end`

const { values } = parseArgs({
  options: {
    share: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false }
  }
})
const say = (text) => {
  process.stderr.write(`${text}\n`)
}
if (values.help) {
  say(USAGE)
  process.exit(0)
}

/** Delivers in batches, as a socket does that reads 64 KiB at once. */
function socketPair() {
  const make = () => ({
    protocol: 'BLIP_3+CBMobile_3',
    description: 'memory',
    bufferedBytes: 0,
    queue: [],
    bytes: 0,
    scheduled: false,
    attach(handlers) {
      this.handlers = handlers
    },
    send(message) {
      this.bytes += message.length
      this.queue.push(message)
      if (!this.scheduled) {
        this.scheduled = true
        setImmediate(() => {
          this.scheduled = false
          const queue = this.queue
          this.queue = []
          for (const message of queue) this.peer.handlers.message(message)
          if (queue.length >= 512) this.handlers.drained()
        })
      }
      return this.queue.length < 512
    },
    pause() {},
    resume() {},
    close() {},
    terminate() {}
  })
  const a = make()
  const b = make()
  a.peer = b
  b.peer = a
  return [a, b]
}

const hex = (i) => ((i * 2654435761) >>> 0).toString(16).padStart(8, '0')
const revision = (i) => '1-' + hex(i) + hex(i + 7) + hex(i + 13) + hex(i + 29) + hex(i + 31)
const words = ['lamp', 'chair', 'copper', 'shelf', 'blue', 'large', 'wire', 'glass']
const document = (i) =>
  JSON.stringify({
    type: 'item',
    name: `${words[i & 7]} ${words[(i >> 3) & 7]} ${i}`,
    quantity: i % 997,
    price: ((i * 37) % 10_000) / 100,
    tags: [words[(i >> 5) & 7], words[(i >> 2) & 7]],
    owner: hex(i * 3),
    updated: 1_790_000_000_000 + i * 977
  }).padEnd(125, ' ')

async function pairs(count, { compress, zlib, level = 6, window = 200 }) {
  const [a, b] = socketPair()
  const client = createBlipConnection(a, { zlib, compressionLevel: level, compressFromBytes: 0 })
  const server = createBlipConnection(b, { zlib, compressionLevel: level, compressFromBytes: 0 })
  let bytes = 0
  server.handle('rev', (request) => {
    bytes += request.body.length
    request.respond()
  })
  const bodies = Array.from({ length: 1024 }, (_, i) => Buffer.from(document(i)))
  const begin = process.hrtime.bigint()
  await new Promise((resolve) => {
    let sent = 0
    let done = 0
    const next = () => {
      const i = sent++
      client.request(
        {
          profile: 'rev',
          properties: { id: `item-${i}`, rev: revision(i), sequence: String(i), collection: '0' },
          body: bodies[i & 1023],
          compress
        },
        answered
      )
    }
    const answered = () => {
      if (++done === count) resolve()
      else if (sent < count) next()
    }
    while (sent < window) next()
  })
  const seconds = Number(process.hrtime.bigint() - begin) / 1e9
  return { perSecond: count / seconds, micros: (seconds / count) * 1e6, wirePerPair: (a.bytes + b.bytes) / count, bytes }
}

async function stream(total, piece, { compress, zlib }) {
  const [a, b] = socketPair()
  const client = createBlipConnection(a, { zlib })
  const server = createBlipConnection(b, { zlib })
  const size = 1_048_576
  let received = 0
  server.handle('blob', (request) => {
    request.respond({ body: piece(size), compress })
  })
  const begin = process.hrtime.bigint()
  for (let sent = 0; sent < total; sent += size) {
    await new Promise((resolve) =>
      client.request({ profile: 'blob' }, resolve, {
        onBody: (bytes) => {
          received += bytes.length
        }
      })
    )
  }
  if (received !== total) throw new Error(`${received} of ${total} bytes came`)
  return { megabytesPerSecond: total / 1e6 / (Number(process.hrtime.bigint() - begin) / 1e9), wire: b.bytes / total }
}

const noise = randomBytes(1_048_576)
const text = Buffer.from(Array.from({ length: 8000 }, (_, i) => document(i)).join('\n')).subarray(0, 1_048_576)
const figures = []
const tell = (each) => {
  figures.push(each)
  say(line(each))
}
const rounds = async (run) => {
  const samples = []
  for (let i = 0; i < 3; i++) samples.push(await run())
  return samples
}
const scaled = (count) => Math.max(1, Math.round(count * Number(values.share)))

say('requests of about 250 bytes and empty replies, on one thread; bodies of 1 MiB, one after the other; 3 rounds: median (min–max)')
await pairs(scaled(100_000), { compress: false })
for (const [name, count, options] of [
  ['uncompressed', 300_000, { compress: false }],
  ['uncompressed, window 20', 300_000, { compress: false, window: 20 }],
  ['deflate 6, node', 100_000, { compress: true, zlib: nodeZlib }],
  ['deflate 3, node', 100_000, { compress: true, zlib: nodeZlib, level: 3 }],
  ['deflate 1, node', 100_000, { compress: true, zlib: nodeZlib, level: 1 }],
  ['deflate 6, pako', 30_000, { compress: true, zlib: pakoZlib }]
]) {
  const samples = await rounds(() => pairs(scaled(count), options))
  const of = (key) => samples.map((sample) => sample[key])
  tell(figure(`requests, ${name}`, 'a second', of('perSecond')))
  tell(figure(`requests, ${name}: on the wire`, 'bytes', of('wirePerPair')))
}
for (const [name, total, body, options] of [
  ['noise, uncompressed', 512, noise, { compress: false }],
  ['noise, wish to compress', 64, noise, { compress: true }],
  ['JSON, uncompressed', 512, text, { compress: false }],
  ['JSON, deflate 6, node', 64, text, { compress: true, zlib: nodeZlib }],
  ['JSON, deflate 6, pako', 16, text, { compress: true, zlib: pakoZlib }]
]) {
  const samples = await rounds(() => stream(scaled(total) * 1_048_576, () => body, options))
  const of = (key, factor) => samples.map((sample) => sample[key] * factor)
  tell(figure(`bodies, ${name}`, 'MB/s', of('megabytesPerSecond', 1)))
  tell(figure(`bodies, ${name}: on the wire`, '%', of('wire', 100), { digits: 1 }))
}
if (values.json) process.stdout.write(`${JSON.stringify({ figures })}\n`)

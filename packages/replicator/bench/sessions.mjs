// Two processes on loopback, both with a database on disk: documents per second pushed and pulled, blobs, memory.
// node packages/replicator/bench/sessions.mjs [--docs N] [--blobs N] [--level 0-9] [--memory] [--versioning version-vectors]
import { fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { rmSync, mkdtempSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { fileURLToPath } from 'node:url'
import { Database } from '@kithmesh/database'
import { createWebSocketAcceptor, openWebSocket } from '@kithmesh/websocket'
import { Replicator } from '../dist/replicator.js'
import { socketEndpoint } from '../dist/endpoint.js'
import { acceptedProtocols } from '../dist/listener/offered-protocols.js'
import { serveReplication } from '../dist/listener/serve-replication.js'

const option = (name, fallback) => {
  const at = process.argv.indexOf(`--${name}`)
  return at < 0 ? fallback : process.argv[at + 1]
}
const docs = Number(option('docs', 20000))
const blobs = Number(option('blobs', 0))
const level = Number(option('level', 6))
const durability = option('durability', 'full')
const versioning = option('versioning', 'rev-trees')
const words = ['alpha', 'bravo', 'charlie', 'delta', 'echo', 'foxtrot', 'golf', 'hotel', 'india', 'juliet', 'kilo', 'lima']
const text = (n) => Array.from({ length: 18 }, (_, i) => words[(n * 7 + i * 5 + (n >> (i % 8))) % words.length]).join(' ')
const rss = () => Math.round(process.resourceUsage().maxRSS / 1024)
const fill = (database, n, prefix) => {
  const collection = database.collection()
  for (let i = 0; i < n; i += 1000)
    collection.putMany
      ? collection.putMany(
          Array.from({ length: Math.min(1000, n - i) }, (_, k) => ({
            id: `${prefix}-${i + k}`,
            body: { n: i + k, score: ((i + k) % 1000) / 10, text: text(i + k), done: false }
          }))
        )
      : 0
}

if (process.argv[2] === 'serve') {
  let begun
  const database = await Database.open(process.argv[3], { durability, versioning })
  const acceptor = createWebSocketAcceptor({
    selectProtocol: (offered) => offered.find((p) => acceptedProtocols(database).includes(p)),
    onConnection: (socket) => {
      serveReplication(socket, { database, compressionLevel: level })
    }
  })
  const server = createServer((stream) => {
    stream.setNoDelay(true)
    acceptor.accept(stream, undefined)
  })
  server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }))
  process.on('message', async (message) => {
    if (message.fill) {
      fill(database, message.fill, 'theirs')
      process.send({ filled: true })
    }
    if (message.begin) begun = performance.eventLoopUtilization()
    if (message.report)
      process.send({
        busy: Math.round(performance.eventLoopUtilization(begun).utilization * 100),
        rss: rss(),
        cpu: process.cpuUsage(),
        sequence: [...(database.collection().ids?.() ?? [])].length
      })
    if (message.exit) {
      server.close()
      await database.close()
      process.exit(0)
    }
  })
} else {
  const root = mkdtempSync(join(tmpdir(), 'kithmesh-bench-'))
  const child = fork(fileURLToPath(import.meta.url), ['serve', join(root, 'b'), ...process.argv.slice(2)])
  const reply = (key) =>
    new Promise((resolve) => {
      const on = (m) => {
        if (key in m) {
          child.off('message', on)
          resolve(m)
        }
      }
      child.on('message', on)
    })
  const { port } = await reply('port')
  const database = await Database.open(join(root, 'a'), { durability, versioning })
  const endpoint = socketEndpoint({
    uid: 'bench',
    open: async ({ protocols, signal }) => {
      const stream = connect(port, '127.0.0.1')
      stream.setNoDelay(true)
      await new Promise((resolve, reject) => {
        stream.once('connect', resolve)
        stream.once('error', reject)
      })
      return (await openWebSocket(stream, { url: `ws://127.0.0.1:${port}/db/_blipsync`, protocols, signal })).socket
    }
  })
  const run = async (type) => {
    const replicator = new Replicator({ database, endpoint, type, compressionLevel: level })
    const start = performance.now()
    const cpu = process.cpuUsage()
    child.send({ begin: true })
    const elu = performance.eventLoopUtilization()
    replicator.start()
    const status = await replicator.finished()
    if (status.error) throw status.error
    const ms = performance.now() - start
    const busy = Math.round(performance.eventLoopUtilization(elu).utilization * 100)
    const used = process.cpuUsage(cpu)
    child.send({ report: true })
    const theirs = await reply('rss')
    console.log(
      JSON.stringify({
        type,
        ms: Math.round(ms),
        documents: status.progress.documents,
        docsPerSecond: Math.round((status.progress.documents / ms) * 1000),
        MBps: Math.round(status.progress.bytes / ms / 1000),
        busy: [busy, theirs.busy],
        cpuMs: [Math.round((used.user + used.system) / 1000), Math.round((theirs.cpu.user + theirs.cpu.system) / 1000)],
        rss: [rss(), theirs.rss]
      })
    )
    return replicator
  }
  try {
    const t = performance.now()
    fill(database, docs, 'mine')
    console.log(`inserted ${docs} in ${Math.round(performance.now() - t)} ms`)
    await run('push')
    await run('push')
    child.send({ fill: docs })
    await reply('filled')
    await run('pull')
    await run('pull')
    if (blobs > 0) {
      const collection = database.collection()
      for (let i = 0; i < blobs; i++) {
        const blob = await database.blobs.saveBlob(randomBytes(256 * 1024), 'application/octet-stream')
        collection.put(`blob-${i}`, { picture: { ...blob } })
      }
      await run('push')
    }
  } finally {
    child.send({ exit: true })
    await database.close()
    rmSync(root, { recursive: true, force: true })
  }
}

// One process of the floor: the documents as one WebSocket message and one reply each, stored in the same engine and as durably, and nothing
// else: no proposals, no histories, no checksums, no checkpoint. In two styles:
// `plain`, as one would write it: a message is a JSON text, parsed on arrival because a store of documents has to know that it gets some;
// `tuned`: lengths and bytes, nothing parsed, and the messages of one turn of the event loop leave in one write.
import { createRequire } from 'node:module'
import { sqliteEngine } from '@kithmesh/database/storage'
import { benchDocument, benchId } from './documents.mjs'
import { answer, peakRssMegabytes, preciseNow, timed } from './processes.mjs'

const { WebSocket, WebSocketServer } = createRequire(import.meta.url)('ws')
/** As many as a replicator leaves unanswered, and stores at once. */
const WINDOW = 2000
const BATCH = 1000
const SEND = { binary: true, compress: false, fin: true }

let tuned = false
let engine
let collection
let server
let client
/** When each edit was on this side's disk. */
const stored = []

function sender(socket) {
  return tuned ? coalescing(socket) : (message) => socket.send(message, SEND)
}

/** Sends small messages of one turn of the event loop in one write. */
function coalescing(socket) {
  const stream = socket._socket
  let corked = false
  const flush = () => {
    corked = false
    stream.uncork()
  }
  return (message) => {
    if (!corked) {
      corked = true
      stream.cork()
      setImmediate(flush)
    }
    socket.send(message, SEND)
    if (corked && socket.bufferedAmount > 65_536) flush()
  }
}

function encode({ id, revId, body }) {
  if (!tuned)
    return Buffer.from(`{"id":${JSON.stringify(id)},"rev":"${revId}","body":${Buffer.from(body.buffer, body.byteOffset, body.length)}}`)
  const message = Buffer.allocUnsafe(2 + id.length + revId.length + body.length)
  message[0] = id.length
  message[1] = revId.length
  message.write(id, 2, 'latin1')
  message.write(revId, 2 + id.length, 'latin1')
  message.set(body, 2 + id.length + revId.length)
  return message
}

const NOTHING = new Uint8Array(0)

function decode(message) {
  if (!tuned) {
    const { id, rev, body } = JSON.parse(message.toString())
    return { id, revId: rev, flags: 0, tree: NOTHING, body: Buffer.from(JSON.stringify(body)) }
  }
  const idEnd = 2 + message[0]
  const revEnd = idEnd + message[1]
  return {
    id: message.latin1Slice(2, idEnd),
    revId: message.latin1Slice(idEnd, revEnd),
    flags: 0,
    tree: NOTHING,
    body: message.subarray(revEnd)
  }
}

/** Sends all documents, at most WINDOW of them unanswered; resolves when the last one is answered. */
function sendAll(socket) {
  const send = sender(socket)
  return new Promise((resolve, reject) => {
    let since = 0
    let unanswered = 0
    let ended = false
    const pump = () => {
      while (!ended && unanswered < WINDOW - 200) {
        const documents = engine.reader.documentsSince(collection, since, 200)
        if (documents.length === 0) ended = true
        else since = documents.at(-1).sequence
        unanswered += documents.length
        for (const document of documents) send(encode(document))
      }
      if (ended && unanswered === 0) resolve()
    }
    socket.on('message', () => {
      unanswered--
      if (unanswered < WINDOW - 200) pump()
    })
    socket.on('error', reject)
    pump()
  })
}

/** Stores what arrives and answers afterwards; resolves when `count` documents are stored. */
function storeAll(socket, count) {
  const send = sender(socket)
  return new Promise((resolve, reject) => {
    let waiting = []
    let scheduled = false
    let stored = 0
    const store = () => {
      const batch = waiting
      waiting = []
      if (batch.length === 0) return
      engine.transact((writer) => {
        for (const message of batch) writer.put(collection, decode(message))
      })
      for (const message of batch) send(message.subarray(0, 1))
      stored += batch.length
      if (stored === count) resolve()
    }
    // As the replicator does: waits while messages keep arriving, because a transaction costs about as much as a hundred of them.
    const storeSoon = (before) => {
      setImmediate(() => {
        if (waiting.length > before && waiting.length < BATCH) storeSoon(waiting.length)
        else {
          scheduled = false
          store()
        }
      })
    }
    socket.on('message', (message) => {
      waiting.push(message)
      if (waiting.length >= BATCH) store()
      else if (!scheduled) {
        scheduled = true
        storeSoon(0)
      }
    })
    socket.on('error', reject)
  })
}

answer({
  open({ directory, style }) {
    tuned = style === 'tuned'
    engine = sqliteEngine().open(directory)
    collection = engine.transact((writer) => writer.createCollection('_default', '_default'))
  },
  /** The passive side; `count` documents come when it receives. */
  async serve({ receive, count }) {
    server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false })
    server.on('connection', (socket) => {
      if (receive) storeAll(socket, count)
      else socket.once('message', () => sendAll(socket))
    })
    await new Promise((resolve) => server.once('listening', resolve))
    return server.address().port
  },
  /** The active side; the clock runs from before it connects. */
  async run({ port, receive, count }) {
    const { ms } = await timed(async () => {
      client = new WebSocket(`ws://127.0.0.1:${port}`, { perMessageDeflate: false })
      await new Promise((resolve, reject) => {
        client.once('open', resolve)
        client.once('error', reject)
      })
      client._socket.setNoDelay(true)
      if (!receive) return sendAll(client)
      client.send('go')
      return storeAll(client, count)
    })
    return { ms }
  },
  /** Stores each document that comes, in a transaction of its own, and answers. */
  async serveEdits() {
    server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false })
    server.on('connection', (socket) => {
      socket._socket.setNoDelay(true)
      socket.on('message', (message) => {
        const document = decode(message)
        engine.transact((writer) => writer.put(collection, document, writer.get(collection, document.id)))
        stored.push(preciseNow())
        socket.send('ok')
      })
    })
    await new Promise((resolve) => server.once('listening', resolve))
    return server.address().port
  },
  /** Stores one document after the other and sends it, each when the one before was answered; when each began. */
  async editSlowly({ port, count }) {
    client = new WebSocket(`ws://127.0.0.1:${port}`, { perMessageDeflate: false })
    await new Promise((resolve, reject) => {
      client.once('open', resolve)
      client.once('error', reject)
    })
    client._socket.setNoDelay(true)
    const began = []
    for (let n = 0; n < count; n++) {
      const body = Buffer.from(JSON.stringify({ ...benchDocument(n), edited: 'floor' }))
      const document = { id: benchId(n), revId: `3-${n.toString(16).padStart(40, '0')}`, flags: 0, tree: NOTHING, body }
      began.push(preciseNow())
      engine.transact((writer) => writer.put(collection, document, writer.get(collection, document.id)))
      const answered = new Promise((resolve) => client.once('message', resolve))
      client.send(encode(document), SEND)
      await answered
    }
    return began
  },
  stored: () => stored,
  count: () => engine.reader.count(collection),
  rss: () => peakRssMegabytes(),
  close() {
    client?.terminate()
    server?.close()
    engine?.close()
  }
})

// One process of the raw stream: messages over `ws` and nothing else, from memory or from files, into nothing or into files that are synced.
import { createRequire } from 'node:module'
import { closeSync, fsyncSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { answer, timed } from './processes.mjs'

const { WebSocket, WebSocketServer } = createRequire(import.meta.url)('ws')
const HIGH_WATER_BYTES = 1024 * 1024
let server

/** Sends the messages, never much more than the socket has taken. */
function sendAll(socket, count, message) {
  return new Promise((resolve, reject) => {
    let sent = 0
    const pump = () => {
      while (sent < count && socket.bufferedAmount < HIGH_WATER_BYTES)
        socket.send(message(sent++), (error) => {
          if (error) reject(error)
          else pump()
        })
      if (sent === count) resolve()
    }
    pump()
  })
}

function receiveAll(socket, count, into) {
  return new Promise((resolve, reject) => {
    let received = 0
    socket.on('message', (message) => {
      if (into !== undefined) writeSynced(join(into, String(received)), message)
      if (++received === count) resolve()
    })
    socket.once('error', reject)
  })
}

function writeSynced(file, bytes) {
  const handle = openSync(file, 'w')
  writeSync(handle, bytes)
  fsyncSync(handle)
  closeSync(handle)
}

async function connected(port) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}`, { perMessageDeflate: false })
  await new Promise((resolve, reject) => {
    socket.once('open', resolve)
    socket.once('error', reject)
  })
  return socket
}

answer({
  async serve() {
    server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false })
    server.on('connection', (socket) => {
      socket.once('message', (text) => {
        const { count, bytes, from } = JSON.parse(text)
        if (bytes === undefined) receiveAll(socket, count).then(() => socket.send('done'))
        else {
          const message = randomBytes(bytes)
          sendAll(socket, count, from === undefined ? () => message : (n) => readFileSync(join(from, String(n))))
        }
      })
    })
    await new Promise((resolve) => server.once('listening', resolve))
    return server.address().port
  },
  /** Milliseconds until all messages are received, and in `into` if that is given. */
  async receive({ port, count, bytes, from, into }) {
    if (from !== undefined) for (let n = 0; n < count; n++) writeFileSync(join(from, String(n)), randomBytes(bytes))
    const socket = await connected(port)
    const { ms } = await timed(async () => {
      socket.send(JSON.stringify({ count, bytes, from }))
      await receiveAll(socket, count, into)
    })
    socket.terminate()
    return ms
  },
  /** Milliseconds until the server has received all messages. */
  async send({ port, count, bytes }) {
    const message = randomBytes(bytes)
    const socket = await connected(port)
    const done = new Promise((resolve) => socket.once('message', resolve))
    const { ms } = await timed(async () => {
      socket.send(JSON.stringify({ count }))
      await sendAll(socket, count, () => message)
      await done
    })
    socket.terminate()
    return ms
  }
})

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

/** One message again and again, or the files of a directory. */
function messages(bytes, from) {
  if (from !== undefined) return (n) => readFileSync(join(from, String(n)))
  const message = randomBytes(bytes)
  return () => message
}

function makeFiles(directory, count, bytes) {
  if (directory !== undefined) for (let n = 0; n < count; n++) writeFileSync(join(directory, String(n)), randomBytes(bytes))
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
        const { count, bytes, from, into } = JSON.parse(text)
        if (bytes === undefined) receiveAll(socket, count, into).then(() => socket.send('done'))
        else sendAll(socket, count, messages(bytes, from))
      })
    })
    await new Promise((resolve) => server.once('listening', resolve))
    return server.address().port
  },
  /** Milliseconds until all messages are received, and in `into` if that is given. */
  async receive({ port, count, bytes, from, into }) {
    makeFiles(from, count, bytes)
    const socket = await connected(port)
    const { ms } = await timed(async () => {
      socket.send(JSON.stringify({ count, bytes, from }))
      await receiveAll(socket, count, into)
    })
    socket.terminate()
    return ms
  },
  /** Milliseconds until the server has received all messages, and in `into` if that is given. */
  async send({ port, count, bytes, from, into }) {
    makeFiles(from, count, bytes)
    const message = messages(bytes, from)
    const socket = await connected(port)
    const done = new Promise((resolve) => socket.once('message', resolve))
    const { ms } = await timed(async () => {
      socket.send(JSON.stringify({ count, into }))
      await sendAll(socket, count, message)
      await done
    })
    socket.terminate()
    return ms
  }
})

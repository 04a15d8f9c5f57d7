// Messages per second over one WebSocket between two processes on loopback, beside bare `ws` in the same run.
// usage: node bench/websocket.mjs [--messages N] [--size BYTES] [--json]
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { parseArgs } from 'node:util'
import WebSocket, { WebSocketServer } from 'ws'
import { createWebSocketAcceptor, openWebSocket } from '@kithmesh/websocket'

const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '300000' },
    size: { type: 'string', default: '256' },
    json: { type: 'boolean', default: false }
  }
})
const COUNT = Number(values.messages)
const SIZE = Number(values.size)
const ignore = () => {}

if (process.send !== undefined) serve()
else await measure()

/** The far side: counts one-way messages and confirms the last; answers each message of the other tests. */
function serve() {
  const protocol = (name, send, onDone) => {
    if (name === 'sink') {
      let seen = 0
      return () => {
        if (++seen === COUNT) onDone()
      }
    }
    return (data) => {
      send(data)
    }
  }
  const acceptor = createWebSocketAcceptor({
    selectProtocol: (offered) => offered[0],
    onConnection: (socket) => {
      const send = (data) => {
        if (!socket.send(data)) socket.pause()
      }
      socket.attach({
        message: protocol(socket.protocol, send, () => socket.send(Buffer.from('done'))),
        drained: () => {
          socket.resume()
        },
        closed: ignore
      })
    }
  })
  const server = createServer((stream) => {
    stream.setNoDelay(true)
    acceptor.accept(stream, undefined)
  }).listen(0, '127.0.0.1', () => {
    const bare = new WebSocketServer(
      { port: 0, host: '127.0.0.1', perMessageDeflate: false, handleProtocols: (set) => [...set][0] },
      () => {
        process.send({ own: server.address().port, bare: bare.address().port })
      }
    )
    bare.on('connection', (socket) => {
      socket.on(
        'message',
        protocol(
          socket.protocol,
          (data) => {
            socket.send(data)
          },
          () => {
            socket.send('done')
          }
        )
      )
    })
  })
  process.on('disconnect', () => process.exit(0))
}

async function measure() {
  const child = fork(new URL(import.meta.url), process.argv.slice(2))
  const [ports] = await once(child, 'message')
  const rows = {}
  for (let round = 0; round < 3; round++) {
    for (const [kind, run] of [
      ['bare ws', bare],
      ['kithmesh', own]
    ]) {
      for (const test of ['sink', 'echo', 'pingpong']) {
        const count = test === 'pingpong' ? Math.min(COUNT, 10_000) : COUNT
        const started = performance.now()
        await run(ports, test, count)
        const rate = count / ((performance.now() - started) / 1000)
        ;(rows[`${test} ${kind}`] ??= []).push(rate)
      }
    }
  }
  const result = Object.fromEntries(Object.entries(rows).map(([name, rates]) => [name, Math.round(rates.sort((a, b) => a - b)[1])]))
  if (values.json) console.log(JSON.stringify({ messages: COUNT, size: SIZE, ...result }))
  else
    for (const test of ['sink', 'echo', 'pingpong'])
      console.log(
        `${test.padEnd(9)} kithmesh ${result[`${test} kithmesh`]} msg/s, bare ws ${result[`${test} bare ws`]} msg/s, ratio ${(result[`${test} kithmesh`] / result[`${test} bare ws`]).toFixed(2)}`
      )
  child.disconnect()
}

async function own(ports, test, count) {
  const stream = connect(ports.own, '127.0.0.1')
  await once(stream, 'connect')
  const { socket } = await openWebSocket(stream, { url: 'ws://127.0.0.1/bench', protocols: [test] })
  await new Promise((resolve) => {
    let sent = 0
    let seen = 0
    const message = Buffer.alloc(SIZE, 1)
    const pump = () => {
      while (sent < count) {
        sent++
        if (!socket.send(message)) return
      }
    }
    socket.attach({
      message: () => {
        seen++
        if (test === 'sink' || seen === count) resolve()
        else if (test === 'pingpong') {
          socket.send(message)
        }
      },
      drained: () => {
        if (test !== 'pingpong') pump()
      },
      closed: ignore
    })
    if (test === 'pingpong') socket.send(message)
    else pump()
  })
  socket.close()
}

async function bare(ports, test, count) {
  const socket = new WebSocket(`ws://127.0.0.1:${ports.bare}/`, [test], { perMessageDeflate: false })
  await once(socket, 'open')
  await new Promise((resolve) => {
    let sent = 0
    let seen = 0
    const message = Buffer.alloc(SIZE, 1)
    const pump = () => {
      while (sent < count) {
        sent++
        if (socket.bufferedAmount > 256 * 1024) {
          socket.send(message, pump)
          return
        }
        socket.send(message)
      }
    }
    socket.on('message', () => {
      seen++
      if (test === 'sink' || seen === count) resolve()
      else if (test === 'pingpong') socket.send(message)
    })
    if (test === 'pingpong') socket.send(message)
    else pump()
  })
  socket.close()
}

// Messages per second over one WebSocket between two processes on loopback, beside bare `ws` in the same run.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { parseArgs } from 'node:util'
import WebSocket, { WebSocketServer } from 'ws'
import { createWebSocketAcceptor, openWebSocket } from '@kithmesh/websocket'
import { figure, line } from './lib/statistics.mjs'

const USAGE = `npm run bench -- websocket [options]
  --messages N       of each test; the one that waits for each answer takes 10000 at most (default 300000)
  --size BYTES       of a message (default 256)
  --rounds N         interleaved; the figures are medians (default 3)
  --json             one line of JSON on standard output at the end`

const say = (text) => {
  process.stderr.write(`${text}\n`)
}

const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '300000' },
    size: { type: 'string', default: '256' },
    rounds: { type: 'string', default: '3' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false }
  }
})
const COUNT = Number(values.messages)
const SIZE = Number(values.size)
const ignore = () => {}

if (values.help) say(USAGE)
else if (process.send !== undefined) serve()
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
  for (let round = 0; round < Number(values.rounds); round++) {
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
  const names = { sink: 'one way', echo: 'echoed', pingpong: 'one after the other, echoed' }
  const figures = Object.entries(names).flatMap(([test, text]) => {
    const floor = rows[`${test} bare ws`]
    return [
      figure(`bare ws, ${text}`, 'messages/s', floor),
      figure(
        `WebSocket, ${text}`,
        'messages/s',
        rows[`${test} kithmesh`],
        test === 'sink' ? { goal: { atLeast: 0.9, of: floor, name: 'bare ws' } } : { beside: { of: floor, name: 'bare ws' } }
      )
    ]
  })
  say(`${COUNT} messages of ${SIZE} bytes, ${values.rounds} rounds, two processes on loopback: median (min–max)`)
  for (const each of figures) say(line(each))
  if (values.json) process.stdout.write(`${JSON.stringify({ messages: COUNT, size: SIZE, figures })}\n`)
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

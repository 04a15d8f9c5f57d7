// Small exchanges with echo-address.mjs, for tests of the lab itself; prints one line of JSON.
//   talk.mjs count ADDRESS OWN N            sends N UDP requests and tells how many answers came, and the quickest round trip in ms
//   talk.mjs dial ADDRESS PORT MS           connects by TCP: { outcome, ms }; the outcome is `nothing` after so many ms
//   talk.mjs seen ADDRESS OWN PORT          how the server sees that local port, by UDP: { address, port }
//   talk.mjs call OWN PORT ADDRESS PORT MS  opens a mapping by UDP to the server 203.0.113.10, then sends to the address until it hears from it
//   talk.mjs answer OWN PORT MS             opens a mapping, and answers whom it hears from: whose packets never cross those of the caller.
//                                           Linux routers give flows that begin by crossing another port than the one asked for.
//                                           Both: { outcome }, the address and port heard from, or `nothing` after so many ms
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect } from 'node:net'

const [mode, ...args] = process.argv.slice(2)

async function bound(own, port) {
  const socket = createSocket(own.includes(':') ? 'udp6' : 'udp4')
  socket.on('error', () => undefined)
  socket.bind(port, own)
  await once(socket, 'listening')
  return socket
}

/** A socket whose mapping the router has been told. */
async function mapped(own, port) {
  const socket = await bound(own, Number(port))
  socket.send(JSON.stringify({ id: 0 }), 7001, '203.0.113.10')
  return socket
}

/** Who said hello first, `undefined` when nobody did in time. */
function greeted(socket, ms) {
  return new Promise((resolve) => {
    setTimeout(() => setImmediate(resolve), Number(ms))
    socket.on('message', (data, from) => {
      if (data.toString() === 'hello') resolve(from)
    })
  })
}

const named = (from) => (from === undefined ? 'nothing' : `${from.address} ${from.port}`)

const modes = {
  async count([address, own, count]) {
    const socket = await bound(own, 0)
    const sent = []
    const back = new Map()
    // Until the way is known: what is sent before that waits for ARP, whose own packets get lost too.
    await new Promise((resolve) => {
      const knock = setInterval(() => socket.send(JSON.stringify({ id: -1 }), 7001, address), 20)
      socket.once('message', () => {
        clearInterval(knock)
        resolve()
      })
    })
    socket.on('message', (data) => {
      const { id } = JSON.parse(data.toString())
      if (id >= 0 && !back.has(id)) back.set(id, performance.now() - sent[id])
    })
    for (let id = 0; id < Number(count); id++) {
      sent[id] = performance.now()
      socket.send(JSON.stringify({ id }), 7001, address)
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    await new Promise((resolve) => setTimeout(resolve, 1000))
    return { answers: back.size, quickestMs: Math.min(...back.values()) }
  },
  async dial([host, port, ms]) {
    const from = performance.now()
    const socket = connect({ host, port: Number(port) })
    const outcome = await new Promise((resolve) => {
      setTimeout(() => setImmediate(resolve, 'nothing'), Number(ms))
      socket.once('connect', () => resolve('connected'))
      socket.once('error', (error) => resolve(error.code))
    })
    return { outcome, ms: performance.now() - from }
  },
  async seen([address, own, port]) {
    const socket = await bound(own, Number(port))
    socket.send(JSON.stringify({ id: 0 }), 7001, address)
    return JSON.parse((await once(socket, 'message'))[0].toString())
  },
  async call([own, ownPort, address, port, ms]) {
    const socket = await mapped(own, ownPort)
    const say = setInterval(() => socket.send('hello', Number(port), address), 20)
    const from = await greeted(socket, ms)
    clearInterval(say)
    return { outcome: named(from) }
  },
  async answer([own, ownPort, ms]) {
    const socket = await mapped(own, ownPort)
    const from = await greeted(socket, ms)
    if (from !== undefined) await new Promise((resolve) => socket.send('hello', from.port, from.address, resolve))
    return { outcome: named(from) }
  }
}

console.log(JSON.stringify(await modes[mode](args)))
process.exit()

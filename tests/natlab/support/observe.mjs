// Runs on a peer: finds out by plain sockets what its router does, with the help of echo-address.mjs, and prints it as one line of JSON.
// Arguments: the peer's own address, then the server's two addresses.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { allocationOf, filteringOf, mappingOf } from './classify.mjs'

const [own, ...servers] = process.argv.slice(2)
const [first, second] = [7001, 7002]
const family = own.includes(':') ? 'udp6' : 'udp4'
const ANSWER_MS = 1000
/** An answer that is not expected to come is waited for this long; the way there and back takes a few milliseconds. */
const SILENCE_MS = 250
let ids = 0

async function udpSocket(port = 0) {
  const socket = createSocket(family)
  socket.on('error', () => undefined)
  socket.bind(port, own)
  await once(socket, 'listening')
  return socket
}

/** Sends a request and resolves with the answer, or undefined. */
function askUdp(socket, server, port, { from, withinMs = ANSWER_MS } = {}) {
  const id = ++ids
  return new Promise((resolve) => {
    const onMessage = (data) => {
      const answer = JSON.parse(data.toString())
      if (answer.id === id) end(answer)
    }
    const end = (answer) => {
      clearTimeout(timer)
      socket.off('message', onMessage)
      resolve(answer)
    }
    const timer = setTimeout(end, withinMs, undefined)
    socket.on('message', onMessage)
    socket.send(JSON.stringify({ id, from }), port, server)
  })
}

/** Connects from a local port and resolves with { answer, socket, localPort }, or undefined. */
async function askTcp(localPort, server, port, { dial, withinMs = ANSWER_MS } = {}) {
  const socket = connect({ host: server, port, localAddress: own, localPort })
  socket.on('error', () => undefined)
  const answer = await new Promise((resolve) => {
    const timer = setTimeout(resolve, withinMs, undefined)
    socket.once('connect', () => socket.write(`${JSON.stringify({ id: ++ids, dial })}\n`))
    socket.once('data', (data) => {
      clearTimeout(timer)
      resolve(JSON.parse(data.toString()))
    })
    socket.once('close', () => resolve(undefined))
  })
  return answer === undefined ? undefined : { answer, socket, localPort: socket.localPort }
}

async function observeUdp() {
  const socket = await udpSocket()
  // Filtering first: nothing may have been sent to the second address yet.
  const asked = await askUdp(socket, servers[0], first)
  if (asked === undefined) {
    socket.close()
    return { mapping: 'blocked' }
  }
  const otherAddress = await askUdp(socket, servers[0], first, { from: [1, 1], withinMs: SILENCE_MS })
  const otherPort = await askUdp(socket, servers[0], first, { from: [0, 1], withinMs: SILENCE_MS })
  const seen = [asked, await askUdp(socket, servers[0], second), await askUdp(socket, servers[1], first)]
  socket.close()
  const pairs = []
  for (const port of await localPorts()) {
    const each = await udpSocket(port)
    const answer = await askUdp(each, servers[0], first)
    pairs.push([each.address().port, answer?.port])
    each.close()
  }
  return {
    mapping: mappingOf(seen, own),
    filtering: filteringOf(otherAddress !== undefined, otherPort !== undefined),
    allocation: allocationOf(pairs)
  }
}

async function observeTcp() {
  const opened = await askTcp(0, servers[0], first)
  if (opened === undefined) return { mapping: 'blocked' }
  const { localPort, answer } = opened
  const listener = createServer((stream) => stream.destroy())
  listener.listen(localPort, own)
  await once(listener, 'listening')
  // The server dials back from its second address, then from its first one with another port; asked for on connections of their own.
  const dialBack = async (local) => {
    const dial = { address: answer.address, port: answer.port, local, withinMs: SILENCE_MS }
    const { answer: told, socket } = await askTcp(0, servers[0], second, { dial })
    socket.resetAndDestroy()
    return told.outcome
  }
  const otherAddress = await dialBack([1, 7101])
  const otherPort = await dialBack([0, 7101])
  // A port with a listener cannot be connected from.
  listener.close()
  const seen = [answer]
  for (const [server, port] of [
    [servers[0], second],
    [servers[1], first]
  ]) {
    const { answer: next, socket } = await askTcp(localPort, server, port)
    socket.resetAndDestroy()
    seen.push(next)
  }
  opened.socket.resetAndDestroy()
  const pairs = []
  for (const port of await localPorts()) {
    const asked = await askTcp(port, servers[0], first)
    pairs.push([port, asked?.answer.port])
    asked?.socket.resetAndDestroy()
  }
  return {
    mapping: mappingOf(seen, own),
    filtering: filteringOf(otherAddress === 'connected', otherPort === 'connected'),
    allocation: allocationOf(pairs),
    refusal: otherAddress
  }
}

/** Three neighbouring local ports, then three with gaps between them; which ones is left to chance. */
async function localPorts() {
  const base = 20_000 + Math.floor(Math.random() * 10_000)
  return [base, base + 1, base + 2, base + 500, base + 700, base + 1300]
}

console.log(JSON.stringify({ udp: await observeUdp(), tcp: await observeTcp() }))
process.exit()

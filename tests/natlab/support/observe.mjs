// Runs on a peer: finds out by plain sockets what its router does, with the help of echo-address.mjs, and prints it as one line of JSON.
// Arguments: the peer's own address, then the server's two addresses.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { allocationOf, filteringOf, mappingOf } from './classify.mjs'

const [own, ...servers] = process.argv.slice(2)
const [first, second] = [7001, 7002]
const family = own.includes(':') ? 'udp6' : 'udp4'
const ANSWER_MS = 15_000
/** How much later than an answer that does come one may arrive that is not expected to; the way there and back takes a few milliseconds. */
const SILENCE_MS = 250
/** UDP is blocked when nothing came back by it within this time, nor while the same server answered over TCP. */
const BLOCKED_MS = 1000
let ids = 0

/** When the time is over, and what has arrived meanwhile was read: a process that had no processor runs its timers first. */
function elapse(ms) {
  return new Promise((resolve) => setTimeout(() => setImmediate(resolve), ms))
}

async function udpSocket(port = 0) {
  const socket = createSocket(family)
  socket.on('error', () => undefined)
  socket.bind(port, own)
  await once(socket, 'listening')
  return socket
}

/** Sends a request and resolves with the answer, or undefined. */
function askUdp(socket, server, port, { from } = {}) {
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
    const timer = setTimeout(end, ANSWER_MS, undefined)
    socket.on('message', onMessage)
    socket.send(JSON.stringify({ id, from }), port, server)
  })
}

/** Whether an answer arrives from another of the server's addresses. It is sent before that from the address which was asked, which does arrive. */
async function isAnsweredFrom(socket, from) {
  const elsewhere = askUdp(socket, servers[0], first, { from })
  await askUdp(socket, servers[0], first)
  return (await Promise.race([elsewhere, elapse(SILENCE_MS)])) !== undefined
}

/** Resolves when UDP has had the time that it needs, however slow everything is. */
async function udpIsOver() {
  await elapse(BLOCKED_MS)
  const answered = await askTcp(0, servers[0], first)
  answered?.socket.resetAndDestroy()
}

/** Connects from a local port and resolves with { answer, socket, localPort }, or undefined. */
async function askTcp(localPort, server, port, { dial } = {}) {
  const socket = connect({ host: server, port, localAddress: own, localPort })
  socket.on('error', () => undefined)
  const answer = await new Promise((resolve) => {
    const timer = setTimeout(resolve, ANSWER_MS, undefined)
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
  const asked = await Promise.race([askUdp(socket, servers[0], first), udpIsOver()])
  if (asked === undefined) {
    socket.close()
    return { mapping: 'blocked' }
  }
  const otherAddress = await isAnsweredFrom(socket, [1, 1])
  const otherPort = await isAnsweredFrom(socket, [0, 1])
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
    filtering: filteringOf(otherAddress, otherPort),
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

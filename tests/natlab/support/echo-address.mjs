// Runs on `srv`: tells whoever asks, over UDP or TCP, which address it comes from; and sends or dials to it from another of its own addresses.
// Each request is a JSON line { id, from?, dial? }: `from` [address index, port index] is where the UDP answer is sent from, `dial`
// { address, port } is what TCP is to connect to, from an address and port of the server that the asker never sent to.
// Prints `ready` once it listens. Arguments: its two addresses.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, connect } from 'node:net'

const addresses = process.argv.slice(2)
const ports = [7001, 7002]
const key = (address, port) => `${address} ${port}`
const udp = new Map()

for (const address of addresses) {
  for (const port of ports) {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
    socket.bind(port, address)
    await once(socket, 'listening')
    udp.set(key(address, port), socket)
    socket.on('message', (data, { address: asker, port: askerPort }) => {
      const { id, from } = JSON.parse(data.toString())
      const source = from === undefined ? socket : udp.get(key(addresses[from[0]], ports[from[1]]))
      source.send(JSON.stringify({ id, address: asker, port: askerPort }), askerPort, asker)
    })
    const server = createServer((stream) => {
      stream.on('error', () => undefined)
      stream.setNoDelay()
      stream.once('data', async (data) => {
        const { id, dial } = JSON.parse(data.toString())
        const answer = { id, address: stream.remoteAddress, port: stream.remotePort }
        if (dial !== undefined) answer.outcome = await tryToReach(dial)
        if (!stream.destroyed) stream.write(`${JSON.stringify(answer)}\n`)
      })
    })
    server.listen(port, address)
    await once(server, 'listening')
  }
}

/** `connected`, the error's code, or `nothing` when there is no answer within `withinMs`. */
function tryToReach({ address, port, local, withinMs }) {
  return new Promise((resolve) => {
    const socket = connect({
      host: address,
      port,
      ...(local === undefined ? {} : { localAddress: addresses[local[0]], localPort: local[1] })
    })
    const end = (outcome) => {
      clearTimeout(timer)
      socket.resetAndDestroy()
      resolve(outcome)
    }
    // One turn more: a process that had no processor runs its timers before it reads what has arrived.
    const timer = setTimeout(() => setImmediate(end, 'nothing'), withinMs)
    socket.once('connect', () => end('connected'))
    socket.once('error', (error) => end(error.code))
  })
}

console.log('ready')

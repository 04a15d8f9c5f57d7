// node ntp-server.mjs ADDRESS OFFSET_MS: a time server that is so far ahead (RFC 5905, server mode). Says "ready" when it listens.
import { createSocket } from 'node:dgram'

const [address, offset] = process.argv.slice(2)
const SECONDS_TO_1970 = 2_208_988_800
const socket = createSocket('udp4')
const timestamp = (packet, at) => {
  const ms = Date.now() + Number(offset)
  packet.writeUInt32BE((Math.floor(ms / 1000) + SECONDS_TO_1970) >>> 0, at)
  packet.writeUInt32BE(Math.floor(((ms % 1000) / 1000) * 2 ** 32), at + 4)
}
socket.on('message', (request, { port, address: from }) => {
  const reply = Buffer.alloc(48)
  reply[0] = (4 << 3) | 4
  reply[1] = 2
  reply.writeInt8(-20, 3)
  reply.write('TEST', 12, 'latin1')
  timestamp(reply, 16)
  request.copy(reply, 24, 40, 48)
  timestamp(reply, 32)
  timestamp(reply, 40)
  socket.send(reply, port, from)
})
socket.bind(123, address, () => process.stdout.write('ready\n'))

import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'

/**
 * TCP ports that nobody listens on at the moment, all different. They are below those that the system hands out: nobody gets one of them while its
 * program is started again, and who tries meanwhile to connect to it does not meet itself.
 */
export async function freePorts(count, host = '127.0.0.1') {
  const ports = new Set()
  while (ports.size < count) {
    const port = 11_000 + randomInt(5000)
    if (!ports.has(port) && (await isFree(port, host))) ports.add(port)
  }
  return [...ports]
}

function isFree(port, host) {
  const server = createServer()
  return new Promise((resolve) => {
    server.once('error', () => resolve(false))
    server.listen(port, host, () => server.close(() => resolve(true)))
  })
}

/** Whether somebody accepts connections there: at a TCP port, or at the path of a socket. */
export async function answers(port, host = '127.0.0.1') {
  const socket = typeof port === 'string' ? connect(port) : connect(port, host)
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

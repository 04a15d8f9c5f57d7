import { once } from 'node:events'
import { connect, createServer } from 'node:net'

/** TCP ports that nobody listens on at the moment, all different. */
export async function freePorts(count, host = '127.0.0.1') {
  const servers = Array.from({ length: count }, () => createServer().listen(0, host))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  const ports = servers.map((server) => server.address().port)
  await Promise.all(
    servers.map((server) => {
      const closed = once(server, 'close')
      server.close()
      return closed
    })
  )
  return ports
}

/** Whether somebody accepts connections there. */
export async function answers(port, host = '127.0.0.1') {
  const socket = connect(port, host)
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

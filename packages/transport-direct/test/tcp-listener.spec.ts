import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { expect } from 'chai'
import { createIdentity, insecureAcceptAnyone, pinnedPeers, secureClient, type Identity } from '@kithmesh/identity'
import { createTcpListener, type AcceptedConnection, type TcpListener, type TcpListenerOptions } from '@kithmesh/transport-direct'
import { eventually, manualClock, recordingLogger, rejection } from '@kithmesh/testkit'

describe('the TCP listener', () => {
  let server: Identity
  let client: Identity
  let listeners: TcpListener[] = []
  let open: Duplex[] = []
  let accepted: Array<{ stream: Duplex; connection: AcceptedConnection }> = []
  before(async () => {
    server = await createIdentity({ commonName: 'server' })
    client = await createIdentity({ commonName: 'client' })
  })
  afterEach(async () => {
    for (const stream of [...open, ...accepted.map(({ stream }) => stream)]) {
      stream.on('error', () => {})
      stream.destroy()
    }
    for (const listener of listeners) await listener.close()
    listeners = []
    open = []
    accepted = []
  })

  async function listen(options: Partial<TcpListenerOptions> = {}): Promise<TcpListener> {
    const listener = await createTcpListener({
      host: '127.0.0.1',
      onConnection: (stream, connection) => {
        accepted.push({ stream, connection })
      },
      ...options
    })
    listeners.push(listener)
    return listener
  }

  async function dialled(port: number): Promise<Socket> {
    const socket = connect(port, '127.0.0.1')
    open.push(socket)
    socket.on('error', () => {})
    await once(socket, 'connect')
    return socket
  }

  it('names a taken port and what to do', async () => {
    const { port } = await listen()
    const error = await rejection(listen({ port }))
    expect(error).to.have.property('code', 'ERR_DIRECT_PORT_IN_USE')
    expect(error).to.have.property('hint').that.contains('another port')
    expect(error).to.have.property('details').that.deep.equals({ host: '127.0.0.1', port })
    expect(await rejection(listen({ host: '192.0.2.77' }))).to.have.property('code', 'ERR_DIRECT_LISTEN')
  })

  it('frees the port on close while accepted streams live on, and closes twice', async () => {
    const listener = await listen()
    const socket = await dialled(listener.port)
    await eventually('a connection', () => accepted.length === 1)
    await listener.close()
    await listener.close()
    await listen({ port: listener.port })
    socket.write('still')
    const [data] = (await once(accepted[0]!.stream, 'data')) as [Buffer]
    expect(data.toString()).to.equal('still')
    expect(accepted[0]!.connection.remote).to.equal(`127.0.0.1:${socket.localPort}`)
  })

  it('limits how many connections are open', async () => {
    const logger = recordingLogger()
    const listener = await listen({ maxConnections: 2, logger })
    const first = await dialled(listener.port)
    await dialled(listener.port)
    await eventually('two connections', () => accepted.length === 2)
    const third = await dialled(listener.port)
    third.resume()
    await eventually('the third to be refused', () => third.destroyed)
    expect(accepted).to.have.length(2)
    expect(logger.entries).to.have.length(1)
    expect(logger.entries[0]).to.include({ level: 'warn', message: 'A connection was refused: too many are open' })
    expect(logger.entries[0]!.fields).to.include({ maxConnections: 2, maxConnectionsPerAddress: 16 })
    first.destroy()
    await eventually('the first to be forgotten', () => listener.connections === 1)
    await dialled(listener.port)
    await eventually('the third connection', () => accepted.length === 3)
  })

  it('leaves places for others when one address opens all it can', async () => {
    const listener = await listen({ maxConnections: 100, maxConnectionsPerAddress: 2 })
    const greedy = await Promise.all(Array.from({ length: 6 }, () => dialled(listener.port)))
    for (const socket of greedy) socket.resume()
    await eventually('four to be refused', () => greedy.filter((socket) => socket.destroyed).length === 4)
    const other = connect({ port: listener.port, host: '127.0.0.1', localAddress: '127.0.0.2' })
    open.push(other)
    other.on('error', () => {})
    await eventually('the connection from another address', () => accepted.length === 3)
    expect(accepted[2]!.connection.remote).to.match(/^127\.0\.0\.2:/)
    greedy.find((socket) => !socket.destroyed)!.destroy()
    await eventually('one to be forgotten', () => listener.connections === 2)
    await dialled(listener.port)
    await eventually('the fourth connection', () => accepted.length === 4)
  })

  it('reports TLS connections after their handshake, with the peer', async () => {
    const listener = await listen({ tls: { identity: server, authenticator: pinnedPeers([client.peerId]) } })
    const { stream } = await secureClient(await dialled(listener.port), { identity: client, authenticator: pinnedPeers([server.peerId]) })
    open.push(stream)
    await eventually('the known device', () => accepted.length === 1)
    expect(accepted[0]!.connection.peer?.peerId).to.equal(client.peerId)
    const stranger = await secureClient(await dialled(listener.port), { identity: server, authenticator: insecureAcceptAnyone() })
    stranger.stream.on('error', () => {})
    stranger.stream.resume()
    await eventually('the stranger to be refused', () => stranger.stream.destroyed)
    expect(accepted).to.have.length(1)
  })

  it('lets a good peer in past more stalled handshakes than there is room for', async () => {
    const listener = await listen({ maxHandshakes: 10, tls: { identity: server, authenticator: pinnedPeers([client.peerId]) } })
    const stalled = await Promise.all(Array.from({ length: 30 }, async () => await dialled(listener.port)))
    const { stream } = await secureClient(await dialled(listener.port), { identity: client, authenticator: insecureAcceptAnyone() })
    open.push(stream)
    await eventually('the one that speaks', () => accepted.length === 1)
    for (const socket of stalled) socket.resume()
    await eventually('those above the bound to be refused', () => stalled.filter(({ destroyed }) => destroyed).length === 21)
    await listener.close()
    await eventually('the end of all that are stalled', () => stalled.every(({ destroyed }) => destroyed))
    expect(stream.destroyed).to.equal(false)
  })

  it('cuts a TLS handshake that takes longer than it is told, by its own clock', async () => {
    const clock = manualClock()
    const listener = await listen({ clock, tls: { identity: server, deadlineMs: 700 } })
    const stalled = await dialled(listener.port)
    stalled.resume()
    await eventually('the deadline to be set', () => clock.pending === 1)
    await clock.advance(699)
    expect(listener.connections).to.equal(1)
    await clock.advance(1)
    await eventually('the connection to be forgotten', () => listener.connections === 0)
  })

  it('refuses limits that make no sense', async () => {
    for (const options of [{ maxConnections: NaN }, { maxConnectionsPerAddress: 0 }, { maxHandshakes: -1 }])
      expect(await rejection(listen(options)), JSON.stringify(options)).to.be.instanceOf(TypeError)
  })

  it('survives a handler that throws', async () => {
    const listener = await listen({
      onConnection: () => {
        throw new Error('defect')
      }
    })
    const socket = await dialled(listener.port)
    socket.resume()
    await eventually('the silent one to be cut off', () => socket.destroyed && listener.connections === 0)
  })
})

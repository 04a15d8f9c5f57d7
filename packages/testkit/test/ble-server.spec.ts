import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { expect } from 'chai'
import { eventually, realClock } from '@kithmesh/testkit'
import { VirtualAir, serveAir } from '@kithmesh/testkit/ble'
import type { AirServer, AirServerOptions, VirtualController } from '@kithmesh/testkit/ble'

const READ_ADDRESS = Buffer.from('01091000', 'hex')

describe('an air over TCP', () => {
  let air: VirtualAir
  let servers: AirServer[]
  let sockets: Socket[]
  let joined: VirtualController[]
  let left: [string, string | undefined][]

  beforeEach(() => {
    air = new VirtualAir({ clock: realClock })
    servers = []
    sockets = []
    joined = []
    left = []
  })
  afterEach(async () => {
    for (const socket of sockets) socket.destroy()
    await Promise.all(servers.map((server) => server.close()))
    await air.close()
  })

  const serve = async (options: AirServerOptions = {}): Promise<AirServer> => {
    const server = await serveAir(air, {
      joined: (controller) => joined.push(controller),
      left: (controller, error) => left.push([controller.address.id, error?.message]),
      ...options
    })
    servers.push(server)
    return server
  }
  const dial = (server: AirServer): { socket: Socket; bytes: () => string } => {
    const socket = connect(server.port, server.host)
    sockets.push(socket)
    const chunks: Buffer[] = []
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    socket.on('error', () => {})
    return { socket, bytes: () => Buffer.concat(chunks).toString('hex') }
  }

  it('gives every connection a controller of its own, by order', async () => {
    const server = await serve()
    for (const id of ['01', '02', '03']) {
      const { socket, bytes } = dial(server)
      socket.write(READ_ADDRESS)
      await eventually('the address', () => bytes() === `040e0a01091000${id}0000eeffc0`)
    }
    sockets[1]?.destroy()
    await eventually('it to leave', () => left.length === 1)
    expect(left).to.deep.equal([['c0ffee000002', undefined]])
    expect(air.controllers.map(({ address }) => address.id)).to.deep.equal(['c0ffee000001', 'c0ffee000003'])
  })
  it('gives a port the address it is told, to one connection at a time', async () => {
    const server = await serve({ controller: { address: 'c0ffee00000a' } })
    const first = dial(server)
    await eventually('the first', () => joined.length === 1)
    const second = dial(server)
    await eventually('the second to be closed', () => second.socket.destroyed)
    first.socket.destroy()
    await eventually('the first to leave', () => left.length === 1)
    const third = dial(server)
    third.socket.write(READ_ADDRESS)
    await eventually('the address', () => third.bytes() === '040e0a010910000a0000eeffc0')
  })
  it('takes packets that come in pieces, or many at once', async () => {
    const server = await serve()
    const { socket, bytes } = dial(server)
    socket.setNoDelay(true)
    for (const byte of READ_ADDRESS) {
      socket.write(Uint8Array.of(byte))
      await new Promise((resolve) => setImmediate(resolve))
    }
    await eventually('the address', () => bytes().length === 26)
    socket.write(Buffer.concat([READ_ADDRESS, READ_ADDRESS]))
    await eventually('two answers', () => bytes().length === 3 * 26)
  })
  it('cuts off who does not speak H4, and nobody else', async () => {
    const server = await serve()
    const good = dial(server)
    await eventually('it to join', () => joined.length === 1)
    for (const garbage of ['GET / HTTP/1.1\r\n\r\n', '\u0000', '\u0004\u000e']) {
      const bad = dial(server)
      bad.socket.write(garbage)
      await eventually('it to be cut off', () => bad.socket.destroyed)
    }
    expect(left.map(([, reason]) => reason)).to.deep.equal([71, 0, 4].map((type) => `a packet of type ${type}, which no LE host sends`))
    good.socket.write(READ_ADDRESS)
    await eventually('the address', () => good.bytes().length === 26)
  })
  it('has no more controllers than it may', async () => {
    const server = await serve({ maxControllers: 2 })
    const three = [dial(server), dial(server), dial(server)]
    await eventually('one to be closed', () => three.some(({ socket }) => socket.destroyed))
    expect(air.controllers).to.have.lengthOf(2)
  })
  it('does not pile up answers for a host that does not read them', async () => {
    const server = await serve()
    const { socket } = dial(server)
    socket.pause()
    await eventually('it to join', () => joined.length === 1)
    const many = Buffer.concat(Array.from({ length: 10_000 }, () => READ_ADDRESS))
    // Far more than the buffers of the system between the two hold; the writer has to wait.
    for (let count = 0; count < 400; count++) socket.write(many)
    let before = -1
    await eventually('nothing more to be taken', async () => {
      const unchanged = socket.bytesWritten - socket.writableLength === before
      before = socket.bytesWritten - socket.writableLength
      await new Promise((resolve) => setTimeout(resolve, 30))
      return unchanged && before > 0
    })
    expect(socket.writableLength).to.be.greaterThan(0)
    const other = dial(server)
    other.socket.write(READ_ADDRESS)
    await eventually('the other to be served', () => other.bytes().length === 26)
  })
  it('ends with a host that does not read what others make its controller tell it', async () => {
    const server = await serve()
    const { socket } = dial(server)
    socket.pause()
    await eventually('it to join', () => joined.length === 1)
    // As events of its links are that its peers cause, which wait for nobody.
    const { outbox } = joined[0] as unknown as { outbox: { push(packet: Buffer): void } }
    for (let count = 0; count < 600; count++) outbox.push(Buffer.alloc(65_000))
    await eventually('it to leave', () => left.length === 1)
    expect(left[0]?.[1]).to.match(/^the host does not read: \d+ bytes wait for it$/)
  })
  it('frees the port, cuts everybody off and leaves the air alone when it is closed', async () => {
    const server = await serve()
    const own = air.controller()
    const { socket } = dial(server)
    await eventually('it to join', () => joined.length === 1)
    await server.close()
    await server.close()
    await eventually('it to be cut off', () => socket.destroyed)
    expect(air.controllers).to.deep.equal([own])
    const again = await serve({ port: server.port })
    expect(again.port).to.equal(server.port)
  })
  it('fails when the port is taken', async () => {
    const { port } = await serve()
    const error = await serve({ port }).catch((thrown: unknown) => thrown)
    expect(error).to.include({ code: 'ERR_AIR_LISTEN' })
    expect((error as Error).cause).to.include({ code: 'EADDRINUSE' })
  })
})

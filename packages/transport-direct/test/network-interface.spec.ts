import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { networkInterfaces, type NetworkInterfaceInfo } from 'node:os'
import { expect } from 'chai'
import { createTcpListener, dial, tcpSocketFactory, type TcpListener } from '@kithmesh/transport-direct'
import { rejection } from '@kithmesh/testkit'
import { addressesOfInterface, routesFrom, type InterfaceTable } from '../dist/network-interface.js'

const info = (address: string): NetworkInterfaceInfo => ({ address }) as NetworkInterfaceInfo
const table: InterfaceTable = {
  lo: [info('127.0.0.1'), info('::1')],
  wlan0: [info('fe80::1'), info('192.168.1.5'), info('2001:db8::5')],
  usb0: [info('169.254.7.7')],
  tun0: []
}

describe('a network interface', () => {
  it('stands for its addresses, link-local ones last and with a zone', () => {
    expect(addressesOfInterface('wlan0', table)).to.deep.equal(['192.168.1.5', '2001:db8::5', 'fe80::1%wlan0'])
    expect(addressesOfInterface('usb0', table)).to.deep.equal(['169.254.7.7'])
    expect(addressesOfInterface('[2001:DB8::9]', table)).to.deep.equal(['2001:db8::9'])
  })

  it('is refused by name when it is missing or has no address', () => {
    for (const name of ['eth7', 'tun0']) {
      expect(() => addressesOfInterface(name, table))
        .to.throw(`There is no network interface "${name}" with an address; there are lo, wlan0, usb0, tun0`)
        .with.property('code', 'ERR_DIRECT_INTERFACE')
    }
  })

  it('reaches addresses of its families only, link-local ones through itself', () => {
    expect(routesFrom('wlan0', ['198.51.100.1', '2001:db8::1', 'fe80::2', 'fe80::3%eth0'], table)).to.deep.equal([
      { address: '198.51.100.1', localAddress: '192.168.1.5' },
      { address: '2001:db8::1', localAddress: '2001:db8::5' },
      { address: 'fe80::2%wlan0', localAddress: 'fe80::1%wlan0' },
      { address: 'fe80::3%eth0', localAddress: 'fe80::1%wlan0' }
    ])
    expect(routesFrom('usb0', ['2001:db8::1', '198.51.100.1'], table)).to.deep.equal([
      { address: '198.51.100.1', localAddress: '169.254.7.7' }
    ])
    expect(() => routesFrom('usb0', ['2001:db8::1'], table))
      .to.throw('No address of usb0 (169.254.7.7) is of the same family as 2001:db8::1')
      .with.property('code', 'ERR_DIRECT_INTERFACE')
  })
})

describe('dialling from an interface', () => {
  let server: Server
  let port: number
  const remotes: (string | undefined)[] = []
  const open: Socket[] = []
  beforeEach(async () => {
    remotes.length = 0
    server = createServer((socket) => {
      remotes.push(socket.remoteAddress)
      open.push(socket)
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    port = (server.address() as AddressInfo).port
  })
  afterEach(() => {
    for (const socket of open.splice(0)) socket.destroy()
    server.close()
  })

  it('comes from the address given', async () => {
    const signal = AbortSignal.timeout(30_000)
    const socket = await dial({ host: '127.0.0.1', port, networkInterface: '127.0.0.7', signal })
    open.push(socket)
    expect(socket.localAddress).to.equal('127.0.0.7')
    const stream = await tcpSocketFactory({ networkInterface: '127.0.0.8' }).open(`tcp://127.0.0.1:${port}`, { signal })
    open.push(stream as Socket)
    expect((stream as Socket).localAddress).to.equal('127.0.0.8')
    const byName = await dial({ host: '127.0.0.1', port, networkInterface: loopback(), signal })
    open.push(byName)
    expect(byName.localAddress).to.equal('127.0.0.1')
  })

  it('says that the interface is missing, or that the address is not of this machine', async () => {
    const missing = await rejection(dial({ host: '127.0.0.1', port, networkInterface: 'nonesuch9' }))
    expect(missing).to.have.property('code', 'ERR_DIRECT_INTERFACE')
    expect(missing).to.have.property('message').that.contains(loopback())
    const foreign = await rejection(dial({ host: '127.0.0.1', port, networkInterface: '192.0.2.77' }))
    expect(foreign).to.have.property('code', 'ERR_DIRECT_INTERFACE')
    expect(foreign).to.have.property('message').that.contains('192.0.2.77')
    expect(foreign).to.have.nested.property('cause.code', 'EADDRNOTAVAIL')
    expect(remotes).to.deep.equal([])
  })

  it('still reports a refused connection as one', async () => {
    server.close()
    await once(server, 'close')
    const refused = await rejection(dial({ host: '127.0.0.1', port, networkInterface: '127.0.0.7' }))
    expect(refused).to.have.property('code', 'ERR_DIRECT_DIAL')
  })
})

describe('listening on interfaces', () => {
  const listeners: TcpListener[] = []
  const listen = async (interfaces: readonly string[], port = 0): Promise<TcpListener> => {
    const listener = await createTcpListener({
      interfaces,
      port,
      onConnection: (stream) => {
        stream.end('here')
      }
    })
    listeners.push(listener)
    return listener
  }
  const answers = async (host: string, port: number): Promise<string> => {
    const socket = connect(port, host)
    const [data] = (await once(socket, 'data')) as [Buffer]
    socket.destroy()
    return data.toString()
  }
  afterEach(async () => {
    for (const listener of listeners.splice(0)) await listener.close()
  })

  it('opens one port on every address of the interface, and on no other', async () => {
    const { port, addresses } = await listen([loopback()])
    const expected = networkInterfaces()[loopback()]!.map(({ address }) => address)
    expect(addresses).to.deep.equal(expected.map((address) => (address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`)))
    for (const address of expected) expect(await answers(address, port)).to.equal('here')
    const refused = connect(port, '127.0.0.9')
    const [error] = (await once(refused, 'error')) as [NodeJS.ErrnoException]
    expect(error.code).to.equal('ECONNREFUSED')
  })

  it('takes several addresses, each once', async () => {
    const { port, addresses } = await listen(['127.0.0.3', '127.0.0.4', '127.0.0.3'])
    expect(addresses).to.deep.equal([`127.0.0.3:${port}`, `127.0.0.4:${port}`])
    expect(await answers('127.0.0.4', port)).to.equal('here')
  })

  it('leaves nothing open when the port is taken on one of the addresses', async () => {
    const { port } = await listen(['127.0.0.4'])
    expect(await rejection(listen(['127.0.0.3', '127.0.0.4'], port))).to.have.property('code', 'ERR_DIRECT_PORT_IN_USE')
    await listen(['127.0.0.3'], port)
  })

  it('names an interface that is missing, and settings that contradict each other', async () => {
    expect(await rejection(listen(['nonesuch9']))).to.have.property('code', 'ERR_DIRECT_INTERFACE')
    expect(await rejection(listen([]))).to.be.instanceOf(TypeError)
    const both = createTcpListener({ host: '::1', interfaces: ['127.0.0.1'], onConnection: () => {} })
    expect(await rejection(both)).to.be.instanceOf(TypeError)
  })
})

/** The name of the loopback interface: lo, or lo0 on some systems. */
function loopback(): string {
  const found = Object.entries(networkInterfaces()).find(([, list]) => list?.some(({ address }) => address === '127.0.0.1'))
  if (found === undefined) throw new Error('this machine has no loopback interface')
  return found[0]
}

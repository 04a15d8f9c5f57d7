import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { expect } from 'chai'
import {
  errorCode,
  silentLogger,
  systemClock,
  type ByteSocket,
  type Clock,
  type ConnectTarget,
  type NatBehaviour,
  type TransportContext,
  type TransportListener,
  type TransportStrategy
} from '@kithmesh/core'
import { direct, type DirectOptions } from '@kithmesh/transport-direct'
import { connectTarget, eventually, rejection } from '@kithmesh/testkit'
import { strikingClock } from './support/striking-clock.ts'

describe('the direct transport', () => {
  const { signal } = new AbortController()
  const strategies: TransportStrategy[] = []
  const sockets: (Socket | ByteSocket)[] = []
  const accepted: ByteSocket[] = []
  afterEach(async () => {
    for (const socket of [...sockets.splice(0), ...accepted.splice(0)]) socket.on('error', () => {}).destroy()
    for (const strategy of strategies.splice(0)) await strategy.shutdown()
  })

  function make(options: DirectOptions = {}, clock: Clock = systemClock): TransportStrategy {
    const strategy = direct(options).create({ logger: silentLogger, clock } as unknown as TransportContext)
    strategies.push(strategy)
    return strategy
  }
  async function listen(options: DirectOptions): Promise<TransportListener & { readonly port: number }> {
    const listener = await make(options).listen!({
      onConnection: (socket) => {
        accepted.push(socket)
      }
    })
    return listener as typeof listener & { readonly port: number }
  }
  const attempt = async (target: ConnectTarget, options: DirectOptions, clock: Clock, tried: unknown[] = []) => {
    const socket = await make(options, clock).attempt(target, {
      signal,
      progress: (_phase, address) => {
        tried.push(address)
      }
    })
    sockets.push(socket)
    return socket
  }
  const at = (port: number, addresses: readonly string[], network?: NonNullable<ConnectTarget['resolved']['network']>) =>
    connectTarget({ url: `wss://x.invalid:${port}/`, addresses, ...(network === undefined ? {} : { network }) })

  it('listens on the port that it is given', async () => {
    const first = await listen({ host: '127.0.0.1' })
    await first.close()
    const again = await listen({ host: '127.0.0.1', port: first.port })
    expect(again.port).to.equal(first.port)
  })

  it('listens on the address, or on those of the interfaces, that it is given', async () => {
    const one = await listen({ host: '127.0.0.5' })
    expect(one.addresses).to.deep.equal([`127.0.0.5:${one.port}`])
    const two = await listen({ interfaces: ['127.0.0.3', '127.0.0.4'] })
    expect(two.addresses).to.deep.equal([`127.0.0.3:${two.port}`, `127.0.0.4:${two.port}`])
  })

  it('cuts connections above the number that it is given', async () => {
    const { port } = await listen({ host: '127.0.0.1', maxConnections: 1 })
    for (let count = 0; count < 2; count++) {
      const socket = connect(port, '127.0.0.1')
      socket.on('error', () => {}).resume()
      sockets.push(socket)
      await once(socket, 'connect')
    }
    await eventually('the second connection to be cut', () => (sockets[1] as Socket).destroyed)
    expect(accepted).to.have.length(1)
    expect((sockets[0] as Socket).destroyed).to.equal(false)
  })

  it('gives an attempt as long as it is told, or 15 seconds', async () => {
    const { port } = await listen({ host: '127.0.0.1' })
    const target = at(port, ['127.0.0.1'])
    for (const [options, ms] of [
      [{ deadlineMs: 700 }, 700],
      [{}, 15_000]
    ] as const)
      expect(await rejection(attempt(target, options, strikingClock(ms)))).to.include({
        code: 'ERR_DIRECT_TIMEOUT',
        message: `x.invalid:${port} did not answer within ${ms} ms`
      })
    await attempt(target, { deadlineMs: 700 }, strikingClock(15_000))
  })

  it('gives up sooner on a device that says it is behind a router, unless it is told how long', async () => {
    const { port } = await listen({ host: '127.0.0.1' })
    const nat: NatBehaviour = { mapping: 'endpoint-independent', filtering: 'address-and-port-dependent', ports: { kind: 'unknown' } }
    const route = { interfaceIndex: 0, family: 4, localAddress: '192.168.1.2', externalAddress: '203.0.113.7', tcp: nat, udp: nat } as const
    const target = at(port, ['127.0.0.1'], { routes: [route], port })
    expect(errorCode(await rejection(attempt(target, {}, strikingClock(5_000))))).to.equal('ERR_DIRECT_TIMEOUT')
    await attempt(target, { deadlineMs: 700 }, strikingClock(5_000))
  })

  it('gives each address the head start that it is told, or 250 milliseconds', async () => {
    const { port } = await listen({ host: '127.0.0.1' })
    const target = at(port, ['127.0.0.1', '127.0.0.2'])
    const both = [`127.0.0.1:${port}`, `127.0.0.2:${port}`]
    for (const [options, ms, expected] of [
      [{ staggerMs: 70 }, 70, both],
      [{}, 250, both],
      [{ staggerMs: 70 }, 250, both.slice(0, 1)]
    ] as const) {
      const tried: unknown[] = []
      await attempt(target, options, strikingClock(ms), tried)
      expect(tried).to.deep.equal(expected)
    }
  })

  it('refuses options that make no sense', () => {
    for (const options of [{ deadlineMs: NaN }, { deadlineMs: 0 }, { maxConnections: NaN }, { maxConnections: -1 }])
      expect(() => direct(options), JSON.stringify(options)).to.throw(TypeError)
  })
})

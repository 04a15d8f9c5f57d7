import { Socket } from 'node:net'
import { parsePeerAddress } from '@kithmesh/core'
import { eventually, manualClock, rejection, unknownNetwork } from '@kithmesh/testkit'
import { reverse } from '@kithmesh/transport-reverse'
import { expect } from 'chai'
import sinon from 'sinon'
import { Devices } from './support/devices.ts'

const token = Buffer.alloc(16, 1).toString('base64url')
/** A port whose packets are dropped: nothing on the loopback interface is like that. */
const SILENT_PORT = 9

describe('reverse connections', () => {
  let devices: Devices
  beforeEach(() => {
    devices = new Devices()
  })
  afterEach(async () => {
    sinon.restore()
    await devices[Symbol.asyncDispose]()
  })

  /** @returns how many connections to the silent port have begun */
  const silence = (): (() => number) => {
    let begun = 0
    const connect = Socket.prototype.connect as (this: Socket, ...options: unknown[]) => Socket
    sinon.stub(Socket.prototype, 'connect').callsFake(function (this: Socket, ...options: unknown[]) {
      const [[{ port }]] = options as [[{ port: number }]]
      if (port !== SILENT_PORT) return connect.apply(this, options)
      begun++
      return this
    } as typeof Socket.prototype.connect)
    return () => begun
  }

  it('give the asking side the stream that the other one opened', async () => {
    const alice = await devices.add('alice')
    const bob = await devices.add('bob')
    await bob.listen()
    const phases: string[] = []
    const socket = await alice.strategy.attempt(devices.target(bob), {
      signal: new AbortController().signal,
      progress: (phase, address) => phases.push(address === undefined ? phase : `${phase} ${address}`)
    })
    const opened = await eventually('the passive side', () => bob.opened[0])
    expect(opened.remote).to.equal(`127.0.0.1:${alice.port}`)
    expect(phases.slice(0, 2)).to.deep.equal(['asking', `waiting 127.0.0.1:${alice.port}`])
    expect(phases[2]).to.match(/^connected 127\.0\.0\.1:\d+$/)
    const chunks: Buffer[] = []
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    opened.socket.write('hello')
    await eventually('the bytes', () => Buffer.concat(chunks).toString() === 'hello')
    socket.destroy()
    opened.socket.destroy()
  })

  it('say why they cannot be tried', async () => {
    let port: number | undefined
    const alice = await devices.add('alice', { listeningPort: () => port })
    const bob = await devices.add('bob')
    const reasonOf = (target = devices.target(bob)): string => {
      const assessment = alice.strategy.assess(target)
      return assessment.usable ? `rank ${assessment.rank}` : assessment.reason
    }
    expect(reasonOf()).to.match(/listens on no TCP port/)
    port = 4984
    expect(reasonOf()).to.equal('rank 30')
    const target = devices.target(bob)
    expect(reasonOf({ ...target, resolved: { url: target.resolved.url, addresses: [] } })).to.match(/no signalling/)
    expect(reasonOf({ ...target, device: { ...target.device, id: 'sighting:x' } })).to.match(/who it is/)
    expect(reasonOf({ ...target, localNetwork: { routes: [], measuredAt: 0 } })).to.match(/no network address/)
    devices.signaling.remove(bob.peerId)
    expect(reasonOf()).to.match(/no signalling channel/)
    const error = await rejection(devices.attempt(alice, bob))
    expect(error.code).to.equal('ERR_REVERSE_UNUSABLE')
    expect(error.message).to.match(/no signalling channel/)
  })

  it('arrive although the request got lost once', async () => {
    const alice = await devices.add('alice', { deadlineMs: 600 })
    const bob = await devices.add('bob')
    await bob.listen()
    let lost = 0
    devices.signaling.loses = (from) => from === alice.peerId && lost++ === 0
    await devices.attempt(alice, bob)
    expect(bob.opened).to.have.length(1)
  })

  it('go to the next address when the first does not answer', async () => {
    const alice = await devices.add('alice')
    const bob = await devices.add('bob', { staggerMs: 1 })
    await bob.listen()
    const { server, port } = await devices.server(() => {})
    await new Promise((resolve) => server.close(resolve))
    const body = {
      token,
      addresses: [
        ['127.0.0.1', port],
        ['127.0.0.1', alice.port]
      ]
    }
    const signal = new AbortController().signal
    alice.hub.request(bob.peerId, 'reverse-connect', body, { signal, timeoutMs: 50 }).catch(() => {})
    expect((await eventually('the connection', () => bob.opened[0])).remote).to.equal(`127.0.0.1:${alice.port}`)
  })

  it('give each address its head start over the next', async () => {
    const clock = manualClock()
    const alice = await devices.add('alice')
    const bob = await devices.add('bob', { clock, staggerMs: 40 })
    await bob.listen()
    const silent = silence()
    const addresses = [
      ['127.0.0.1', SILENT_PORT],
      ['127.0.0.2', SILENT_PORT],
      ['127.0.0.1', alice.port]
    ]
    alice.hub.request(bob.peerId, 'reverse-connect', { token, addresses }, { signal: new AbortController().signal }).catch(() => {})
    await eventually('the first one', () => silent() === 1)
    await clock.advance(39)
    expect(silent()).to.equal(1)
    await clock.advance(1)
    expect(silent()).to.equal(2)
    await clock.advance(40)
    expect((await eventually('the connection', () => bob.opened[0])).remote).to.equal(`127.0.0.1:${alice.port}`)
  })

  it('are given up by the side that connects at its own deadline', async () => {
    const clock = manualClock()
    const alice = await devices.add('alice')
    const bob = await devices.add('bob', { clock, dialDeadlineMs: 700 })
    await bob.listen()
    const silent = silence()
    const addresses = [['127.0.0.1', SILENT_PORT]]
    alice.hub.request(bob.peerId, 'reverse-connect', { token, addresses }, { signal: new AbortController().signal }).catch(() => {})
    await eventually('the connection to begin', () => silent() === 1)
    const failures = (): string[] =>
      bob.logger.entries.filter(({ message }) => message.includes('did not come about')).map(({ fields }) => String(fields?.['error']))
    await clock.advance(699)
    expect(failures()).to.deep.equal([])
    await clock.advance(1)
    expect(failures()).to.have.length(1)
    expect(failures()[0]).to.contain('within 700 ms')
  })

  it('are asked for at the port that the router forwards', async () => {
    const alice = await devices.add('alice', { forwardedPort: 14_984 })
    const bob = await devices.add('bob')
    const asked: unknown[] = []
    bob.hub.handle('reverse-connect', async (_from, { addresses }) => {
      asked.push(...(addresses as unknown[]))
      throw new Error('heard enough')
    })
    const address = `kithmesh:1;id=${alice.peerId};port=1;route=0,v4,192.168.1.7,203.0.113.7,tcp:eim/apdf/equal,udp:eim/apdf/equal`
    const target = devices.target(bob, { routes: parsePeerAddress(address).network.routes, measuredAt: 0 })
    await rejection(alice.strategy.attempt(target, { signal: new AbortController().signal, progress() {} }))
    expect(asked).to.deep.include(['203.0.113.7', 14_984])
  })

  it('end with the transport', async () => {
    const alice = await devices.add('alice')
    const bob = await devices.add('bob')
    const attempt = rejection(devices.attempt(alice, bob))
    await alice.strategy.shutdown()
    expect((await attempt).code).to.equal('ERR_REVERSE_SHUT_DOWN')
    expect((await rejection(devices.attempt(alice, bob))).code).to.equal('ERR_REVERSE_SHUT_DOWN')
    expect((await rejection(alice.strategy.listen!({ onConnection() {} }))).code).to.equal('ERR_REVERSE_SHUT_DOWN')
  })

  it('reject options that make no sense', () => {
    for (const forwardedPort of [0, 65536, 1.5]) expect(() => reverse({ forwardedPort })).to.throw(TypeError)
    for (const ms of [Number.NaN, -1, Number.POSITIVE_INFINITY, 2 ** 31])
      for (const name of ['deadlineMs', 'dialDeadlineMs', 'staggerMs']) expect(() => reverse({ [name]: ms })).to.throw(TypeError, name)
    for (const name of ['deadlineMs', 'dialDeadlineMs']) expect(() => reverse({ [name]: 0 })).to.throw(TypeError, name)
    expect(reverse({ staggerMs: 0 }).name).to.equal('reverse')
    expect(reverse({ forwardedPort: 443 }).name).to.equal('reverse')
    expect(unknownNetwork().routes).to.have.length(1)
  })
})

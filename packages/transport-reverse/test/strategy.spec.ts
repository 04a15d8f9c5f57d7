import { eventually, rejection, unknownNetwork } from '@kithmesh/testkit'
import { reverse } from '@kithmesh/transport-reverse'
import { expect } from 'chai'
import { Devices } from './support/devices.ts'

describe('reverse connections', () => {
  let devices: Devices
  beforeEach(() => {
    devices = new Devices()
  })
  afterEach(async () => {
    await devices[Symbol.asyncDispose]()
  })

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
      token: Buffer.alloc(16, 1).toString('base64url'),
      addresses: [
        ['127.0.0.1', port],
        ['127.0.0.1', alice.port]
      ]
    }
    const signal = new AbortController().signal
    alice.hub.request(bob.peerId, 'reverse-connect', body, { signal, timeoutMs: 50 }).catch(() => {})
    expect((await eventually('the connection', () => bob.opened[0])).remote).to.equal(`127.0.0.1:${alice.port}`)
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
    expect(reverse({ forwardedPort: 443 }).name).to.equal('reverse')
    expect(unknownNetwork().routes).to.have.length(1)
  })
})

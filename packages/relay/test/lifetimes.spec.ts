import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { connect, type Socket as TcpSocket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { expect } from 'chai'
import { createIdentity } from '@kithmesh/identity'
import type { Relay } from '@kithmesh/relay'
import {
  decodeMessage,
  encodeMessage,
  longTermKey,
  newTransactionId,
  type IntegrityKey,
  type ReceivedMessage,
  type StunAttributes,
  type StunMessage
} from '@kithmesh/stun'
import { eventually, manualClock } from '@kithmesh/testkit'
import { Stage, team } from './support/relays.ts'

/** With or without an error: a reset is as good an end as any. */
const ended = (socket: TcpSocket): Promise<void> => new Promise((resolve) => socket.once('close', () => resolve()))
const portOf = (url: string | undefined): number => Number(url?.split(':').at(-1))

/** A client that does as it is told, one request after the other. */
class RawClient implements AsyncDisposable {
  readonly #socket: Socket
  readonly #port: number
  #challenge: StunAttributes = {}

  private constructor(socket: Socket, port: number) {
    this.#socket = socket
    this.#port = port
  }

  static async open(relay: Relay): Promise<RawClient> {
    const socket = createSocket('udp4').bind(0, '127.0.0.1')
    await once(socket, 'listening')
    return new RawClient(socket, portOf(relay.urls.stun[0]))
  }

  /** Without credentials as long as none were asked for. */
  async ask(method: StunMessage['method'], attributes: StunAttributes = {}, transactionId = newTransactionId()): Promise<ReceivedMessage> {
    const { realm, nonce } = this.#challenge
    const signed = nonce !== undefined && realm !== undefined
    const credentials = signed ? { username: team.username, realm, nonce } : {}
    const integrity = signed ? { algorithm: 'sha1' as const, key: longTermKey(team.username, realm, team.password) } : undefined
    this.#socket.send(
      encodeMessage({ method, messageClass: 'request', transactionId, attributes: { ...attributes, ...credentials } }, { integrity }),
      this.#port,
      '127.0.0.1'
    )
    const [answer] = (await once(this.#socket, 'message')) as [Buffer]
    const message = decodeMessage(answer)
    const { errorCode } = message.attributes
    if (errorCode?.code === 401 || errorCode?.code === 438) this.#challenge = message.attributes
    return message
  }

  async codeOf(method: StunMessage['method'], attributes?: StunAttributes): Promise<number | undefined> {
    return (await this.ask(method, attributes)).attributes.errorCode?.code
  }

  /** Any bytes. */
  send(bytes: Buffer): void {
    this.#socket.send(bytes, this.#port, '127.0.0.1')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#socket, 'close')
    this.#socket.close()
    await closed
  }
}

describe('allocations of a relay', () => {
  const stage = new Stage()
  afterEach(() => stage.end())

  const udp = { requestedTransport: 17 } as const

  async function clientOf(relay: Relay): Promise<RawClient> {
    const client = stage.use(await RawClient.open(relay))
    expect(await client.codeOf('allocate', udp)).to.equal(401)
    return client
  }

  it('last as long as was granted, within bounds, and end by themselves', async () => {
    const clock = manualClock()
    const relay = await stage.relay({ clock, limits: { lifetimeSeconds: 1_200 } })
    const client = await clientOf(relay)
    expect((await client.ask('allocate', { ...udp, lifetime: 86_400 })).attributes.lifetime).to.equal(1_200)
    expect((await client.ask('refresh', { lifetime: 1 })).attributes.lifetime).to.equal(600)
    await clock.advance(595_000)
    expect(relay.status.turn.allocations).to.equal(1)
    await clock.advance(10_000)
    expect(relay.status.turn.allocations).to.equal(0)
    expect(await client.codeOf('refresh', { lifetime: 600 })).to.equal(437)
    expect((await client.ask('refresh', { lifetime: 0 })).messageClass).to.equal('success')
  })

  it('are for logins of the realm that the relay was given', async () => {
    const relay = await stage.relay({ realm: 'shop' })
    const client = stage.use(await RawClient.open(relay))
    expect((await client.ask('allocate', udp)).attributes.realm).to.equal('shop')
    expect((await client.ask('allocate', udp)).messageClass).to.equal('success')
  })

  it('are answered alike when the request comes again, and made once', async () => {
    const relay = await stage.relay()
    const client = await clientOf(relay)
    const transactionId = newTransactionId()
    const [first, again] = [await client.ask('allocate', udp, transactionId), await client.ask('allocate', udp, transactionId)]
    expect(again.attributes.xorRelayedAddress).to.deep.equal(first.attributes.xorRelayedAddress)
    expect(await client.codeOf('allocate', udp)).to.equal(437)
    expect(relay.status.turn.allocations).to.equal(1)
  })

  it('want a nonce that is not too old', async () => {
    const clock = manualClock()
    const relay = await stage.relay({ clock })
    const client = await clientOf(relay)
    await client.ask('allocate', udp)
    await clock.advance(3_600_000)
    expect(await client.codeOf('allocate', udp)).to.equal(438)
    expect((await client.ask('allocate', udp)).messageClass).to.equal('success')
  })

  it('refuse what makes no sense, each with its code', async () => {
    const relay = await stage.relay()
    const client = await clientOf(relay)
    const peer = { address: '127.0.0.1', port: 40_000 }
    for (const [code, method, attributes] of [
      [437, 'createPermission', { xorPeerAddress: [peer] }],
      [400, 'allocate', {}],
      [442, 'allocate', { requestedTransport: 99 }],
      [400, 'allocate', { requestedTransport: 6 }],
      [420, 'allocate', { ...udp, dontFragment: true }],
      [508, 'allocate', { ...udp, evenPort: { reserveNext: true } }],
      [440, 'allocate', { ...udp, requestedAddressFamily: 6 }],
      [400, 'connectionBind', { connectionId: 1 }],
      [undefined, 'allocate', { ...udp, evenPort: { reserveNext: false } }],
      [443, 'refresh', { requestedAddressFamily: 6 }],
      [400, 'createPermission', {}],
      [443, 'createPermission', { xorPeerAddress: [{ address: '::1', port: 1 }] }],
      [403, 'createPermission', { xorPeerAddress: [peer, { address: '10.0.0.1', port: 1 }] }],
      [400, 'channelBind', { channelNumber: 0x4000 }],
      [400, 'channelBind', { channelNumber: 0x3fff, xorPeerAddress: [peer] }],
      [403, 'channelBind', { channelNumber: 0x4000, xorPeerAddress: [{ address: '169.254.169.254', port: 8_080 }] }],
      [400, 'connect', { xorPeerAddress: [peer] }]
    ] as const)
      expect(await client.codeOf(method, attributes as StunAttributes), `${method} ${JSON.stringify(attributes)}`).to.equal(code)
  })

  it('survive any bytes, and connections that send some', async () => {
    const relay = await stage.relay({ limits: { answersPerSecond: 10_000 } })
    const client = await clientOf(relay)
    await client.ask('allocate', udp)
    let seed = 11
    const random = (below: number): number => (seed = (seed * 48_271) % 2_147_483_647) % below
    const model = encodeMessage({
      method: 'binding',
      messageClass: 'request',
      transactionId: newTransactionId(),
      attributes: { username: 'x', changeRequest: { ip: true, port: true } }
    })
    for (let n = 0; n < 2_000; n++) {
      const bytes = n % 2 === 0 ? Buffer.from(model) : Buffer.from(Array.from({ length: random(64) }, () => random(256)))
      if (n % 2 === 0) for (let i = 0; i < 2; i++) bytes[random(bytes.length)] = random(256)
      if (n % 20 !== 0) client.send(bytes)
      else {
        const socket = connect(portOf(relay.urls.stun[0]), '127.0.0.1').on('error', () => {})
        socket.resume().end(bytes)
        await ended(socket)
      }
    }
    const fresh = await clientOf(relay)
    expect((await fresh.ask('allocate', udp)).messageClass).to.equal('success')
    expect(relay.status.turn.allocations).to.equal(2)
  })

  it('end with the connection that they were made on', async () => {
    const relay = await stage.relay()
    const server = { address: '127.0.0.1', port: portOf(relay.urls.stun[0]) }
    const socket = connect(server.port, server.address)
    const ask = async (attributes: StunAttributes, integrity?: IntegrityKey): Promise<StunAttributes> => {
      socket.write(
        encodeMessage({ method: 'allocate', messageClass: 'request', transactionId: newTransactionId(), attributes }, { integrity })
      )
      return decodeMessage(((await once(socket, 'data')) as [Buffer])[0]).attributes
    }
    const { realm = '', nonce = '' } = await ask(udp)
    const key = longTermKey(team.username, realm, team.password)
    await ask({ ...udp, username: team.username, realm, nonce }, { algorithm: 'sha1', key })
    expect(relay.status.turn.allocations).to.equal(1)
    socket.destroy()
    await eventually('the allocation to end', () => relay.status.turn.allocations === 0)
  })

  it('and connections whose TLS handshake does not get on are closed, also where it drips, and others get through meanwhile', async () => {
    const clock = manualClock()
    const { privateKeyPem: key, certificatePem: cert } = await createIdentity({ commonName: 'relay' })
    const relay = await stage.relay({ clock, tls: { cert, key } })
    for (const url of [relay.urls.turn.find((each) => each.startsWith('turns:')), relay.urls.brokers[0]]) {
      const [silent, dripping] = [connect(portOf(url), '127.0.0.1'), connect(portOf(url), '127.0.0.1')]
      const over = [silent, dripping].map((socket) => {
        socket.on('error', () => {})
        socket.resume()
        return ended(socket)
      })
      let closed = 0
      for (const each of over) void each.then(() => closed++)
      dripping.write(Buffer.from([22, 3, 1, 2]))
      const secured = connectTls({ port: portOf(url), host: '127.0.0.1', rejectUnauthorized: false })
      await once(secured, 'secureConnect')
      for (let seconds = 0; closed < 2 && seconds < 10_000; seconds += 11) {
        if (!dripping.destroyed) dripping.write(Buffer.from([1]))
        await clock.advance(1_000)
        await new Promise((resolve) => setImmediate(resolve))
      }
      await Promise.all(over)
      secured.destroy()
    }
  })

  it('and connections that say nothing are closed', async () => {
    const clock = manualClock()
    const relay = await stage.relay({ clock })
    const socket = connect(portOf(relay.urls.stun[0]), '127.0.0.1')
    await once(socket, 'connect')
    const closed = ended(socket.on('error', () => {}))
    socket.resume()
    // The server may not have seen the connection yet: the time goes on until it has.
    let over = false
    void closed.then(() => {
      over = true
    })
    while (!over) await clock.advance(16_000)
  })
})

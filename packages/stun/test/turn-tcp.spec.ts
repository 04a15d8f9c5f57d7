import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import { expect } from 'chai'
import { errorCode } from '@kithmesh/core'
import { createIdentity } from '@kithmesh/identity'
import { createTurnClient, encodeMessage, newTransactionId, type TransportAddress, type TurnClient } from '@kithmesh/stun'
import { eventually, manualClock, recordingLogger, rejection } from '@kithmesh/testkit'
import { credential, scriptedTurn, username, type ScriptedTurn } from './support/scripted-turn.ts'
import type { Incoming } from './support/scripted-server.ts'

const peer = { address: '192.0.2.1', port: 11 }

describe('A relay for connections', () => {
  const open: AsyncDisposable[] = []
  const streams: Duplex[] = []
  let turn: ScriptedTurn

  function client(options: Partial<Parameters<typeof createTurnClient>[0]> = {}): TurnClient {
    const made = createTurnClient({ uri: turn.uri, username, credential, ...options })
    open.push(made)
    return made
  }
  /** From now on the connection carries what the peer sends: here, all that comes is sent back after a greeting. */
  function becomePeer({ socket }: Incoming): void {
    socket!.removeAllListeners('data')
    socket!.on('data', (data) => socket!.write(data))
  }
  function attempt(control: Incoming, from: TransportAddress, connectionId: number): void {
    control.raw(
      encodeMessage({
        method: 'connectionAttempt',
        messageClass: 'indication',
        transactionId: newTransactionId(),
        attributes: { xorPeerAddress: [from], connectionId }
      })
    )
  }

  beforeEach(async () => {
    turn = await scriptedTurn('tcp')
    open.push(turn)
    turn.before = (incoming) => {
      const { method } = incoming.message!
      if (method === 'connect') turn.grant(incoming, { connectionId: 77 })
      if (method === 'connectionBind') {
        becomePeer(incoming)
        turn.grant(incoming)
      }
      return method === 'connect' || method === 'connectionBind'
    }
  })
  afterEach(async () => {
    for (const stream of streams.splice(0)) stream.destroy()
    for (const one of open.splice(0).reverse()) await one[Symbol.asyncDispose]()
  })

  it('connects to a peer: permission, Connect, ConnectionBind on a connection of its own', async () => {
    const allocation = await client().allocateTcp()
    const stream = await allocation.connect(peer)
    streams.push(stream)
    stream.write('hello')
    const [data] = (await once(stream, 'data')) as [Buffer]
    expect(data.toString()).to.equal('hello')
    const bind = turn.server.received.filter(({ message }) => message?.method === 'connectionBind')
    expect(bind.map(({ message }) => message!.attributes.connectionId)).to.deep.equal([77])
    expect(bind[0]!.message!.attributes).to.include({ username, nonce: 'first' })
    expect(turn.count('createPermission')).to.equal(1)
    expect(turn.server.connections.size).to.equal(2)
  })

  it('has its connections to the server come from the address it was given', async () => {
    const allocation = await client({ localAddress: '127.0.0.7' }).allocateTcp()
    streams.push(await allocation.connect(peer))
    expect([...turn.server.connections].map(({ remoteAddress }) => remoteAddress)).to.deep.equal(['127.0.0.7', '127.0.0.7'])
  })

  it('is asked for over TLS, with the certificates and the name it was given', async () => {
    const { privateKeyPem: key, certificatePem: cert } = await createIdentity({ commonName: 'localhost' })
    const { before } = turn
    turn = await scriptedTurn('tcp', { key, cert })
    turn.before = before
    open.push(turn)
    const allocation = await client({ tls: { ca: cert, servername: 'localhost' } }).allocateTcp()
    streams.push(await allocation.connect(peer))
    for (const tls of [{ servername: 'localhost' }, { ca: cert, servername: 'example.org' }])
      expect(errorCode(await rejection(client({ tls }).allocateTcp()))).to.equal('ERR_STUN_CONNECT')
  })

  it('hands over bytes that come in one segment with the success, in order', async () => {
    turn.before = (incoming) => {
      const { method } = incoming.message!
      if (method === 'connect') turn.grant(incoming, { connectionId: 1 })
      if (method !== 'connectionBind') return method === 'connect'
      incoming.socket!.cork()
      turn.grant(incoming)
      // It looks like a frame, and must not be taken for one.
      incoming.raw(Buffer.from([0x00, 0x01, 0x00, 0x00]))
      incoming.raw(Buffer.from('greetings '))
      incoming.socket!.uncork()
      setImmediate(() => {
        incoming.raw(Buffer.from('and more'))
      })
      return true
    }
    const allocation = await client().allocateTcp()
    const stream = await allocation.connect(peer)
    streams.push(stream)
    let text = ''
    stream.on('data', (data: Buffer) => {
      text += data.toString('latin1')
    })
    await eventually('all of it', () => text === '\u0000\u0001\u0000\u0000greetings and more')
  })

  it('takes the nonce of the new connection without changing that of the old', async () => {
    const allocation = await client().allocateTcp()
    const bind = turn.before
    let stale = 0
    turn.before = (incoming) => {
      if (incoming.message!.method === 'connectionBind' && stale++ === 0) {
        turn.refuse(incoming, 438, { realm: 'scripted', nonce: 'first' })
        return true
      }
      return bind(incoming)
    }
    streams.push(await allocation.connect(peer))
    expect(turn.count('connectionBind')).to.equal(2)
    expect(turn.server.connections.size).to.equal(2)
  })

  it('accepts connections of permitted peers, and leaves others to the server', async () => {
    const logger = recordingLogger()
    const allocation = await client({ logger }).allocateTcp()
    const accepted: TransportAddress[] = []
    const control = turn.server.received.at(-1)!
    const refused = (): number => logger.entries.filter(({ message }) => message.includes('is refused')).length
    attempt(control, peer, 1)
    await eventually('the refusal without handler', () => refused() === 1)
    const stop = allocation.onConnection((stream, from) => {
      streams.push(stream)
      accepted.push(from)
    })
    await allocation.permit(peer.address)
    attempt(control, { address: '192.0.2.2', port: 1 }, 2)
    attempt(control, peer, 3)
    await eventually('the connection', () => accepted.length === 1)
    expect(accepted).to.deep.equal([peer])
    stop()
    attempt(control, peer, 4)
    await eventually('the refusals without permission and handler', () => refused() === 3)
    expect(turn.count('connectionBind')).to.equal(1)
    streams[0]!.write('x')
    const [data] = (await once(streams[0]!, 'data')) as [Buffer]
    expect(data.toString()).to.equal('x')
  })

  it('goes on accepting after a connection that could not be bound', async () => {
    const logger = recordingLogger()
    const allocation = await client({ logger }).allocateTcp()
    const bind = turn.before
    turn.before = (incoming) => {
      if (incoming.message!.method !== 'connectionBind' || incoming.message!.attributes.connectionId !== 1) return bind(incoming)
      turn.refuse(incoming, 400)
      return true
    }
    let accepted = 0
    allocation.onConnection((stream) => {
      streams.push(stream)
      accepted++
    })
    await allocation.permit(peer.address)
    const control = turn.server.received.at(-1)!
    attempt(control, peer, 1)
    await eventually('the failure', () => logger.entries.some(({ message }) => message.includes('could not be accepted')))
    attempt(control, peer, 2)
    await eventually('the connection', () => accepted === 1)
    await eventually('the other to be closed', () => turn.server.connections.size === 2)
  })

  for (const [code, expected] of [
    [446, 'ERR_TURN_CONNECTION_EXISTS'],
    [447, 'ERR_TURN_PEER_UNREACHABLE'],
    [403, 'ERR_TURN_FORBIDDEN']
  ] as const)
    it(`refuses to connect with ${code}: ${expected}`, async () => {
      turn.before = (incoming) => {
        if (incoming.message!.method !== 'connect') return false
        turn.refuse(incoming, code)
        return true
      }
      const allocation = await client().allocateTcp()
      expect(errorCode(await rejection(allocation.connect(peer)))).to.equal(expected)
      expect(turn.server.connections.size).to.equal(1)
    })

  it('is told apart from servers that relay no connections', async () => {
    for (const code of [400, 403, 442]) {
      turn.before = (incoming) => {
        turn.refuse(incoming, code)
        return true
      }
      expect(errorCode(await rejection(client().allocateTcp()))).to.equal('ERR_TURN_TRANSPORT')
    }
    await eventually('all connections to be closed', () => turn.server.connections.size === 0)
  })

  it('gives up connecting at the deadline and with its caller, and closes what it opened', async () => {
    const bind = turn.before
    turn.before = (incoming) => incoming.message!.method === 'connectionBind' || bind(incoming)
    const clock = manualClock()
    const allocation = await client({ clock }).allocateTcp()
    const late = rejection(allocation.connect(peer, { deadlineMs: 2_000 }))
    await eventually('the request', () => turn.count('connectionBind') === 1)
    await clock.advance(2_000)
    expect(errorCode(await late)).to.equal('ERR_STUN_TIMEOUT')
    const controller = new AbortController()
    const reason = new Error('not any more')
    const aborted = rejection(allocation.connect(peer, { signal: controller.signal }))
    await eventually('the request', () => turn.count('connectionBind') === 2)
    controller.abort(reason)
    expect(await aborted).to.equal(reason)
    await eventually('both connections to be closed', () => turn.server.connections.size === 1)
    const closed = rejection(allocation.connect(peer))
    await eventually('the request', () => turn.count('connectionBind') === 3)
    await allocation.close()
    expect(errorCode(await closed)).to.equal('ERR_TURN_CLOSED')
    await eventually('everything to be closed', () => turn.server.connections.size === 0)
    expect(clock.pending).to.equal(0)
  })

  it('is lost with its control connection', async () => {
    const allocation = await client().allocateTcp()
    for (const socket of turn.server.connections) socket.destroy()
    expect(errorCode(await allocation.ended)).to.equal('ERR_TURN_LOST')
    expect(errorCode(await rejection(allocation.connect(peer)))).to.equal('ERR_TURN_CLOSED')
  })

  it('is closed within a second when the server does not answer', async () => {
    const clock = manualClock()
    const allocation = await client({ clock }).allocateTcp()
    turn.server.handle = () => {}
    const closing = allocation.close()
    await clock.advance(1_000)
    await closing
    expect(await allocation.ended).to.equal(undefined)
    expect(clock.pending).to.equal(0)
  })
})

import { expect } from 'chai'
import { errorCode, isKithmeshError } from '@kithmesh/core'
import {
  createTurnClient,
  encodeChannelData,
  encodeMessage,
  newTransactionId,
  type TransportAddress,
  type TurnClient,
  type TurnClientOptions
} from '@kithmesh/stun'
import { eventually, manualClock, rejection } from '@kithmesh/testkit'
import { credential, receivedOf, scriptedTurn, username, type ScriptedTurn } from './support/scripted-turn.ts'
import type { Incoming } from './support/scripted-server.ts'

describe('A relay for datagrams', () => {
  const open: AsyncDisposable[] = []
  let turn: ScriptedTurn

  function client(options: Partial<TurnClientOptions> = {}): TurnClient {
    // By a clock that stands still, as it would ask again, and be counted twice, if the machine were busy for half a second.
    const made = createTurnClient({ uri: turn.uri, username, credential, clock: manualClock(), ...options })
    open.push(made)
    return made
  }

  beforeEach(async () => {
    turn = await scriptedTurn('udp')
    open.push(turn)
  })
  afterEach(async () => {
    for (const one of open.splice(0).reverse()) await one[Symbol.asyncDispose]()
  })

  it('is allocated with credentials, and given back when it is closed', async () => {
    const allocation = await client().allocateUdp({ lifetime: 300 })
    expect(allocation.relayed).to.deep.equal(turn.relayed)
    expect(allocation.mapped).to.deep.equal(allocation.local)
    expect(
      receivedOf(turn, 'allocate').map(({ requestedTransport, lifetime, nonce }) => [requestedTransport, lifetime, nonce])
    ).to.deep.equal([
      [17, 300, undefined],
      [17, 300, 'first']
    ])
    await allocation.close()
    await allocation.close()
    expect(await allocation.ended).to.equal(undefined)
    expect(receivedOf(turn, 'refresh').map(({ lifetime }) => lifetime)).to.deep.equal([0])
    expect(errorCode(await rejection(allocation.permit('127.0.0.1')))).to.equal('ERR_TURN_CLOSED')
    expect(allocation.send(Buffer.from('x'), turn.relayed)).to.equal(false)
  })

  it('is refreshed every minute, its permissions and channels every four, and the NAT hears of it every 15 s', async () => {
    const clock = manualClock()
    const allocation = await client({ clock }).allocateUdp()
    await allocation.permit('192.0.2.1')
    await allocation.bindChannel({ address: '192.0.2.2', port: 9 })
    const indications = (): number => turn.server.received.filter(({ message }) => message?.method === 'binding').length
    await clock.advance(15_000)
    await eventually('a sign of life', () => indications() === 1)
    await clock.advance(44_999)
    expect(turn.count('refresh')).to.equal(0)
    for (let minute = 1; minute <= 4; minute++) {
      await clock.advance(minute === 1 ? 1 : 60_000)
      await eventually(`refresh ${minute}`, () => turn.count('refresh') === minute)
    }
    await eventually('the permission', () => turn.count('createPermission') === 2)
    await eventually('the channel', () => turn.count('channelBind') === 2)
    expect(new Set(receivedOf(turn, 'channelBind').map(({ channelNumber }) => channelNumber))).to.deep.equal(new Set([0x4000]))
    const closing = allocation.close()
    await closing
    expect(clock.pending).to.equal(0)
  })

  it('is refreshed as often as it is told to be, for as long as was asked', async () => {
    const clock = manualClock()
    await client({ clock, checkIntervalMs: 7_000 }).allocateUdp({ lifetime: 300 })
    await clock.advance(6_999)
    expect(turn.count('refresh')).to.equal(0)
    await clock.advance(1)
    await eventually('the refresh', () => turn.count('refresh') === 1)
    expect(receivedOf(turn, 'refresh').map(({ lifetime }) => lifetime)).to.include(300)
  })

  for (const what of ['being asked for', 'a permission'] as const)
    it(`gives up ${what} after the time for a request, or that for the operation`, async () => {
      const clock = manualClock()
      const made = client({ clock, requestTimeoutMs: 800 })
      const allocation = await made.allocateUdp()
      const { handle } = turn.server
      turn.server.handle = () => {}
      for (const [ms, options] of [
        [800, {}],
        [300, { deadlineMs: 300 }]
      ] as const) {
        const before = turn.server.received.length
        let over = false
        const failed = rejection(what === 'a permission' ? allocation.permit('192.0.2.1', options) : made.allocateUdp(options)).finally(
          () => {
            over = true
          }
        )
        await eventually('the request', () => turn.server.received.length > before)
        await clock.advance(ms - 1)
        expect(over).to.equal(false)
        await clock.advance(1)
        expect(errorCode(await failed)).to.equal('ERR_STUN_TIMEOUT')
      }
      turn.server.handle = handle
    })

  it('is of the family that is asked for', async () => {
    await client().allocateUdp()
    await client().allocateUdp({ family: 6 })
    expect(receivedOf(turn, 'allocate').map(({ requestedAddressFamily }) => requestedAddressFamily)).to.deep.equal([
      undefined,
      undefined,
      6,
      6
    ])
  })

  it('is asked for at an address of the family, and from the address, that was given', async () => {
    for (const options of [{ family: 6 }, { localAddress: '::1' }] as const)
      expect(errorCode(await rejection(client(options).allocateUdp()))).to.equal('ERR_STUN_RESOLVE')
    expect((await client({ localAddress: '127.0.0.7', family: 4 }).allocateUdp()).local.address).to.equal('127.0.0.7')
  })

  it('that the server grants for a short time is refreshed at half of it', async () => {
    const clock = manualClock()
    turn.before = (incoming) => {
      if (incoming.message!.method !== 'allocate') return false
      turn.grant(incoming, { xorRelayedAddress: turn.relayed, xorMappedAddress: incoming.from, lifetime: 20 })
      return true
    }
    await client({ clock }).allocateUdp()
    await clock.advance(9_999)
    expect(turn.count('refresh')).to.equal(0)
    await clock.advance(1)
    await eventually('the refresh', () => turn.count('refresh') === 1)
  })

  it('takes a new nonce when the old one is stale, also for two requests at once', async () => {
    const allocation = await client().allocateUdp()
    turn.nonce = 'second'
    await Promise.all([allocation.permit('192.0.2.1'), allocation.permit('192.0.2.2')])
    expect(turn.count('createPermission')).to.equal(2)
    turn.server.handle = (incoming) => {
      incoming.error(438, { realm: 'scripted', nonce: String(Math.random()) })
    }
    expect(errorCode(await rejection(allocation.permit('192.0.2.3')))).to.equal('ERR_TURN_REFUSED')
  })

  it('asks once for what is asked for several times, and not for more than 64 peers', async () => {
    const allocation = await client().allocateUdp()
    await Promise.all([allocation.permit('192.0.2.1'), allocation.permit('::ffff:192.0.2.1'), allocation.permit('192.0.2.1')])
    expect(turn.count('createPermission')).to.equal(1)
    for (let index = 2; index <= 64; index++) await allocation.permit(`192.0.2.${index}`)
    expect(errorCode(await rejection(allocation.permit('192.0.2.65')))).to.equal('ERR_TURN_LIMIT')
    await allocation.permit('192.0.2.64')
    expect(turn.count('createPermission')).to.equal(64)
    expect(await rejection(allocation.permit('localhost'))).to.be.instanceOf(TypeError)
  })

  for (const [code, expected] of [
    [400, 'ERR_TURN_REFUSED'],
    [403, 'ERR_TURN_FORBIDDEN'],
    [437, 'ERR_TURN_MISMATCH'],
    [440, 'ERR_TURN_FAMILY'],
    [441, 'ERR_TURN_OTHER_USER'],
    [442, 'ERR_TURN_TRANSPORT'],
    [443, 'ERR_TURN_FAMILY'],
    [486, 'ERR_TURN_QUOTA'],
    [508, 'ERR_TURN_CAPACITY']
  ] as const)
    it(`is refused with ${code}: ${expected}`, async () => {
      turn.before = (incoming) => {
        turn.refuse(incoming, code)
        return true
      }
      const error = await rejection(client().allocateUdp())
      if (!isKithmeshError(error, expected)) throw error
      expect(error.details['errorCode']).to.equal(code)
      expect(error.hint).to.not.equal('')
    })

  it('is lost when the server does not know it any more', async () => {
    const clock = manualClock()
    const allocation = await client({ clock }).allocateUdp()
    turn.before = (incoming) => {
      turn.refuse(incoming, 437)
      return true
    }
    await clock.advance(60_000)
    const error = await allocation.ended
    expect(errorCode(error)).to.equal('ERR_TURN_LOST')
    expect(errorCode(error?.cause)).to.equal('ERR_TURN_MISMATCH')
    expect(clock.pending).to.equal(0)
    expect(errorCode(await rejection(allocation.permit('192.0.2.1')))).to.equal('ERR_TURN_CLOSED')
  })

  it('is lost when three refreshes in a row are not answered, and not before', async () => {
    const clock = manualClock()
    const allocation = await client({ clock }).allocateUdp()
    let silent = true
    turn.server.handle = ((answer) => (incoming: Incoming) => {
      if (!silent) answer(incoming)
    })(turn.server.handle)
    let ended = false
    void allocation.ended.then(() => {
      ended = true
    })
    await clock.advance(60_000 + 5_000 + 1_000 + 5_000 + 1_999)
    silent = false
    await clock.advance(1)
    await eventually('the refresh', () => turn.count('refresh') === 1)
    expect(ended).to.equal(false)
    silent = true
    await clock.advance(60_000 + 5_000 + 1_000 + 5_000 + 2_000 + 5_000)
    expect(errorCode(await allocation.ended)).to.equal('ERR_TURN_LOST')
    expect(clock.pending).to.equal(0)
  })

  it('hands over what permitted peers send, and nothing else', async () => {
    const allocation = await client().allocateUdp()
    const received: { data: Buffer; from: TransportAddress }[] = []
    allocation.onData((data, from) => received.push({ data, from }))
    await allocation.permit('192.0.2.1')
    const bound = { address: '192.0.2.2', port: 22 }
    await allocation.bindChannel(bound)
    const { raw } = turn.server.received.at(-1)!
    const indication = (peer: TransportAddress, text: string): Buffer =>
      encodeMessage({
        method: 'data',
        messageClass: 'indication',
        transactionId: newTransactionId(),
        attributes: { xorPeerAddress: [peer], data: Buffer.from(text) }
      })
    raw(indication({ address: '192.0.2.9', port: 1 }, 'from a stranger'))
    raw(encodeMessage({ method: 'data', messageClass: 'indication', transactionId: newTransactionId(), attributes: {} }))
    raw(encodeChannelData({ channel: 0x4321, data: Buffer.from('on no channel') }, false))
    raw(Buffer.from([0x40, 0, 0, 9, 1]))
    raw(indication({ address: '192.0.2.1', port: 11 }, 'one'))
    raw(encodeChannelData({ channel: 0x4000, data: Buffer.from('two') }, false))
    await eventually('both', () => received.length === 2)
    expect(received).to.deep.equal([
      { data: Buffer.from('one'), from: { address: '192.0.2.1', port: 11 } },
      { data: Buffer.from('two'), from: bound }
    ])
    expect(allocation.send(Buffer.from('back'), bound)).to.equal(true)
    expect(allocation.send(Buffer.from('there'), { address: '192.0.2.1', port: 11 })).to.equal(true)
    await eventually('the frame', () => turn.server.received.some(({ bytes }) => bytes.toString('hex') === '400000046261636b'))
    await eventually('the indication', () => receivedOf(turn, 'send').length === 1)
    expect(receivedOf(turn, 'send')[0]!.xorPeerAddress).to.deep.equal([{ address: '192.0.2.1', port: 11 }])
    expect(() => allocation.send(Buffer.alloc(65_508), bound)).to.throw(TypeError)
  })

  it('does not believe success that is signed wrongly', async () => {
    turn.before = (incoming) => {
      const integrity = { algorithm: 'sha1', key: Buffer.from('not the key') } as const
      incoming.success(
        { xorRelayedAddress: { address: '192.0.2.66', port: 6 }, xorMappedAddress: incoming.from, lifetime: 600 },
        { integrity }
      )
      incoming.success({ xorRelayedAddress: { address: '192.0.2.66', port: 6 }, xorMappedAddress: incoming.from, lifetime: 600 })
      return true
    }
    const clock = manualClock()
    const outcome = rejection(client({ clock }).allocateUdp())
    await eventually('the signed request', () => turn.count('allocate') === 1)
    await clock.advance(5_000)
    expect(errorCode(await outcome)).to.equal('ERR_STUN_INTEGRITY')
    expect(clock.pending).to.equal(0)
  })

  it('is not asked for any more when the caller, the client or the deadline ends', async () => {
    turn.server.handle = () => {}
    const reason = new Error('not any more')
    const controller = new AbortController()
    const aborted = rejection(client().allocateUdp({ signal: controller.signal }))
    const other = client()
    const closed = rejection(other.allocateUdp())
    const clock = manualClock()
    const late = rejection(client({ clock, requestTimeoutMs: 60_000 }).allocateUdp({ deadlineMs: 1_000 }))
    await eventually('all requests', () => turn.server.received.length === 3)
    controller.abort(reason)
    expect(await aborted).to.equal(reason)
    await other.close()
    expect(errorCode(await closed)).to.equal('ERR_TURN_CLOSED')
    await clock.advance(1_000)
    expect(errorCode(await late)).to.equal('ERR_STUN_TIMEOUT')
    expect(clock.pending).to.equal(0)
    expect(errorCode(await rejection(other.allocateUdp()))).to.equal('ERR_TURN_CLOSED')
  })

  it('goes elsewhere at most once, and only where that is allowed', async () => {
    const second = await scriptedTurn('udp')
    open.push(second)
    turn.before = (incoming) => {
      turn.refuse(incoming, 300, { alternateServer: second.server.address })
      return true
    }
    expect(errorCode(await rejection(client().allocateUdp()))).to.equal('ERR_STUN_REDIRECT')
    expect(second.server.received).to.have.length(0)
    const allowed: TransportAddress[] = []
    const allowRedirect = (to: TransportAddress): boolean => {
      allowed.push(to)
      return true
    }
    const allocation = await client({ allowRedirect }).allocateUdp()
    expect(allocation.server).to.deep.equal(second.server.address)
    expect(allowed).to.deep.equal([second.server.address])
    second.before = (incoming) => {
      second.refuse(incoming, 300, { alternateServer: turn.server.address })
      return true
    }
    expect(errorCode(await rejection(client({ allowRedirect }).allocateUdp()))).to.equal('ERR_STUN_REDIRECT')
  })

  it('needs a TURN server', async () => {
    expect(() => createTurnClient({ uri: 'stun:127.0.0.1', username, credential })).to.throw(TypeError)
    expect(() => createTurnClient({ uri: 'turn:', username, credential }))
      .to.throw()
      .with.property('code', 'ERR_STUN_URI')
    expect(errorCode(await rejection(client().allocateTcp()))).to.equal('ERR_TURN_TRANSPORT')
  })

  it('refuses options that make no sense', async () => {
    const wrongs: object[] = [
      { family: 5 },
      { localAddress: 'eth0' },
      { checkIntervalMs: 0 },
      ...['requestTimeoutMs', 'checkIntervalMs'].flatMap((name) => [Number.NaN, -1, 2 ** 31].map((value) => ({ [name]: value })))
    ]
    for (const wrong of wrongs) expect(() => client(wrong), JSON.stringify(wrong)).to.throw(TypeError)
    for (const wrong of [{ lifetime: 0 }, { lifetime: Number.NaN }, { lifetime: 2 ** 32 }, { deadlineMs: Number.NaN }, { family: 5 as 4 }])
      expect(await rejection(client().allocateUdp(wrong)), JSON.stringify(wrong)).to.be.instanceOf(TypeError)
    expect(turn.server.received).to.have.length(0)
  })
})

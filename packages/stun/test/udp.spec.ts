import { createSocket } from 'node:dgram'
import { expect } from 'chai'
import { errorCode } from '@kithmesh/core'
import { encodeMessage, openStunUdp, type OpenStunUdpOptions, type ReceivedMessage, type StunUdp } from '@kithmesh/stun'
import { eventually, manualClock, recordingLogger, rejection } from '@kithmesh/testkit'
import { echoBinding, udpServer, type Incoming, type ScriptedServer } from './support/scripted-server.ts'

describe('STUN over UDP', () => {
  const open: AsyncDisposable[] = []

  async function serve(handle?: (incoming: Incoming) => void, host?: string): Promise<ScriptedServer> {
    const server = await udpServer(handle, host)
    open.push(server)
    return server
  }
  async function socket(options: OpenStunUdpOptions = {}): Promise<StunUdp> {
    const stun = await openStunUdp({ localAddress: '127.0.0.1', ...options })
    open.push(stun)
    return stun
  }

  afterEach(async () => {
    for (const one of open.splice(0).reverse()) await one[Symbol.asyncDispose]()
  })

  it('learns its address from several servers at once, from one port', async () => {
    const servers = await Promise.all([serve(), serve(undefined, '127.0.0.2'), serve(undefined, '127.0.0.3')])
    // By a clock that stands still, as it would ask again if the machine were busy for half a second.
    const stun = await socket({ clock: manualClock() })
    const answers = await Promise.all(servers.map(({ address }) => stun.bind(address)))
    for (const [index, { mapped, from, transmissions }] of answers.entries()) {
      expect(mapped).to.deep.equal({ address: '127.0.0.1', port: stun.localPort })
      expect(from).to.deep.equal(servers[index]!.address)
      expect(transmissions).to.equal(1)
    }
  })

  it('comes from the port asked for, and says which port is taken', async () => {
    // Of an address that no other test uses, so that the port is still free afterwards.
    const localAddress = '127.0.64.1'
    const first = await socket({ localAddress })
    const error = await rejection(openStunUdp({ localAddress, localPort: first.localPort }))
    expect(errorCode(error)).to.equal('ERR_STUN_SOCKET')
    const { localPort } = first
    await first.close()
    expect((await socket({ localAddress, localPort })).localPort).to.equal(localPort)
    expect(errorCode(await rejection(openStunUdp({ localAddress: '203.0.113.99' })))).to.equal('ERR_STUN_SOCKET')
  })

  it('has the family asked for, whatever the address', async () => {
    expect(errorCode(await rejection(openStunUdp({ localAddress: '127.0.0.1', family: 6 })))).to.equal('ERR_STUN_SOCKET')
  })

  it('signs its requests with a fingerprint when it is told to', async () => {
    const server = await serve()
    const stun = await socket()
    for (const fingerprint of [false, true]) await stun.request({ method: 'binding', fingerprint }, server.address)
    expect(server.received.map(({ message }) => message?.fingerprint)).to.deep.equal([false, true])
  })

  it('refuses options that make no sense', async () => {
    for (const wrong of [{ family: 5 as 4 }, { maxRequests: 0 }, { maxRequests: Number.NaN }])
      expect(await rejection(openStunUdp({ localAddress: '127.0.0.1', ...wrong })), JSON.stringify(wrong)).to.be.instanceOf(TypeError)
    const server = await serve()
    const stun = await socket()
    const wrongs = [{ rtoMs: 0 }, { transmissions: 0 }, { transmissions: 1.5 }].concat(
      ['rtoMs', 'transmissions', 'deadlineMs'].flatMap((name) => [Number.NaN, -1, 2 ** 31].map((value) => ({ [name]: value }) as never))
    )
    for (const wrong of wrongs) expect(await rejection(stun.bind(server.address, wrong)), JSON.stringify(wrong)).to.be.instanceOf(TypeError)
    expect(server.received).to.have.length(0)
  })

  it('asks at 0, 0.5, 1.5, 3.5, 7.5, 15.5 and 31.5 s, and gives up at 39.5 s', async () => {
    const clock = manualClock()
    const server = await serve(() => {})
    const stun = await socket({ clock })
    const outcome = rejection(stun.bind(server.address))
    let before = 0
    for (const [index, at] of [0, 500, 1500, 3500, 7500, 15_500, 31_500].entries()) {
      if (index > 0) {
        await clock.advance(at - before - 1)
        expect(server.received).to.have.length(index)
        await clock.advance(1)
      }
      await eventually(`transmission ${index + 1}`, () => server.received.length === index + 1)
      before = at
    }
    await clock.advance(7_999)
    expect(clock.pending).to.be.greaterThan(0)
    await clock.advance(1)
    const error = (await outcome) as Error & { details: object }
    expect(errorCode(error)).to.equal('ERR_STUN_TIMEOUT')
    expect(error.details).to.include({ transmissions: 7, ms: 39_500, method: 'binding' })
    expect(clock.pending).to.equal(0)
    expect(new Set(server.received.map(({ bytes }) => bytes.toString('hex'))).size).to.equal(1)
  })

  it('gives up at its deadline, and can ask faster', async () => {
    const clock = manualClock()
    const server = await serve(() => {})
    const stun = await socket({ clock })
    const outcome = rejection(stun.bind(server.address, { deadlineMs: 400, rtoMs: 100, transmissions: 2 }))
    await clock.advance(400)
    expect(errorCode(await outcome)).to.equal('ERR_STUN_TIMEOUT')
    await eventually('both transmissions', () => server.received.length === 2)
  })

  it('takes the answer to a later transmission', async () => {
    const clock = manualClock()
    const server = await serve((incoming) => {
      if (server.received.length === 2) echoBinding(incoming)
    })
    const stun = await socket({ clock })
    const answer = stun.bind(server.address)
    await eventually('the first one', () => server.received.length === 1)
    await clock.advance(500)
    expect(await answer).to.include({ transmissions: 2 })
    expect(clock.pending).to.equal(0)
  })

  it('ignores answers with another transaction id, another method, from elsewhere, and rubbish', async () => {
    const stranger = createSocket('udp4')
    open.push({
      [Symbol.asyncDispose]: () =>
        new Promise((resolve) => {
          stranger.close(() => {
            resolve()
          })
        })
    })
    const wrong = { address: '192.0.2.66', port: 666 }
    const server = await serve((incoming) => {
      const { message, from } = incoming
      const forged = (changes: object): Buffer =>
        encodeMessage({ ...message!, messageClass: 'success', attributes: { xorMappedAddress: wrong }, ...changes })
      incoming.raw(Buffer.from('rubbish'))
      incoming.raw(Buffer.alloc(2000, 1))
      incoming.raw(forged({ transactionId: Buffer.alloc(12) }))
      incoming.raw(forged({ method: 'allocate' }))
      incoming.raw(incoming.bytes)
      stranger.send(forged({}), from.port, from.address, () => {
        setImmediate(() => {
          echoBinding(incoming)
        })
      })
    })
    const stun = await socket()
    expect((await stun.bind(server.address)).mapped.port).to.equal(stun.localPort)
  })

  it('takes answers from where CHANGE-REQUEST sends them, when told', async () => {
    const other = await serve(undefined, '127.0.0.2')
    let answerFromOther: ((bytes: Uint8Array) => void) | undefined
    other.handle = ({ raw }) => {
      answerFromOther = raw
    }
    const server = await serve(({ message, from }) => {
      expect(message!.attributes.changeRequest).to.deep.equal({ ip: true, port: false })
      answerFromOther!(
        encodeMessage({
          ...message!,
          messageClass: 'success',
          attributes: { mappedAddress: from, otherAddress: other.address, responseOrigin: other.address }
        })
      )
    })
    const stun = await socket()
    stun.send(Buffer.from('hello'), other.address)
    await eventually('the other address to know us', () => answerFromOther !== undefined)
    const response = await stun.request({ method: 'binding', attributes: { changeRequest: { ip: true, port: false } } }, server.address, {
      acceptFrom: ({ address }) => address === '127.0.0.2'
    })
    expect(response.from).to.deep.equal(other.address)
    expect(response.message.attributes.otherAddress).to.deep.equal(other.address)
  })

  it('asks servers of RFC 3489 without cookie', async () => {
    const server = await serve((incoming) => {
      expect(incoming.message!.legacy).to.equal(true)
      incoming.success({ mappedAddress: incoming.from, changedAddress: { address: '127.0.0.9', port: 9 } })
    })
    const stun = await socket()
    const { message } = await stun.request({ method: 'binding', legacy: true }, server.address)
    expect(message.attributes).to.deep.equal({
      mappedAddress: { address: '127.0.0.1', port: stun.localPort },
      changedAddress: { address: '127.0.0.9', port: 9 }
    })
  })

  it('resolves with error responses, and bind rejects with them', async () => {
    const server = await serve((incoming) => {
      incoming.error(500)
    })
    const stun = await socket()
    const { message } = await stun.request({ method: 'binding' }, server.address)
    expect(message.attributes.errorCode).to.deep.equal({ code: 500, reason: 'scripted' })
    const error = (await rejection(stun.bind(server.address))) as Error & { details: object }
    expect(errorCode(error)).to.equal('ERR_STUN_RESPONSE')
    expect(error.details).to.include({ errorCode: 500 })
  })

  it('rejects answers without an address, or with attributes it would have to understand', async () => {
    const server = await serve((incoming) => {
      incoming.success({})
    })
    const stun = await socket()
    expect(errorCode(await rejection(stun.bind(server.address)))).to.equal('ERR_STUN_RESPONSE')
    server.handle = (incoming) => {
      const bytes = encodeMessage({ ...incoming.message!, messageClass: 'success', attributes: { evenPort: { reserveNext: false } } })
      bytes.writeUInt16BE(0x7abc, 20)
      incoming.raw(bytes)
    }
    const error = await rejection(stun.bind(server.address))
    expect(errorCode(error)).to.equal('ERR_STUN_RESPONSE')
    expect(error.message).to.include('0x7abc')
  })

  it('hears at once that nothing listens, when it talks to one server only', async () => {
    // At an address that no other test uses: nobody else takes the port meanwhile.
    const server = await serve(undefined, '127.0.64.2')
    const { address } = server
    await server[Symbol.asyncDispose]()
    open.splice(open.indexOf(server), 1)
    const stun = await socket({ connectTo: address })
    const error = (await rejection(stun.bind(address))) as Error & { details: object }
    expect(errorCode(error)).to.equal('ERR_STUN_UNREACHABLE')
    expect(error.details).to.include({ code: 'ECONNREFUSED' })
    expect(errorCode(await rejection(stun.bind(address)))).to.equal('ERR_STUN_UNREACHABLE')
    const back = await udpServer(undefined, address.address, address.port)
    open.push(back)
    expect((await stun.bind(address)).mapped.port).to.equal(stun.localPort)
  })

  it('hands over indications and datagrams, and outlives a handler that throws', async () => {
    const server = await serve((incoming) => {
      incoming.raw(Buffer.from([0x40, 0, 0, 1, 0x61]))
      incoming.raw(
        encodeMessage({
          method: 'data',
          messageClass: 'indication',
          transactionId: Buffer.alloc(12),
          attributes: { data: Buffer.from('x') }
        })
      )
    })
    const logger = recordingLogger()
    const stun = await socket({ logger })
    const datagrams: Buffer[] = []
    const indications: ReceivedMessage[] = []
    const stop = stun.onDatagram(() => {
      throw new Error('a bug of the application')
    })
    stun.onDatagram((datagram) => datagrams.push(datagram))
    stun.onIndication((message) => indications.push(message))
    stun.send(Buffer.from('go'), server.address)
    await eventually('both', () => datagrams.length === 1 && indications.length === 1)
    expect(datagrams[0]!.toString('hex')).to.equal('4000000161')
    expect(indications[0]!.method).to.equal('data')
    expect(logger.entries.some(({ message }) => message.includes('threw'))).to.equal(true)
    stop()
  })

  it('ends with its caller, and with its socket', async () => {
    const clock = manualClock()
    const server = await serve(() => {})
    const stun = await socket({ clock, maxRequests: 2 })
    const reason = new Error('not any more')
    const controller = new AbortController()
    const aborted = rejection(stun.bind(server.address, { signal: controller.signal }))
    const closed = rejection(stun.bind(server.address))
    expect(errorCode(await rejection(stun.bind(server.address)))).to.equal('ERR_STUN_BUSY')
    controller.abort(reason)
    expect(await aborted).to.equal(reason)
    expect(await rejection(stun.bind(server.address, { signal: controller.signal }))).to.equal(reason)
    await stun.close()
    await stun.close()
    expect(errorCode(await closed)).to.equal('ERR_STUN_CLOSED')
    expect(await stun.ended).to.equal(undefined)
    expect(errorCode(await rejection(stun.bind(server.address)))).to.equal('ERR_STUN_CLOSED')
    stun.send(Buffer.from('nothing'), server.address)
    expect(clock.pending).to.equal(0)
  })
})

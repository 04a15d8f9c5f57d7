import type { MessageSocket, SocketCloseInfo } from '@kithmesh/core'
import { Message, MessageEndpoint, MessagingError } from '@kithmesh/replicator'
import type {
  MessageEndpointConnection,
  MessageLinkOptions,
  OpenEndpointOptions,
  ProtocolType,
  ReplicatorConnection
} from '@kithmesh/replicator'
import { expect } from 'chai'
import { eventually, manualClock } from '@kithmesh/testkit'

/** Sends complete when the test says so. */
class HeldConnection implements MessageEndpointConnection {
  replicator!: ReplicatorConnection
  sent: Buffer[] = []
  complete: (() => void)[] = []
  closes: (MessagingError | undefined)[] = []
  async open(replicator: ReplicatorConnection): Promise<void> {
    this.replicator = replicator
  }
  async send(message: Message): Promise<void> {
    this.sent.push(message.toData())
    await new Promise<void>((resolve) => {
      this.complete.push(resolve)
    })
  }
  async close(error?: MessagingError): Promise<void> {
    this.closes.push(error)
  }
}

describe('the socket of a message endpoint', () => {
  let connection: HeldConnection
  let socket: MessageSocket
  let got: Buffer[]
  let drained: number
  let ends: SocketCloseInfo[]

  const open = async (type: ProtocolType, limits: MessageLinkOptions = {}, given: Partial<OpenEndpointOptions> = {}): Promise<void> => {
    connection = new HeldConnection()
    got = []
    drained = 0
    ends = []
    const endpoint = new MessageEndpoint('uid', undefined, type, { createConnection: () => connection }, limits)
    socket = await endpoint.open({ signal: new AbortController().signal, protocols: ['BLIP_3+CBMobile_3'], heartbeatMs: 0, ...given })
    socket.attach({ message: (data) => got.push(data), drained: () => drained++, closed: (info) => ends.push(info) })
  }
  afterEach(async () => {
    socket.terminate()
    await eventually('the end', () => ends.length === 1)
    expect(connection.closes).to.have.length(1)
  })

  for (const type of ['message-stream', 'byte-stream'] as const)
    it(`says when its buffer is full and when it has room again, ${type}`, async () => {
      await open(type)
      let sends = 0
      while (socket.send(Buffer.alloc(50_000))) expect(++sends).to.be.lessThan(50)
      expect(socket.bufferedBytes).to.be.within(256 * 1024, 512 * 1024)
      expect(drained).to.equal(0)
      await eventually('room', () => {
        connection.complete.splice(0).forEach((done) => done())
        return drained > 0
      })
      expect(drained).to.equal(1)
      expect(socket.bufferedBytes).to.be.at.most(128 * 1024)
    })

  for (const [whose, byOwnClock] of [
    ['its own clock', true],
    ["the replicator's clock", false]
  ] as const) {
    it(`ends when a send takes too long, by ${whose}`, async () => {
      const clock = manualClock()
      await open('message-stream', byOwnClock ? { clock } : {}, byOwnClock ? {} : { clock })
      socket.send(Buffer.from('one'))
      await eventually('the first', () => connection.sent.length === 1)
      await clock.advance(29_999)
      expect(ends).to.have.length(0)
      await clock.advance(1)
      await eventually('the end', () => ends.length === 1)
      expect(ends[0]!.error).to.have.nested.property('cause.code', 'ERR_REPL_MESSAGING_TIMEOUT')
    })

    it(`ends when the other end of a byte stream is silent and does not answer when it is probed, by ${whose}`, async () => {
      const clock = manualClock()
      await open('byte-stream', byOwnClock ? { clock } : {}, { heartbeatMs: 10_000, ...(byOwnClock ? {} : { clock }) })
      await clock.advance(10_000)
      await eventually('the ping', () => connection.sent.length === 1)
      expect(ends).to.have.length(0)
      await clock.advance(9_000)
      await eventually('the end', () => ends.length === 1)
      expect(ends[0]!.error).to.have.property('code', 'ERR_WS_PONG_TIMEOUT')
    })
  }

  it('sends the next message only when the one before has completed', async () => {
    await open('message-stream')
    for (const text of ['one', 'two', 'three']) socket.send(Buffer.from(text))
    await eventually('the first', () => connection.sent.length > 0)
    expect(connection.sent.map(String)).to.deep.equal(['one'])
    connection.complete[0]!()
    await eventually('the second', () => connection.sent.length === 2)
    expect(connection.complete).to.have.length(2)
    expect(ends).to.have.length(0)
  })

  it('sends what is queued before it closes', async () => {
    await open('message-stream')
    socket.send(Buffer.from('one'))
    socket.send(Buffer.from('two'))
    socket.close(1000)
    expect(socket.send(Buffer.from('three'))).to.equal(false)
    expect(connection.closes).to.have.length(0)
    await eventually('the first', () => connection.sent.length === 1)
    connection.complete[0]!()
    await eventually('the second', () => connection.sent.length === 2)
    connection.complete[1]!()
    await eventually('the end', () => ends.length === 1)
    expect(connection.sent.map(String)).to.deep.equal(['one', 'two'])
    expect(connection.closes).to.deep.equal([undefined])
    expect(ends).to.deep.equal([{ code: 1000, reason: '' }])
  })

  it('closes at a deadline when the last messages are not sent', async () => {
    await open('message-stream', { closeTimeoutMs: 20 })
    socket.send(Buffer.from('one'))
    socket.close(4002, 'enough')
    await eventually('the end', () => ends.length === 1)
    expect(ends[0]).to.include({ code: 4002, reason: 'enough' })
    expect((ends[0]!.error as any).code).to.equal('ERR_REPL_MESSAGING_TIMEOUT')
    expect(connection.closes[0]?.recoverable).to.equal(false)
  })

  it('tells the application to wait while reading is paused, and delivers in order', async () => {
    await open('message-stream')
    await eventually('the start', () => connection.replicator.receive(Message.fromData(Buffer.from([0]))) && got.length > 0)
    got = []
    socket.pause()
    let count = 0
    while (connection.replicator.receive(Message.fromData(Buffer.alloc(100_000, ++count)))) expect(count).to.be.lessThan(50)
    let ready = false
    void connection.replicator.ready().then(() => {
      ready = true
    })
    connection.replicator.close()
    expect(got).to.have.length(0)
    await eventually('the close', () => connection.closes.length === 1)
    expect(ends).to.have.length(0)
    socket.resume()
    await eventually('the end behind the messages', () => ends.length === 1)
    expect(ready).to.equal(true)
    expect(got.map((data) => data[0])).to.deep.equal(Array.from({ length: count }, (_, n) => n + 1))
  })

  it('sends frames from the first byte on in a byte stream, masked, without an HTTP upgrade', async () => {
    await open('byte-stream')
    socket.send(Buffer.from('hello'))
    await eventually('the frame', () => connection.sent.length === 1)
    const frame = connection.sent[0]!
    // RFC 6455 §5.2: final binary frame, masked, five bytes.
    expect([...frame.subarray(0, 2)]).to.deep.equal([0x82, 0x85])
    expect(frame.length).to.equal(2 + 4 + 5)
    expect(String(frame.subarray(6).map((byte, n) => byte ^ frame[2 + (n % 4)]!))).to.equal('hello')
    for (const byte of [0x82, 0x02, 0x68, 0x69]) connection.replicator.receive(Message.fromData(Buffer.from([byte])))
    await eventually('the answer', () => got.length === 1)
    expect(String(got[0])).to.equal('hi')
  })

  for (const type of ['message-stream', 'byte-stream'] as const)
    it(`ends with the code of the application's error, ${type}`, async () => {
      await open(type)
      const cause = new Error('radio off')
      connection.replicator.close(new MessagingError(cause, true))
      connection.replicator.close(new MessagingError(cause, false))
      await eventually('the end', () => ends.length === 1)
      expect(ends[0]!.code).to.equal(4001)
      expect(ends[0]!.error?.cause).to.equal(cause)
    })

  it('passes on the close code that a byte stream carries', async () => {
    await open('byte-stream')
    connection.replicator.receive(Message.fromData(Buffer.from([0x88, 0x02, 0x0f, 0xa1])))
    await eventually('the end', () => {
      connection.complete.splice(0).forEach((done) => done())
      if (connection.sent.length > 0) connection.replicator.close()
      return ends.length === 1
    })
    expect(ends[0]!.code).to.equal(4001)
  })
})

import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { expect } from 'chai'
import { eventually, realClock } from '@kithmesh/testkit'
import { Handshake, type HandshakeOptions } from '../dist/handshake.js'
import { FRAME_BYTES, attemptKey } from '../dist/hello-frames.js'

describe('handshake on a punched connection', () => {
  let server: Server
  let ends: [Socket, Socket]
  const sockets: Socket[] = []
  beforeEach(async () => {
    server = createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const accepted = once(server, 'connection') as Promise<[Socket]>
    const dialled = connect((server.address() as AddressInfo).port, '127.0.0.1')
    await once(dialled, 'connect')
    ends = [dialled, (await accepted)[0]]
    sockets.push(...ends)
    // A connection that one side drops is reset for the other.
    for (const end of ends) end.on('error', () => {})
  })
  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy()
    server.close()
  })

  const key = randomBytes(32)

  class Side {
    live = 0
    nominated = 0
    failed = 0
    readonly handshake: Handshake
    constructor(socket: Socket, options: Partial<HandshakeOptions> = {}) {
      this.handshake = new Handshake({
        socket,
        key,
        role: 'initiator',
        pair: 0,
        clock: realClock,
        deadlineMs: 60_000,
        onLive: () => this.live++,
        onNominated: () => this.nominated++,
        onFailed: () => this.failed++,
        ...options
      })
    }
  }

  it('proves both sides alive, and tells of the nomination only then', async () => {
    const initiator = new Side(ends[0])
    const responder = new Side(ends[1], { role: 'responder' })
    await eventually('both to be live', () => initiator.live === 1 && responder.live === 1)
    expect(responder.nominated).to.equal(0)
    initiator.handshake.nominate()
    await eventually('the nomination', () => responder.nominated === 1)
    expect([initiator.failed, responder.failed]).to.deep.equal([0, 0])
  })

  it('leaves what follows in the stream, in the same segment or later', async () => {
    const initiator = new Side(ends[0])
    let stream: Socket | undefined
    const responder = new Side(ends[1], {
      role: 'responder',
      onNominated: (handshake) => {
        stream = handshake.release()
      }
    })
    await eventually('both to be live', () => initiator.live === 1 && responder.live === 1)
    ends[0].cork()
    initiator.handshake.nominate()
    ends[0].write('first')
    ends[0].uncork()
    const own = initiator.handshake.release()
    await eventually('the stream', () => stream !== undefined)
    const received: Buffer[] = []
    stream!.on('data', (chunk: Buffer) => received.push(chunk))
    own.write(' second')
    await eventually('everything', () => Buffer.concat(received).toString() === 'first second')
  })

  for (const [what, mine, theirs] of [
    ['another key', {}, { role: 'responder', key: randomBytes(32) }],
    ['another pair', {}, { role: 'responder', pair: 1 }],
    ['the same role', {}, { role: 'initiator' }]
  ] as ReadonlyArray<readonly [string, Partial<HandshakeOptions>, Partial<HandshakeOptions>]>)
    it(`drops an end with ${what}`, async () => {
      const one = new Side(ends[0], mine)
      const other = new Side(ends[1], theirs)
      await eventually('both to fail', () => one.failed === 1 && other.failed === 1)
      expect([one.live, other.live]).to.deep.equal([0, 0])
      expect(ends.every((end) => end.destroyed)).to.equal(true)
    })

  it('drops one that sends back what it gets', async () => {
    const side = new Side(ends[0])
    ends[1].pipe(ends[1])
    await eventually('it to fail', () => side.failed === 1)
    expect(side.handshake.known).to.equal(false)
  })

  it('drops one that repeats the frames of an earlier connection', async () => {
    const recorded: Buffer[] = []
    const responder = new Side(ends[1], { role: 'responder' })
    const initiator = new Side(ends[0])
    const write = ends[0].write.bind(ends[0])
    ends[0].write = ((chunk: Buffer) => {
      recorded.push(chunk)
      return write(chunk)
    }) as Socket['write']
    await eventually('both to be live', () => initiator.live === 1 && responder.live === 1)
    initiator.handshake.nominate()
    await eventually('the nomination', () => responder.nominated === 1)

    const accepted = once(server, 'connection') as Promise<[Socket]>
    const replayer = connect((server.address() as AddressInfo).port, '127.0.0.1')
    const [again] = await accepted
    sockets.push(replayer, again)
    replayer.on('error', () => {})
    const second = new Side(again, { role: 'responder' })
    for (const frame of recorded) replayer.write(frame)
    await eventually('it to fail', () => second.failed === 1)
    expect([second.live, second.nominated]).to.deep.equal([0, 0])
  })

  for (const [what, bytes] of [
    ['noise', randomBytes(FRAME_BYTES)],
    ['much noise', randomBytes(100_000)],
    ['a request of the web', Buffer.from('GET / HTTP/1.1\r\nHost: example.org\r\nUser-Agent: somebody\r\n\r\n')]
  ] as const)
    it(`drops one that sends ${what}`, async () => {
      const side = new Side(ends[0])
      ends[1].write(bytes)
      await eventually('it to fail', () => side.failed === 1)
    })

  it('drops one that says nothing', async () => {
    const side = new Side(ends[0], { deadlineMs: 20 })
    await eventually('it to fail', () => side.failed === 1)
    expect(ends[0].destroyed).to.equal(true)
  })

  it('drops one that goes', async () => {
    const side = new Side(ends[0])
    ends[1].end()
    await eventually('it to fail', () => side.failed === 1)
  })

  it('has a key of its own for each attempt, pair of devices and direction', () => {
    const [attempt, secret, other] = [randomBytes(12), randomBytes(32), randomBytes(32)]
    const keys = [
      attemptKey(attempt, { id: 'a', secret }, { id: 'b', secret: other }),
      attemptKey(randomBytes(12), { id: 'a', secret }, { id: 'b', secret: other }),
      attemptKey(attempt, { id: 'b', secret }, { id: 'a', secret: other }),
      attemptKey(attempt, { id: 'a', secret: other }, { id: 'b', secret })
    ]
    expect(new Set(keys.map((each) => each.toString('hex'))).size).to.equal(4)
  })
})

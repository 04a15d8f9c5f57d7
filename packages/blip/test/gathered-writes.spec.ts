import { expect } from 'chai'
import type { MessageSocket, MessageSocketHandlers } from '@kithmesh/core'
import { createBlipConnection } from '../dist/connection.js'
import type { BlipPeer } from '../dist/contracts.js'
import { ACK_REQUEST, MORE_COMING, REQUEST } from '../dist/frame.js'
import { FrameDecoder } from '../dist/frame-decoder.js'
import { FrameEncoder } from '../dist/frame-encoder.js'
import { block } from './raw-peer.ts'

/** A socket whose other side is this test: what comes in is handed over within its turns, as several reads of one turn of a real one are. */
class DirectSocket implements MessageSocket {
  readonly protocol = ''
  readonly description = 'direct'
  readonly bufferedBytes = 0
  readonly sent: { readonly type: number; readonly number: number; readonly ackBytes: number }[] = []
  flushes = 0
  #handlers: MessageSocketHandlers | undefined
  readonly #decoder = new FrameDecoder()

  attach(handlers: MessageSocketHandlers): void {
    this.#handlers = handlers
  }
  send(message: Uint8Array): boolean {
    const { type, number, ackBytes } = this.#decoder.decode(Buffer.from(message))
    this.sent.push({ type, number, ackBytes })
    return true
  }
  flush(): void {
    this.flushes++
  }
  pause(): void {}
  resume(): void {}
  close(): void {
    this.#handlers?.closed({ code: 1000, reason: '' })
  }
  terminate(): void {}
  receive(frame: Buffer): void {
    this.#handlers?.message(frame)
  }
}

describe('what leaves, and when', () => {
  let socket: DirectSocket
  let blip: BlipPeer
  beforeEach(() => {
    socket = new DirectSocket()
    blip = createBlipConnection(socket)
    blip.handle('rev', () => {})
  })
  afterEach(() => {
    blip.close()
  })

  const nextTurn = (): Promise<void> =>
    new Promise((resolve) => {
      setImmediate(resolve)
    })

  /** So many requests come, eight frames of each in turns, with what a read leaves to be done after each frame; returns the total of each. */
  async function arrive(messages: number): Promise<number> {
    const encoder = new FrameEncoder()
    let total = 0
    for (let frame = 0; frame < 8; frame++)
      for (let number = 1; number <= messages; number++) {
        const bytes = encoder.encode(number, MORE_COMING, frame === 0 ? block('Profile', 'rev') : undefined, Buffer.alloc(16_000))
        if (number === 1) total += bytes.length - 2
        socket.receive(bytes)
        await Promise.resolve()
        await Promise.resolve()
      }
    return total
  }

  it('few messages are acknowledged as soon as a read is over', async () => {
    const total = await arrive(7)
    expect(socket.sent).to.have.length(2 * 7)
    expect(socket.sent.slice(7)).to.deep.equal(Array.from({ length: 7 }, (_, n) => ({ type: ACK_REQUEST, number: n + 1, ackBytes: total })))
  })

  it('many are acknowledged when all reads are, each once, with all that came of it', async () => {
    const total = await arrive(8)
    expect(socket.sent).to.deep.equal([])
    await nextTurn()
    expect(socket.sent).to.deep.equal(Array.from({ length: 8 }, (_, n) => ({ type: ACK_REQUEST, number: n + 1, ackBytes: total })))
  })

  it('acknowledgements that could wait leave with whatever else does', async () => {
    await arrive(8)
    blip.request({ profile: 'x', noReply: true })
    await Promise.resolve()
    expect(socket.sent.map(({ type }) => type)).to.deep.equal([...Array(8).fill(ACK_REQUEST), REQUEST])
    await nextTurn()
    expect(socket.sent).to.have.length(9)
  })

  it('requests leave at the end of the turn, or when told to', async () => {
    blip.request({ profile: 'first' })
    expect([socket.sent.length, socket.flushes]).to.deep.equal([0, 0])
    blip.flush?.()
    expect([socket.sent.length, socket.flushes]).to.deep.equal([1, 1])
    blip.request({ profile: 'second' })
    await Promise.resolve()
    expect([socket.sent.length, socket.flushes]).to.deep.equal([2, 1])
  })

  it('nothing leaves after the end', async () => {
    await arrive(8)
    blip.request({ profile: 'x' })
    blip.close()
    await nextTurn()
    const { length } = socket.sent
    blip.request({ profile: 'y' })
    blip.flush?.()
    expect(socket.sent).to.have.length(length)
  })
})

import assert from 'node:assert/strict'
import type { ByteSocket, MessageSocket } from '@kithmesh/core'
import { Bench } from '../bench.ts'
import { within } from '../eventually.ts'
import type { ByteSocketHarness, MessageSocketHarness, SilentListener, TestListener } from './harness.ts'
import { ByteLine, MessageLine } from './line.ts'
import type { Line } from './line.ts'

/** Both ends of one connection, both reading. */
export interface Connection {
  readonly dialled: Line
  readonly accepted: Line
}

/** Listeners and lines of one test. */
export class SocketBench extends Bench {
  readonly #harness: ByteSocketHarness | MessageSocketHarness
  readonly #lines: Line[] = []
  readonly #listeners: TestListener[] = []
  /** Accepted by any listener of this test, in order. */
  readonly accepted: Line[] = []

  constructor(harness: ByteSocketHarness | MessageSocketHarness) {
    super(harness.settleMs ?? 10_000)
    this.#harness = harness
  }

  /** @param reading whether accepted sockets are read from the beginning @default true */
  async listen(reading = true): Promise<TestListener> {
    const harness = this.#harness
    const accept = (line: Line): void => {
      this.#lines.push(line)
      this.accepted.push(line)
      if (reading) line.start()
    }
    const listener = await (isBytes(harness)
      ? harness.listen((socket) => {
          accept(new ByteLine(socket))
        })
      : harness.listen((socket) => {
          accept(new MessageLine(socket))
        }))
    this.#listeners.push(listener)
    return listener
  }

  async listenSilently(): Promise<SilentListener> {
    const listener = await (this.#harness.listenSilently as () => Promise<SilentListener>)()
    this.#listeners.push(listener)
    return listener
  }

  /** Calls the factory's open; the line is cut at the end of the test. */
  open(
    listener: { readonly url: string; readonly addresses?: readonly string[] },
    signal: AbortSignal = new AbortController().signal
  ): Promise<Line> {
    const harness = this.#harness
    const addresses = listener.addresses === undefined ? {} : { addresses: listener.addresses }
    const remember = <T extends Line>(line: T): T => {
      this.#lines.push(line)
      return line
    }
    return isBytes(harness)
      ? harness.factory.open(listener.url, { signal, ...addresses }).then((socket: ByteSocket) => remember(new ByteLine(socket)))
      : harness.factory
          .open(listener.url, { signal, ...addresses, protocols: ['conformance'] })
          .then((socket: MessageSocket) => remember(new MessageLine(socket)))
  }

  /** Opens and waits until the other side has it, too. */
  async connect(options: { readonly acceptedReads?: boolean; readonly dialledReads?: boolean } = {}): Promise<Connection> {
    const listener = await this.listen(options.acceptedReads)
    const before = this.accepted.length
    const dialled = await this.settles(this.open(listener), 'open')
    if (options.dialledReads !== false) dialled.start()
    const accepted = await this.eventually('the connection to be accepted', () => this.accepted[before])
    return { dialled, accepted }
  }

  async receives(line: Line, expected: Buffer): Promise<void> {
    await this.eventually(`${expected.length} bytes to arrive`, () => line.receivedBytes >= expected.length)
    assert.ok(Buffer.compare(Buffer.concat(line.received), expected) === 0, 'what arrived differs from what was sent')
  }

  /** Sends piece by piece, waiting whenever there is no room. */
  async sendAll(line: Line, pieces: Iterable<Uint8Array>): Promise<void> {
    for (const piece of pieces) {
      const before = line.drainedCount
      if (!line.send(piece)) await this.eventually('room to send', () => line.drainedCount > before)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const line of this.#lines) line.cut()
    await Promise.allSettled(this.#listeners.map((listener) => within(listener.close(), this.settleMs, 'closing the listener')))
  }
}

function isBytes(harness: ByteSocketHarness | MessageSocketHarness): harness is ByteSocketHarness {
  return harness.factory.framing === 'bytes'
}

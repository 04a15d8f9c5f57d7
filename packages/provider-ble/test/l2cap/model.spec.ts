import type { Duplex } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect } from 'chai'
import fc from 'fast-check'
import { errorCode } from '@kithmesh/core'
import { manualClock } from '@kithmesh/testkit'
import type { ChannelLimits } from '../../dist/l2cap/channel-limits.js'
import { LinkAudit } from './audit.js'
import { memoryLink, never, PSM, type Side } from './links.js'
import { noise } from './traffic.js'

/** One end of a channel, and what was done to it. */
class End {
  readonly stream: Duplex
  readonly windowBytes: number
  /** Number of bytes written; they are the numbers from 0 on, so to say. */
  written = 0
  receivedBytes = 0
  wrongAt: number | undefined
  endSeen = false
  closes = 0
  /** Code of the failure that was reported. */
  failure: string | undefined
  /** What this side did: the first of them counts. */
  did: 'nothing' | 'ended' | 'destroyed' = 'nothing'
  readonly #expected: Buffer
  readonly #writes: Buffer

  constructor(stream: Duplex, [writes, expected]: readonly [Buffer, Buffer], limits: ChannelTerms) {
    this.stream = stream
    this.#writes = writes
    this.#expected = expected
    // Frames of an SDU that is not whole yet are replaced while its reader waits for it.
    this.windowBytes = limits.credits * limits.mps + limits.mtu
    stream.on('data', (chunk: Buffer) => {
      if (!chunk.equals(this.#expected.subarray(this.receivedBytes, this.receivedBytes + chunk.length))) this.wrongAt ??= this.receivedBytes
      this.receivedBytes += chunk.length
    })
    stream.on('end', () => {
      this.endSeen = true
    })
    stream.on('close', () => {
      this.closes++
    })
    stream.on('error', (error) => {
      this.failure = errorCode(error)
    })
  }

  write(length: number): void {
    if (this.stream.writableEnded || this.stream.destroyed) return
    const bytes = this.#writes.subarray(this.written, this.written + length)
    this.written += bytes.length
    this.stream.write(bytes)
  }

  end(): void {
    if (this.did === 'nothing' && !this.stream.writableEnded) this.did = 'ended'
    this.stream.end()
  }

  destroy(): void {
    if (!this.stream.closed) this.did = 'destroyed'
    this.stream.destroy()
  }
}

interface ChannelTerms {
  readonly mtu: number
  readonly mps: number
  readonly credits: number
}

type Step =
  | { readonly kind: 'open'; readonly side: 0 | 1 }
  | { readonly kind: 'write'; readonly end: number; readonly length: number }
  | { readonly kind: 'pause' | 'resume' | 'end' | 'destroy'; readonly end: number }
  | { readonly kind: 'deliver'; readonly side: 0 | 1; readonly frames: number }
  | { readonly kind: 'turn' }

const which = fc.nat(9)
const side = fc.constantFrom(0 as const, 1 as const)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('open' as const), side }) },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('write' as const), end: which, length: fc.oneof(fc.nat(40), fc.nat(3_000)) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom('pause' as const, 'resume' as const), end: which }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('end' as const, 'destroy' as const), end: which }) },
  { weight: 10, arbitrary: fc.record({ kind: fc.constant('deliver' as const), side, frames: fc.nat(12) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('turn' as const) }) }
)
const terms: fc.Arbitrary<ChannelTerms> = fc.record({
  mtu: fc.oneof(fc.integer({ min: 23, max: 60 }), fc.constantFrom(2_048, 65_535)),
  mps: fc.oneof(fc.integer({ min: 23, max: 60 }), fc.constantFrom(247)),
  credits: fc.oneof(fc.integer({ min: 1, max: 6 }), fc.constantFrom(64))
})

class Model {
  readonly sides: readonly [Side, Side]
  readonly ends: End[] = []
  readonly pairs: (readonly [End, End])[] = []
  readonly audit: LinkAudit
  readonly #terms: readonly [ChannelTerms, ChannelTerms]
  /** Opened by one side and not yet paired with what the other has accepted. */
  readonly #unpaired: [Duplex[], Duplex[]] = [[], []]
  readonly #opening: Promise<unknown>[] = []

  constructor(both: readonly [ChannelTerms, ChannelTerms], maxFrameBytes: number) {
    this.#terms = both
    const clock = manualClock()
    const limits = both.map((one): Partial<ChannelLimits> => ({ ...one, pendingOpens: 64, queuedFrames: 6 }))
    this.sides = memoryLink({ eager: false, maxFrameBytes, clock, limits: limits[0]!, theirLimits: limits[1]! })
    this.audit = new LinkAudit([this.sides[0].carrier, this.sides[1].carrier])
  }

  async play(one: Step): Promise<void> {
    if (one.kind === 'turn') await nextTurn()
    else if (one.kind === 'deliver') this.sides[one.side].carrier.deliver(one.frames)
    else if (one.kind === 'open') this.#open(one.side)
    else {
      const end = this.ends.length === 0 ? undefined : this.ends[one.end % this.ends.length]
      if (one.kind === 'write') end?.write(one.length)
      else if (one.kind === 'pause') end?.stream.pause()
      else if (one.kind === 'resume') end?.stream.resume()
      else if (one.kind === 'end') end?.end()
      else end?.destroy()
    }
    this.#pair()
  }

  #open(by: 0 | 1): void {
    this.#opening.push(
      this.sides[by].manager.open(PSM, { signal: never }).then(
        (stream) => this.#unpaired[by].push(stream),
        (error: unknown) => expect(errorCode(error)).to.be.oneOf(['ERR_BLE_LIMIT', 'ERR_BLE_LINK_LOST'])
      )
    )
  }

  /** Channels are confirmed in the order in which they were asked for. */
  #pair(): void {
    for (const by of [0, 1] as const) {
      const other = this.sides[by === 0 ? 1 : 0]
      for (let dialled = this.#unpaired[by].shift(); dialled !== undefined; dialled = this.#unpaired[by].shift()) {
        const accepted = other.accepted.shift()!
        const bytes = [noise(40_000, this.ends.length), noise(40_000, this.ends.length + 1)] as const
        const near = new End(dialled, bytes, this.#terms[by])
        const far = new End(accepted, [bytes[1], bytes[0]], this.#terms[by === 0 ? 1 : 0])
        this.ends.push(near, far)
        this.pairs.push([near, far])
      }
    }
  }

  /** What has been sent and not been read is bounded, whoever reads. */
  checkBounds(): void {
    for (const pair of this.pairs)
      for (const [sender, reader] of [pair, [pair[1], pair[0]] as const]) {
        const handedOver = sender.written - sender.stream.writableLength
        if (!sender.stream.destroyed) expect(handedOver - reader.receivedBytes).to.be.at.most(reader.windowBytes)
      }
  }

  /** Everything is read and delivered until nothing moves any more. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < 3; ) {
      this.#pair()
      for (const { stream } of this.ends) stream.resume()
      const moved = this.sides[0].carrier.deliver(1_000) + this.sides[1].carrier.deliver(1_000)
      quiet = moved > 0 ? 0 : quiet + 1
      await nextTurn()
    }
    await Promise.all(this.#opening)
  }
}

function check(model: Model): void {
  expect(model.audit.violations).to.deep.equal([])
  for (const { carrier } of model.sides) expect(carrier.failed).to.equal(undefined)
  for (const [near, far] of model.pairs)
    for (const [sender, reader] of [
      [near, far],
      [far, near]
    ] as const) {
      expect(reader.wrongAt).to.equal(undefined)
      expect(reader.receivedBytes).to.be.at.most(sender.written)
      const whole = (sender.did === 'nothing' && reader.did === 'nothing') || (sender.did === 'ended' && reader.did === 'nothing')
      if (whole) expect(reader.receivedBytes, 'bytes that arrived').to.equal(sender.written)
      const over = near.did !== 'nothing' || far.did !== 'nothing'
      expect(reader.stream.closed, 'the end').to.equal(over)
      if (sender.did === 'ended' && reader.did === 'nothing') expect(reader.endSeen).to.equal(true)
      expect(reader.stream.closed ? 1 : 0).to.equal(reader.closes)
      // A failure for nothing but a loss: only what the other side has ended can be one.
      expect(reader.failure).to.be.oneOf(sender.did === 'nothing' ? [undefined] : [undefined, 'ERR_BLE_CHANNEL_CLOSED'])
    }
}

describe('L2CAP channels on both sides of a link with any delay', () => {
  const maxFrameBytes = fc.constantFrom(18, 23, 100, 1_000)

  it('carry every byte in order, within the rules and bounds, and come to no standstill', () =>
    fc.assert(
      fc.asyncProperty(terms, terms, maxFrameBytes, fc.array(step, { maxLength: 120, size: 'max' }), async (ours, theirs, frame, steps) => {
        const model = new Model([ours, theirs], frame)
        for (const by of [0, 1] as const) await model.play({ kind: 'open', side: by })
        for (const one of steps) {
          await model.play(one)
          model.checkBounds()
        }
        await model.settle()
        check(model)
        const open = model.pairs.filter((pair) => pair.every(({ did }) => did === 'nothing')).length
        expect(model.sides.map(({ manager }) => manager.count)).to.deep.equal([open, open])
      }),
      { numRuns: 250 }
    ))

  it('fail on both sides, and each of them once, when the link is lost at any moment', () =>
    fc.assert(
      fc.asyncProperty(terms, fc.array(step, { maxLength: 60, size: 'max' }), async (both, steps) => {
        const model = new Model([both, both], 100)
        await model.play({ kind: 'open', side: 0 })
        for (const one of steps) await model.play(one)
        for (const { carrier, manager } of model.sides) {
          carrier.closed = true
          carrier.queue.length = 0
          manager.closed(new Error('out of range'))
        }
        for (const { stream } of model.ends) stream.resume()
        for (let turn = 0; turn < 5; turn++) await nextTurn()
        for (const end of model.ends) {
          expect(end.stream.closed).to.equal(true)
          expect(end.closes).to.equal(1)
          expect(end.wrongAt).to.equal(undefined)
          expect(end.failure).to.be.oneOf([undefined, 'ERR_BLE_LINK_LOST', 'ERR_BLE_CHANNEL_CLOSED'])
        }
      }),
      { numRuns: 100 }
    ))
})

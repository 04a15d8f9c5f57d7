// L2CAP channels of one side of a link, with anything at all on the other: commands and frames, good, changed and made up, between what a
// program does to its channels meanwhile. Nothing is thrown, everything stays within its bounds, and nothing is left behind.
import assert from 'node:assert/strict'
import { ChannelManager } from '../../../packages/provider-ble/dist/l2cap/channel-manager.js'
import { encodeSignal } from '../../../packages/provider-ble/dist/l2cap/signal-codec.js'

const LIMITS = { mtu: 100, mps: 40, credits: 4, channels: 8, pendingOpens: 4, openMs: 50, disconnectMs: 50, lingerMs: 100, queuedFrames: 4 }
/** What waits to be read on a channel: its window, one SDU being joined, and one that the stream holds. */
const MAX_UNREAD = LIMITS.credits * LIMITS.mps + 2 * LIMITS.mtu

class Timers {
  #now = 0
  #timers = new Set()

  get pending() {
    return this.#timers.size
  }

  now = () => this.#now
  monotonic = () => this.#now
  after = (ms, run) => {
    const timer = { at: this.#now + ms, run }
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  advance(ms) {
    this.#now += ms
    for (const timer of [...this.#timers]) if (timer.at <= this.#now && this.#timers.delete(timer)) timer.run()
  }
}

const silent = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent }
const turn = () => new Promise((resolve) => setImmediate(resolve))

function signal(choices) {
  const cid = () => choices.pick([0x40, 0x41, 0x42, 0x43, 0x47, 0x50, 0x51, 0x7f, 0x3f, 0, 0xffff])
  const size = () => choices.pick([23, 22, 40, 100, 2048, 65_535, 0])
  const credits = () => choices.pick([0, 1, 2, 64, 65_535])
  switch (choices.below(7)) {
    case 0:
      return { kind: 'connectionRequest', psm: choices.pick([0x80, 0x81]), scid: cid(), mtu: size(), mps: size(), credits: credits() }
    case 1:
      return {
        kind: 'connectionResponse',
        dcid: cid(),
        mtu: size(),
        mps: size(),
        credits: credits(),
        result: choices.pick([0, 0, 0, 2, 4])
      }
    case 2:
      return { kind: 'credit', cid: cid(), credits: credits() }
    case 3:
      return { kind: 'disconnectionRequest', dcid: cid(), scid: cid() }
    case 4:
      return { kind: 'disconnectionResponse', dcid: cid(), scid: cid() }
    case 5:
      return { kind: 'reject', reason: choices.below(3) }
    default:
      return { kind: 'reject', reason: 2, cids: [cid(), cid()] }
  }
}

function frame(choices) {
  const length = choices.below(45)
  const payload = choices.bytes(length)
  if (length >= 2 && !choices.oneIn(4)) payload.writeUInt16LE(choices.pick([length - 2, length, 100, 101, 0]))
  return payload
}

class Program {
  clock = new Timers()
  channels = []
  closes = 0
  failed = undefined
  carrier = {
    maxFrameBytes: 60,
    queuedFrames: 0,
    onDrained: undefined,
    send: (_cid, parts) => {
      if (this.failed !== undefined) return
      assert(parts.reduce((sum, { length }) => sum + length, 0) <= 60, 'a frame that the carrier does not take')
      this.carrier.queuedFrames++
      assert(this.carrier.queuedFrames < 400, 'a queue without bound')
    },
    fail: (error) => {
      this.failed = error
      this.manager.closed(error)
    }
  }
  manager = new ChannelManager({
    carrier: this.carrier,
    clock: this.clock,
    logger: silent,
    accept: (psm) => (psm === 0x80 ? (channel) => this.add(channel) : undefined),
    limits: LIMITS
  })

  add(channel) {
    const seen = { channel, closes: 0 }
    this.channels.push(seen)
    channel.on('close', () => seen.closes++)
    channel.on('error', () => {})
  }

  act(choices) {
    const { channel } = this.channels.length === 0 ? {} : choices.pick(this.channels)
    const abort = new AbortController()
    switch (choices.below(8)) {
      case 0:
        this.manager.open(0x80, abort).then(
          (opened) => this.add(opened),
          (error) => assert(error.name === 'AbortError' || error.code.startsWith('ERR_BLE_'), error)
        )
        if (choices.oneIn(3)) abort.abort()
        break
      case 1:
        if (channel?.writable) channel.write(choices.bytes(choices.below(200)))
        break
      case 2:
        channel?.resume()
        break
      case 3:
        channel?.pause()
        break
      case 4:
        channel?.end()
        break
      case 5:
        channel?.destroy()
        break
      case 6:
        this.clock.advance(choices.below(100))
        break
      default:
        this.carrier.queuedFrames = 0
        this.carrier.onDrained?.()
    }
  }
}

export const l2cap = {
  name: 'l2cap',
  async run(choices) {
    const program = new Program()
    const { manager } = program
    for (let step = 0; step < 200 && !choices.over; step++) {
      const what = choices.below(8)
      if (what === 0) manager.receive(choices.pick([5, 5, 0x40, 0x41, 0x90]), choices.bytes(choices.below(30)))
      else if (what < 4) manager.receive(5, encodeSignal({ identifier: choices.below(8), signal: signal(choices) }))
      else if (what < 6) manager.receive(choices.pick([0x40, 0x41, 0x42, 0x43]), frame(choices))
      else program.act(choices)
      if (choices.oneIn(4)) await turn()
      assert(manager.count <= LIMITS.channels, 'more channels than there may be')
      for (const { channel } of program.channels) assert(channel.readableLength <= MAX_UNREAD, 'more waits to be read than there may')
    }
    manager.closed(new Error('over'))
    for (const { channel } of program.channels) {
      channel.resume()
      channel.end()
    }
    for (let turns = 0; turns < 4; turns++) await turn()
    assert.equal(manager.count, 0)
    assert.equal(program.clock.pending, 0, 'timers that nobody cancelled')
    assert(
      program.channels.every(({ closes }) => closes === 1),
      'a channel whose end was not told once'
    )
  }
}

import type { Duplex } from 'node:stream'
import type { Clock } from '@kithmesh/core'
import { manualClock } from '@kithmesh/testkit'
import type { ManualClock } from '@kithmesh/testkit'
import type { ChannelLimits } from '../../dist/l2cap/channel-limits.js'
import { MemoryCarrier } from './carriers.js'
import { makeSide, type Side } from './links.js'

/** The other side of a link, played by hand: bytes in hexadecimal each way. Little-endian words are written as such. */
export class Peer {
  readonly side: Side
  readonly clock: ManualClock
  readonly #carrier: MemoryCarrier

  constructor(limits: Partial<ChannelLimits> = {}) {
    this.clock = manualClock()
    this.#carrier = new MemoryCarrier(1000, false)
    this.side = makeSide(this.#carrier, limits, this.clock as Clock)
  }

  get accepted(): readonly Duplex[] {
    return this.side.accepted
  }

  /** What was sent to us since the last call: `cid:payload`. */
  heard(): string[] {
    const frames = this.#carrier.queue.splice(0)
    this.#carrier.onDrained?.()
    return frames.map(({ cid, payload }) => `${cid.toString(16)}:${payload.toString('hex')}`)
  }

  says(cid: number, hex: string): boolean {
    return this.side.manager.receive(cid, Buffer.from(hex.replaceAll(' ', ''), 'hex'))
  }

  /** A command. */
  signals(hex: string): boolean {
    return this.says(5, hex)
  }

  /** Opens a channel with a CID of ours. @returns ours, and the other side's end */
  opens(scid: number, terms: { mtu?: number; mps?: number; credits?: number } = {}): { readonly cid: number; readonly channel: Duplex } {
    const { mtu = 2048, mps = 247, credits = 64 } = terms
    this.heard()
    this.signals(`14 01 0a00 8000 ${le(scid)} ${le(mtu)} ${le(mps)} ${le(credits)}`)
    const [answer] = this.heard()
    const bytes = Buffer.from(answer!.slice(2), 'hex')
    if (bytes[0] !== 0x15 || bytes.readUInt16LE(12) !== 0) throw new Error(`refused: ${answer}`)
    return { cid: bytes.readUInt16LE(4), channel: this.accepted.at(-1)! }
  }
}

/** A word of 16 bits as it is on the air. */
export function le(value: number): string {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16LE(value)
  return bytes.toString('hex')
}

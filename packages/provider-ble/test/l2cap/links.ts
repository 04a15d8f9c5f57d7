import { setMaxListeners } from 'node:events'
import type { Duplex } from 'node:stream'
import type { Clock } from '@kithmesh/core'
import { realClock, recordingLogger } from '@kithmesh/testkit'
import type { ChannelLimits } from '../../dist/l2cap/channel-limits.js'
import { ChannelManager } from '../../dist/l2cap/channel-manager.js'
import { carrierPair, type MemoryCarrier } from './carriers.js'

export const PSM = 0x80

export interface Side {
  readonly manager: ChannelManager
  readonly carrier: MemoryCarrier
  readonly accepted: Duplex[]
}

export interface LinkOptions {
  readonly eager?: boolean
  readonly maxFrameBytes?: number
  readonly clock?: Clock
  readonly limits?: Partial<ChannelLimits>
  readonly theirLimits?: Partial<ChannelLimits>
}

/** Two sides joined by a link in memory; both accept channels to {@link PSM}. */
export function memoryLink(options: LinkOptions = {}): [Side, Side] {
  const [left, right] = carrierPair(options)
  return [makeSide(left, options.limits, options.clock), makeSide(right, options.theirLimits ?? options.limits, options.clock)]
}

export function makeSide(carrier: MemoryCarrier, limits: Partial<ChannelLimits> = {}, clock: Clock = realClock): Side {
  const accepted: Duplex[] = []
  const manager = new ChannelManager({
    carrier,
    clock,
    logger: recordingLogger(),
    accept: (psm) => (psm === PSM ? (channel) => accepted.push(channel) : undefined),
    limits
  })
  carrier.receive = (cid, payload) => manager.receive(cid, payload)
  carrier.onFail = (error) => {
    loseLink(carrier, error)
    manager.closed(error)
  }
  return { manager, carrier, accepted }
}

function loseLink(carrier: MemoryCarrier, _error: Error): void {
  carrier.closed = true
  carrier.queue.length = 0
}

/** The link breaks, for both sides. */
export function cut(sides: readonly Side[], error = new Error('out of range')): void {
  for (const { carrier } of sides) loseLink(carrier, error)
  for (const { manager } of sides) manager.closed(error)
}

export const never: AbortSignal = new AbortController().signal
setMaxListeners(0, never)

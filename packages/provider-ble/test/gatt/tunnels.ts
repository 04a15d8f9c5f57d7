import type { Duplex } from 'node:stream'
import { realClock, recordingLogger } from '@kithmesh/testkit'
import { GattTunnel, type TunnelLine } from '../../dist/gatt/tunnel.js'
import type { ChannelLimits } from '../../dist/l2cap/channel-limits.js'

/** A line in memory that, as the libraries do, cuts values that are too long without a word; it takes `depth` at a time. */
class MemoryLine implements TunnelLine {
  maxBytes: number
  readonly #depth: number
  tunnel!: GattTunnel
  other!: MemoryLine
  failed: Error | undefined
  readonly sent: Buffer[] = []
  #waiting: Buffer[] = []
  mostWaiting = 0
  broken = false

  constructor(maxBytes: number, depth: number) {
    this.maxBytes = maxBytes
    this.#depth = depth
  }

  send(value: Buffer): boolean {
    this.#waiting.push(value.subarray(0, Math.min(this.maxBytes, 512)))
    this.mostWaiting = Math.max(this.mostWaiting, this.#waiting.length)
    if (this.#waiting.length === 1) setImmediate(() => this.#pass())
    return this.#waiting.length < this.#depth
  }

  #pass(): void {
    const values = this.#waiting
    this.#waiting = []
    if (this.broken) return
    for (const value of values) this.other.tunnel.receive(value)
    this.tunnel.ready()
  }

  fail(error: Error): void {
    this.failed = error
  }
}

export interface TunnelSide {
  readonly tunnel: GattTunnel
  readonly line: MemoryLine
}

export function tunnelPair(
  options: {
    readonly maxBytes?: number
    readonly depth?: number
    readonly limits?: Partial<ChannelLimits>
    readonly accept?: (stream: Duplex) => void
  } = {}
): { readonly central: TunnelSide; readonly publisher: TunnelSide } {
  const { maxBytes = 244, depth = 4, limits = {}, accept } = options
  const make = (onStream?: (stream: Duplex) => void): TunnelSide => {
    const line = new MemoryLine(maxBytes, depth)
    const tunnel = new GattTunnel({
      line,
      clock: realClock,
      logger: recordingLogger(),
      limits,
      ...(onStream === undefined ? {} : { onStream })
    })
    line.tunnel = tunnel
    return { tunnel, line }
  }
  const central = make()
  const publisher = make(accept)
  central.line.other = publisher.line
  publisher.line.other = central.line
  return { central, publisher }
}

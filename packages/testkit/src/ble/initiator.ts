import { Status } from './codes.ts'
import type { Controller } from './controller.ts'
import { readAddress, sameAddress } from './device-address.ts'
import type { AirAddress, WireAddress } from './device-address.ts'
import { connectionComplete } from './events.ts'
import type { LinkParameters } from './events.ts'

const NO_PARAMETERS: LinkParameters = { interval: 0, latency: 0, timeout: 0 }

/** A connection that a host wants. */
export interface ConnectionRequest {
  readonly own: WireAddress
  /** Undefined: whoever is on the filter accept list. */
  readonly peer: WireAddress | undefined
  readonly parameters: LinkParameters
}

/** Reads interval range, latency and timeout as they stand in LE Create Connection and LE Connection Update, and takes the longest interval. */
export function readLinkParameters(parameters: Buffer, offset: number): LinkParameters | undefined {
  const [least, most, latency, timeout] = [0, 2, 4, 6].map((at) => parameters.readUInt16LE(offset + at)) as [number, number, number, number]
  if (least < 6 || most > 3200 || least > most || latency > 499 || timeout < 10 || timeout > 3200) return undefined
  // The timeout must be longer than the time in which the peripheral has to be heard twice.
  if (timeout * 10 <= (1 + latency) * most * 1.25 * 2) return undefined
  return { interval: most, latency, timeout }
}

/** Making connections: one at a time. */
export class Initiator {
  #request: ConnectionRequest | undefined
  readonly #controller: Controller

  constructor(controller: Controller) {
    this.#controller = controller
  }

  get pending(): boolean {
    return this.#request !== undefined
  }

  /** LE Create Connection. */
  create(parameters: Buffer): number | (() => void) {
    const controller = this.#controller
    if (this.pending) return Status.disallowed
    const [interval, window, policy, ownType] = [
      parameters.readUInt16LE(0),
      parameters.readUInt16LE(2),
      parameters[4],
      parameters[12] as number
    ]
    const link = readLinkParameters(parameters, 13)
    const own = controller.ownAddress(ownType)
    if (link === undefined || own === undefined || interval < 4 || interval > 0x4000 || window < 4 || window > interval)
      return Status.invalidParameters
    if (policy !== 0 && policy !== 1) return Status.invalidParameters
    if (controller.linkEnds.size >= controller.maxLinks) return Status.connectionLimit
    const peer = policy === 0 ? readAddress(parameters, 5) : undefined
    return () => {
      this.#request = { own, peer, parameters: link }
      if (peer !== undefined && controller.linkBetween(own, peer) !== undefined) this.failed(Status.connectionExists, peer)
    }
  }

  /** LE Create Connection Cancel. */
  cancel(): number | (() => void) {
    if (!this.pending) return Status.disallowed
    return () => {
      this.failed(Status.unknownConnection, undefined)
    }
  }

  /** Whether it would connect to a device that advertises itself. */
  wants(address: AirAddress): boolean {
    const request = this.#request
    if (request === undefined) return false
    return request.peer === undefined ? this.#controller.accepts(address) : sameAddress(request.peer, address)
  }

  /** Hands out the request, which is settled then. */
  take(): ConnectionRequest | undefined {
    const request = this.#request
    this.#request = undefined
    return request
  }

  failed(status: number, peer: WireAddress | undefined): void {
    this.#request = undefined
    this.#controller.outbox?.event(connectionComplete(status, 0, 0, peer, NO_PARAMETERS))
  }

  reset(): void {
    this.#request = undefined
  }
}

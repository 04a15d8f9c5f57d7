import { DataLength, H4, Status } from './codes.ts'
import type { Controller } from './controller.ts'
import type { WireAddress } from './device-address.ts'
import { connectionUpdate, disconnectionComplete } from './events.ts'
import type { LinkParameters } from './events.ts'
import type { Medium } from './medium.ts'

/** A data packet on its way, and when it arrives. */
interface InFlight {
  readonly packet: Uint8Array
  readonly arrivesAt: number
}

/** One end of a link: what its controller knows, and the direction from it to the other. */
export class LinkEnd {
  readonly link: Link
  readonly controller: Controller
  readonly handle: number
  readonly role: 'central' | 'peripheral'
  readonly own: WireAddress
  readonly peer: WireAddress
  /** Octets of data in a data PDU it sends. */
  dataOctets: number = DataLength.least
  phy = 1
  encrypted = false
  /** The key that this end, the central, wants to encrypt with, until the other has answered. */
  offeredKey: Buffer | undefined
  /** The controller has forgotten the link, as after Reset, and its peer has not noticed. */
  gone = false
  /** What the peer is to be told, while the host waits for the end it asked for. */
  terminating: number | undefined
  readonly #queue: InFlight[] = []
  #freeAt = 0
  #cancel: (() => void) | undefined

  constructor(link: Link, controller: Controller, handle: number, role: 'central' | 'peripheral', own: WireAddress, peer: WireAddress) {
    this.link = link
    this.controller = controller
    this.handle = handle
    this.role = role
    this.own = own
    this.peer = peer
  }

  get other(): LinkEnd {
    return this.link.central === this ? this.link.peripheral : this.link.central
  }

  /** Takes an ACL packet of the host. */
  send(packet: Uint8Array): void {
    const { medium } = this.link
    if (this.#queue.length === 0 && !medium.paced && this.link.reachable && this.other.controller.ready) {
      this.#deliver(packet)
      return
    }
    this.#queue.push({ packet, arrivesAt: this.#arrival(packet.length - 5) })
    this.pump()
  }

  /** Delivers what has arrived, as long as the other end takes it. */
  pump(): void {
    this.#cancel?.()
    this.#cancel = undefined
    while (this.link.reachable && this.other.controller.ready) {
      const first = this.#queue[0]
      if (first === undefined) return
      const wait = first.arrivesAt - this.link.medium.clock.monotonic()
      if (wait > 0) {
        this.#cancel = this.link.medium.clock.after(wait, () => {
          this.pump()
        })
        return
      }
      this.#queue.shift()
      this.#deliver(first.packet)
      if (this.link.closed) return
    }
  }

  stop(): void {
    this.#cancel?.()
    this.#cancel = undefined
    this.#queue.length = 0
  }

  /** When a packet has crossed, given what is before it, the rate, what is lost, and the connection events. */
  #arrival(octets: number): number {
    const { medium } = this.link
    const now = medium.clock.monotonic()
    let at = Math.max(now, this.#freeAt)
    if (medium.bytesPerSecond !== undefined) at += (octets * 1000) / medium.bytesPerSecond
    let lost = 0
    while (medium.propagation.loses(medium.propagation.dataLoss)) {
      lost += this.link.intervalMs
      if (lost >= this.link.timeoutMs) {
        this.link.starve()
        break
      }
    }
    at += lost
    this.#freeAt = at
    if (!medium.connectionEvents) return at
    return this.link.anchor + Math.ceil((at - this.link.anchor) / this.link.intervalMs) * this.link.intervalMs
  }

  #deliver(packet: Uint8Array): void {
    const { other } = this
    const { fragments } = other.controller
    const pieces = fragments === 'data-pdus' ? this.dataOctets : fragments
    const start = ((packet[2] as number) & 0x30) !== 0x10
    const octets = packet.length - 5
    if (pieces === 'as-sent' || octets <= pieces) other.controller.outbox?.push(aclPacket(other.handle, start, packet, 5, octets))
    else {
      for (let offset = 0; offset < octets; ) {
        const length = Math.min(pieces, octets - offset)
        other.controller.outbox?.push(aclPacket(other.handle, start && offset === 0, packet, 5 + offset, length))
        offset += length
      }
    }
    this.controller.outbox?.completed(this.handle)
  }
}

/** An ACL packet as a controller gives it to its host: the first of an L2CAP frame has PB 10, the following 01 (vol. 4, part E, §5.4.2). */
function aclPacket(handle: number, start: boolean, from: Uint8Array, offset: number, length: number): Buffer {
  const packet = Buffer.allocUnsafe(5 + length)
  if (from.length === packet.length) packet.set(from)
  else packet.set(from.subarray(offset, offset + length), 5)
  packet[0] = H4.acl
  packet[1] = handle & 0xff
  packet[2] = (handle >> 8) | (start ? 0x20 : 0x10)
  packet[3] = length & 0xff
  packet[4] = length >> 8
  return packet
}

/** A connection between two controllers. */
export class Link {
  readonly medium: Medium
  readonly central: LinkEnd
  readonly peripheral: LinkEnd
  closed = false
  /** When its first connection event was, in the clock's milliseconds. */
  readonly anchor: number
  parameters: LinkParameters
  #cancelSupervision: (() => void) | undefined
  #cancelTermination: (() => void) | undefined
  #starved = false

  constructor(
    medium: Medium,
    ends: { readonly central: Controller; readonly peripheral: Controller; readonly from: WireAddress; readonly to: WireAddress },
    parameters: LinkParameters
  ) {
    this.medium = medium
    this.parameters = parameters
    this.anchor = medium.clock.monotonic()
    this.central = new LinkEnd(this, ends.central, ends.central.nextHandle(), 'central', ends.from, ends.to)
    this.peripheral = new LinkEnd(this, ends.peripheral, ends.peripheral.nextHandle(), 'peripheral', ends.to, ends.from)
    for (const end of [this.central, this.peripheral]) {
      end.dataOctets = end.controller.suggestedOctets
      end.controller.linkEnds.set(end.handle, end)
    }
  }

  get intervalMs(): number {
    return this.parameters.interval * 1.25
  }

  get timeoutMs(): number {
    return this.parameters.timeout * 10
  }

  /** Whether packets cross now. */
  get reachable(): boolean {
    return this.#cancelSupervision === undefined && !this.closed
  }

  /** Looks again whether the ends hear each other: starts or stops the supervision timers. */
  check(): void {
    if (this.closed) return
    const { central, peripheral } = this
    const heard =
      !this.#starved &&
      !central.gone &&
      !peripheral.gone &&
      this.medium.propagation.rssi(central.controller, peripheral.controller) !== undefined
    if (heard && this.#cancelSupervision !== undefined) {
      this.#cancelSupervision()
      this.#cancelSupervision = undefined
      const ending = [central, peripheral].find((end) => end.terminating !== undefined)
      if (ending !== undefined) this.#finish(ending)
      central.pump()
      peripheral.pump()
    } else if (!heard && this.#cancelSupervision === undefined) {
      this.#cancelSupervision = this.medium.clock.after(this.timeoutMs, () => {
        this.#close((end) => (end.terminating === undefined ? Status.supervisionTimeout : Status.localTerminated))
      })
    }
  }

  /** Everything is lost from now on. */
  starve(): void {
    this.#starved = true
    this.check()
  }

  /** A host ends the link. When the other side does not hear it, both ends notice at the supervision timeout. */
  terminate(end: LinkEnd, reason: number): void {
    end.terminating = reason
    if (!this.reachable) return
    if (!this.medium.connectionEvents) this.#finish(end)
    else
      this.#cancelTermination ??= this.medium.clock.after(this.intervalMs, () => {
        if (this.reachable) this.#finish(end)
      })
  }

  /** Ends it at both ends for a reason that is the same for both. */
  fail(reason: number): void {
    this.#close(() => reason)
  }

  /** A controller lost all it knew. */
  drop(end: LinkEnd): void {
    end.gone = true
    end.controller.linkEnds.delete(end.handle)
    end.stop()
    if (end.other.gone) this.#close(() => Status.supervisionTimeout)
    else this.check()
  }

  update(parameters: LinkParameters): void {
    this.parameters = parameters
    for (const end of [this.central, this.peripheral])
      if (!end.gone) end.controller.outbox?.event(connectionUpdate(Status.success, end.handle, parameters))
  }

  #finish(ending: LinkEnd): void {
    const reason = ending.terminating as number
    this.#close((end) => (end === ending ? Status.localTerminated : reason))
  }

  #close(reasonOf: (end: LinkEnd) => number): void {
    if (this.closed) return
    this.closed = true
    this.#cancelSupervision?.()
    this.#cancelSupervision = undefined
    this.#cancelTermination?.()
    this.medium.links.delete(this)
    for (const end of [this.central, this.peripheral]) {
      end.stop()
      if (end.gone) continue
      end.controller.linkEnds.delete(end.handle)
      end.controller.outbox?.ended(end.handle, disconnectionComplete(end.handle, reasonOf(end)))
    }
  }
}

import type { HciPortHandlers } from '@kithmesh/provider-ble'
import { Event, H4 } from './codes.ts'
import { completedPackets } from './events.ts'

/** Bits of the event mask that a controller starts with: everything but LE Meta (Core Specification, vol. 4, part E, §7.3.1). */
const FIRST_EVENT_MASK = 0x00001fffffffffffn
/** Of the LE event mask: the first five (§7.8.1). */
const FIRST_LE_EVENT_MASK = 0x1fn

/** What a controller has to tell its host: gathered in one turn of the event loop and handed over, in order, in the next. */
export class Outbox {
  eventMask = FIRST_EVENT_MASK
  leEventMask = FIRST_LE_EVENT_MASK
  /** Commands whose answer the host has not got. */
  unanswered = 0
  /** ACL packets of the host whose buffers it may not take for free yet. */
  held = 0
  #packets: Buffer[] = []
  readonly #after = new Map<Buffer, () => void>()
  readonly #completed = new Map<number, number>()
  readonly #heldOf = new Map<number, number>()
  #closed = false
  #scheduled = false
  readonly #schedule: (outbox: Outbox) => void
  readonly #handlers: HciPortHandlers

  constructor(handlers: HciPortHandlers, schedule: (outbox: Outbox) => void) {
    this.#handlers = handlers
    this.#schedule = schedule
  }

  /** Puts a packet at the end. @param after runs when the host has it */
  push(packet: Buffer, after?: () => void): void {
    this.#packets.push(packet)
    if (after !== undefined) this.#after.set(packet, after)
    this.#wake()
  }

  /** Puts an event at the end unless the host's masks keep it away. Completed commands and packets are never masked. */
  event(packet: Buffer, after?: () => void): void {
    const code = packet[1] as number
    const bit = 1n << BigInt(code - 1)
    const shown =
      code === Event.leMeta
        ? (this.eventMask & bit) !== 0n && (this.leEventMask & (1n << BigInt((packet[3] as number) - 1))) !== 0n
        : (this.eventMask & bit) !== 0n
    if (shown) this.push(packet, after)
    else after?.()
  }

  /** A buffer is taken by an ACL packet of the host. */
  hold(handle: number): void {
    this.held++
    this.#heldOf.set(handle, (this.#heldOf.get(handle) ?? 0) + 1)
  }

  /** An ACL packet of a link has left the controller: its buffer will be said to be free. */
  completed(handle: number): void {
    this.#completed.set(handle, (this.#completed.get(handle) ?? 0) + 1)
    this.#wake()
  }

  /** The link ended: nothing more is said about its buffers, which are free once the host has `farewell`. */
  ended(handle: number, farewell: Buffer): void {
    this.#completed.delete(handle)
    this.event(farewell, () => {
      this.held -= this.#heldOf.get(handle) ?? 0
      this.#heldOf.delete(handle)
    })
  }

  /** Drops what was not handed over and starts anew, as after Reset. */
  reset(): void {
    this.#packets = []
    this.#after.clear()
    this.#completed.clear()
    this.#heldOf.clear()
    this.held = 0
    this.unanswered = 0
    this.eventMask = FIRST_EVENT_MASK
    this.leEventMask = FIRST_LE_EVENT_MASK
  }

  /** Nothing reaches the host any more. */
  close(): void {
    this.reset()
    this.#closed = true
  }

  /** Hands everything over that was gathered so far. @throws what the host threw first, at the end */
  flush(): void {
    this.#scheduled = false
    const packets = this.#packets
    this.#packets = []
    if (this.#completed.size > 0) {
      for (const [handle, count] of this.#completed) {
        this.held -= count
        this.#heldOf.set(handle, (this.#heldOf.get(handle) ?? count) - count)
      }
      packets.push(completedPackets(this.#completed))
      this.#completed.clear()
    }
    let failure: { readonly error: unknown } | undefined
    for (const packet of packets) {
      if (this.#closed) break
      const code = packet[1]
      if (packet[0] === H4.event && (code === Event.commandComplete || code === Event.commandStatus)) this.unanswered--
      if (this.#after.size > 0) {
        const after = this.#after.get(packet)
        this.#after.delete(packet)
        after?.()
      }
      try {
        this.#handlers.packet(packet)
      } catch (error) {
        failure ??= { error }
      }
    }
    if (failure !== undefined) throw failure.error
  }

  #wake(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    this.#schedule(this)
  }
}

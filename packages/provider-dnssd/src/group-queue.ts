import type { Clock } from '@kithmesh/core'
import { packGroups } from './packets.ts'
import type { PacketGroup } from './packets.ts'
import type { Link } from './sockets.ts'

/** Groups that fall due this close together share packets. */
const gatherMs = 5

interface Entry {
  readonly due: number
  /** Made when it is sent, so that what is sent is true then; undefined when there is nothing left to say. */
  readonly make: () => PacketGroup | undefined
  readonly sent: (() => void) | undefined
}

/** Collects what is to be multicast on one link and sends it in as few packets as it fits. */
export class GroupQueue {
  readonly #link: Link
  readonly #clock: Clock
  readonly #response: boolean
  #entries: Entry[] = []
  #timer: { readonly at: number; readonly cancel: () => void } | undefined
  #closed = false

  constructor(link: Link, clock: Clock, response: boolean) {
    this.#link = link
    this.#clock = clock
    this.#response = response
  }

  /** @param sent called once the packet has been handed to the link, or the link has gone */
  add(delay: number, make: () => PacketGroup | undefined, sent?: () => void): void {
    if (this.#closed) {
      sent?.()
      return
    }
    const due = this.#clock.monotonic() + delay
    this.#entries.push({ due, make, sent })
    this.#arm(due)
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
    const entries = this.#entries
    this.#entries = []
    for (const entry of entries) entry.sent?.()
  }

  #arm(at: number): void {
    if (this.#timer !== undefined && this.#timer.at <= at) return
    this.#timer?.cancel()
    this.#timer = {
      at,
      cancel: this.#clock.after(Math.max(0, at - this.#clock.monotonic()), () => {
        this.#flush()
      })
    }
  }

  #flush(): void {
    this.#timer = undefined
    const until = this.#clock.monotonic() + gatherMs
    const due = this.#entries.filter((entry) => entry.due <= until)
    this.#entries = this.#entries.filter((entry) => entry.due > until)
    const groups = due.flatMap((entry) => entry.make() ?? [])
    for (const packet of packGroups(groups, { response: this.#response })) this.#link.send(packet)
    for (const entry of due) entry.sent?.()
    if (this.#entries.length > 0) this.#arm(this.#entries.reduce((first, entry) => Math.min(first, entry.due), Infinity))
  }
}

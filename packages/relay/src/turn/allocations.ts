import type { Clock } from '@kithmesh/core'
import type { StunAttributes } from '@kithmesh/stun'
import type { ClientPath } from './contracts.ts'
import type { Permissions } from './permissions.ts'
import type { TcpRelay } from './tcp-relay.ts'
import type { UdpRelay } from './udp-relay.ts'

/** A relayed address that a client has for a while (RFC 8656 §3.2). */
export interface Allocation {
  readonly username: string
  readonly path: ClientPath
  readonly family: 4 | 6
  readonly relay: UdpRelay | TcpRelay
  readonly permissions: Permissions
  /** Of the request that made it, hexadecimal, and what it was answered: it may be asked again when the answer was lost. */
  readonly transactionId: string
  readonly answer: StunAttributes
  /** Monotonic milliseconds. */
  expiresAt: number
}

export interface AllocationQuotas {
  readonly allocations: number
  readonly allocationsPerUser: number
}

/** All allocations of a server, those that are being made included. */
export class Allocations {
  readonly #quotas: AllocationQuotas
  readonly #clock: Pick<Clock, 'monotonic'>
  readonly #made = new Map<string, Allocation>()
  /** Who is being given one, by path. */
  readonly #pending = new Map<string, string>()

  constructor(quotas: AllocationQuotas, clock: Pick<Clock, 'monotonic'>) {
    this.#quotas = quotas
    this.#clock = clock
  }

  get size(): number {
    return this.#made.size
  }

  get all(): Iterable<Allocation> {
    return this.#made.values()
  }

  /** The one of a 5-tuple, unless it has expired. */
  of({ key }: ClientPath): Allocation | undefined {
    const allocation = this.#made.get(key)
    return allocation !== undefined && allocation.expiresAt > this.#clock.monotonic() ? allocation : undefined
  }

  isPending({ key }: ClientPath): boolean {
    return this.#pending.has(key)
  }

  /** Reserves a place: 486 when the user has all, 508 when the server has none left. */
  reserve({ key }: ClientPath, username: string): 'reserved' | 486 | 508 {
    this.sweep()
    let all = 0
    let own = 0
    for (const owner of [...[...this.#made.values()].map((each) => each.username), ...this.#pending.values()]) {
      all++
      if (owner === username) own++
    }
    if (own >= this.#quotas.allocationsPerUser) return 486
    if (all >= this.#quotas.allocations) return 508
    this.#pending.set(key, username)
    return 'reserved'
  }

  /** Ends a reservation, with what came of it. False when it was taken back meanwhile; the allocation is closed then. */
  settle({ key }: ClientPath, allocation: Allocation | undefined): boolean {
    const wanted = this.#pending.delete(key)
    if (allocation === undefined) return wanted
    if (wanted) this.#made.set(key, allocation)
    else allocation.relay.close()
    return wanted
  }

  /** Ends what a path has. */
  end({ key }: ClientPath): void {
    this.#pending.delete(key)
    this.#made.get(key)?.relay.close()
    this.#made.delete(key)
  }

  /** Ends those of users, or all. */
  endOf(isGone: (username: string) => boolean): void {
    for (const [key, username] of this.#pending) if (isGone(username)) this.#pending.delete(key)
    for (const { username, path } of [...this.#made.values()]) if (isGone(username)) this.end(path)
  }

  uses(username: string): boolean {
    return [...this.#made.values()].some((each) => each.username === username)
  }

  /** Ends what has expired. */
  sweep(): void {
    const now = this.#clock.monotonic()
    for (const { path, expiresAt, permissions, relay } of [...this.#made.values()]) {
      if (expiresAt <= now) this.end(path)
      else {
        permissions.sweep()
        if (relay.kind === 'udp') relay.channels.sweep()
      }
    }
  }
}

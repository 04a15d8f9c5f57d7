import type { LinkPlanTimes } from './contracts.ts'
import type { RingPlace } from './ring-plan.ts'

export interface AuditView {
  readonly candidates: readonly RingPlace[]
  /** The device is not connected, and not passed over. */
  available(id: string): boolean
  readonly random: () => number
  readonly times: LinkPlanTimes
}

/**
 * Draws a device now and then and wants a link with it for a while, although neither rings nor gossip ask for one. Rings are known to everybody, and gossip
 * may lie; where the lot falls is known to nobody, so nobody can keep two parts of the mesh from each other for long by lies about either.
 */
export class AuditDraw {
  readonly #view: AuditView
  #current: string | undefined
  #until = Number.POSITIVE_INFINITY
  #ended: string | undefined
  #nextAt: number | undefined

  constructor(view: AuditView) {
    this.#view = view
  }

  /** The device that is wanted for an audit. */
  get current(): string | undefined {
    return this.#current
  }
  /** When {@link advance} changes something. */
  get nextAt(): number {
    return this.#current === undefined ? (this.#nextAt ?? Number.POSITIVE_INFINITY) : this.#until
  }

  /** @param everybody all are linked with all, and there is nothing to draw. @returns whether another device is wanted than before. */
  advance(now: number, everybody: boolean): boolean {
    if (this.#current !== undefined) {
      if (now < this.#until) return false
      this.#ended = this.#current
      this.#finish(now)
      return true
    }
    if (everybody) {
      this.#nextAt = undefined
      return false
    }
    this.#nextAt ??= now + this.#pause()
    if (now < this.#nextAt) return false
    this.#nextAt = now + this.#pause()
    const drawn = this.#draw()
    if (drawn === undefined) return false
    this.#current = drawn.id
    // In case that nothing comes of it, and nobody says so.
    this.#until = now + this.#view.times.auditHold
    return true
  }

  connected(id: string, now: number): void {
    if (id === this.#current) this.#until = now + this.#view.times.auditHold
  }

  /** The device is no neighbour, or failed to become one. @returns whether it was the one drawn. */
  ended(id: string, now: number): boolean {
    if (id === this.#ended) this.#ended = undefined
    if (id !== this.#current) return false
    this.#finish(now)
    return true
  }

  /** Whether a link was made for an audit that is over. */
  isOver(id: string, now: number): boolean {
    return id === this.#ended || (id === this.#current && now >= this.#until)
  }

  #draw(): RingPlace | undefined {
    const { candidates, random } = this.#view
    const start = Math.floor(random() * candidates.length)
    for (let i = 0; i < candidates.length; i++) {
      const place = candidates[(start + i) % candidates.length]
      if (place !== undefined && this.#view.available(place.id)) return place
    }
    return undefined
  }

  #finish(now: number): void {
    this.#current = undefined
    this.#until = Number.POSITIVE_INFINITY
    this.#nextAt = now + this.#pause()
  }

  #pause(): number {
    return this.#view.times.audit * (0.5 + this.#view.random())
  }
}

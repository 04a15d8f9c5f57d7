import type { Clock } from '@kithmesh/core/plugin'
import type { MeshLink } from './contracts.ts'

/** How long everything has to be quiet. */
const settledMs = 2_000
/** How long a mesh that finds nobody goes on looking. */
const nobodyMs = 30_000

/** What a mesh came to that is not continuous. */
export interface MeshOutcome {
  /** Devices with which both sides were up to date at least once. */
  readonly synced: readonly string[]
  /** The others that were wanted, and why they are not among them. */
  readonly failed: readonly { readonly deviceId: string; readonly error: Error | undefined }[]
}

/** Watches the links of a mesh until each has been up to date once, or came to nothing. Made for one run. */
export class OneShot {
  readonly #links: () => readonly MeshLink[]
  readonly #clock: Clock
  readonly #done: (outcome: MeshOutcome) => void
  readonly #synced = new Set<string>()
  #cancelNobody: (() => void) | undefined
  #cancelSettled: (() => void) | undefined
  #over = false

  constructor(links: () => readonly MeshLink[], clock: Clock, done: (outcome: MeshOutcome) => void) {
    this.#links = links
    this.#clock = clock
    this.#done = done
    this.changed()
  }

  /** A link changed. */
  changed(): void {
    if (this.#over) return
    const links = this.#links()
    if (links.length > 0) {
      this.#cancelNobody?.()
      this.#cancelNobody = undefined
    } else
      this.#cancelNobody ??= this.#clock.after(nobodyMs, () => {
        this.#finish()
      })
    for (const { deviceId, state } of links) if (state === 'idle') this.#synced.add(deviceId)
    if (links.length > 0 && links.every((link) => this.#settled(link))) {
      this.#cancelSettled ??= this.#clock.after(settledMs, () => {
        this.#finish()
      })
    } else {
      this.#cancelSettled?.()
      this.#cancelSettled = undefined
    }
  }

  /** Nothing is waited for any more. Idempotent. */
  stop(): void {
    this.#over = true
    this.#cancelNobody?.()
    this.#cancelSettled?.()
  }

  #settled({ deviceId, state, error }: MeshLink): boolean {
    if (state === 'busy' || state === 'connecting') return false
    return this.#synced.has(deviceId) || state === 'standby' || state === 'restricted' || state === 'quarantined' || error !== undefined
  }

  #finish(): void {
    if (this.#over) return
    this.stop()
    const others = this.#links().filter(({ deviceId, state }) => !this.#synced.has(deviceId) && state !== 'standby')
    this.#done({ synced: [...this.#synced], failed: others.map(({ deviceId, error }) => ({ deviceId, error })) })
  }
}

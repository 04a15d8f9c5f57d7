import type { LinkFacts } from '../contracts.ts'
import { DialAttempt } from '../link/dial-attempt.ts'
import type { LinkEnvironment } from '../link/link-environment.ts'
import { maxRetryMs, retryDelay } from '../link/retry-delay.ts'
import type { FoundDevice, MeshConnection } from './contracts.ts'

/** At most one extra try in this time, however often a device appears. */
const nudgePauseMs = 1_000

interface Unclaimed {
  displayName: string
  attempt: DialAttempt | undefined
  cancelTimer: (() => void) | undefined
  lastTry: number
  failures: number
  error: Error | undefined
  /** Who it proved to be when it was last dialled. */
  peerId: string | undefined
}

export interface UnclaimedDevicesEvents {
  /** A device proved who it is; the connection is an ordinary one from now on. */
  opened(connection: MeshConnection): void
  /** Whether there is a connection with that peer already, under its own name. */
  reaches(peerId: string): boolean
}

/**
 * Devices that discovery sees and that do not claim a peer id. Neither the rule of who dials nor the plan of links can be computed without one, so they are
 * dialled to see who they are.
 */
export class UnclaimedDevices {
  readonly #environment: LinkEnvironment
  readonly #events: UnclaimedDevicesEvents
  readonly #devices = new Map<string, Unclaimed>()

  constructor(environment: LinkEnvironment, events: UnclaimedDevicesEvents) {
    this.#environment = environment
    this.#events = events
  }

  /** One entry for each that is not linked under its own name. */
  get snapshots(): readonly LinkFacts[] {
    const shown = [...this.#devices].filter(([, { peerId }]) => peerId === undefined || !this.#events.reaches(peerId))
    return shown.map(([deviceId, { displayName, attempt, error }]) => ({
      deviceId,
      displayName,
      state: attempt === undefined ? ('offline' as const) : ('connecting' as const),
      direction: undefined,
      route: undefined,
      quality: undefined,
      error
    }))
  }

  found({ id, displayName, fresh }: FoundDevice): void {
    let device = this.#devices.get(id)
    if (device === undefined) {
      const lastTry = Number.NEGATIVE_INFINITY
      device = { displayName, attempt: undefined, cancelTimer: undefined, lastTry, failures: 0, error: undefined, peerId: undefined }
      this.#devices.set(id, device)
    }
    device.displayName = displayName
    if (fresh) this.#dial(id, device)
    this.#environment.listeners.changed()
  }

  lost(id: string): void {
    const device = this.#devices.get(id)
    if (device === undefined) return
    this.#devices.delete(id)
    cancel(device)
    this.#environment.listeners.changed()
  }

  /** Our own network changed. */
  networkChanged(): void {
    for (const [id, device] of this.#devices) this.#dial(id, device)
  }

  /** The link with that peer is gone: whoever proved to be it is worth another try. */
  disconnected(peerId: string): void {
    for (const [id, device] of this.#devices) if (device.peerId === peerId) this.#after(id, device, retryDelay(device.error, 1))
  }

  end(): void {
    for (const device of this.#devices.values()) cancel(device)
    this.#devices.clear()
  }

  #dial(id: string, device: Unclaimed): void {
    const { clock } = this.#environment
    const now = clock.monotonic()
    const reached = device.peerId !== undefined && this.#events.reaches(device.peerId)
    if (device.attempt !== undefined || reached || now - device.lastTry < nudgePauseMs) return
    cancel(device)
    device.lastTry = now
    device.attempt = new DialAttempt(this.#environment, id, device.displayName, {
      opened: (connection) => {
        device.attempt = undefined
        device.peerId = connection.peerId
        device.failures = 0
        device.error = undefined
        this.#events.opened(connection)
        // Should nothing have come of it, another try follows.
        this.#after(id, device, maxRetryMs)
      },
      failed: (error) => {
        device.attempt = undefined
        device.error = error
        this.#after(id, device, retryDelay(error, ++device.failures))
        this.#environment.listeners.changed()
      }
    })
    device.attempt.start()
  }

  #after(id: string, device: Unclaimed, ms: number): void {
    device.cancelTimer?.()
    device.cancelTimer = this.#environment.clock.after(ms, () => {
      device.cancelTimer = undefined
      if (device.peerId !== undefined && this.#events.reaches(device.peerId)) this.#after(id, device, maxRetryMs)
      else this.#dial(id, device)
    })
  }
}

function cancel(device: Unclaimed): void {
  device.cancelTimer?.()
  device.cancelTimer = undefined
  device.attempt?.cancel()
  device.attempt = undefined
}

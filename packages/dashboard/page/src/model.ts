// What the page knows: the latest state, what happened lately, and how fast things move. No DOM.
import type { ConflictNotice, DashboardEvent, DashboardState, DocumentsNotice, RefusalNotice } from '@kithmesh/dashboard/contracts'
import { deviceName } from './format.ts'
import { isConnected, lookOf, meaningOf } from './palette.ts'
import { RateHistory } from './rates.ts'

/** One line of the page's own record. */
export type Activity = { readonly key: number; readonly at: number } & (
  | { readonly kind: 'documents'; readonly notice: DocumentsNotice }
  | { readonly kind: 'conflict'; readonly notice: ConflictNotice }
  | { readonly kind: 'refused'; readonly notice: RefusalNotice }
  | ({ readonly kind: 'device' } & DeviceChange)
)

const MAX_ACTIVITY = 300
const MAX_NAMES = 1000

export class PageModel {
  state: DashboardState | undefined
  /** Newest first. */
  readonly activity: Activity[] = []
  readonly total = new RateHistory()
  readonly #devices = new Map<string, RateHistory>()
  /** Devices keep the names they had when only others know of them. */
  readonly #names = new Map<string, string>()
  #key = 0
  #gap = true

  /** What a device has moved; undefined for one that the latest state does not know. */
  history(deviceId: string): RateHistory | undefined {
    return this.#devices.get(deviceId)
  }

  /** What a device was last called; undefined for one that never had a name. */
  nameOf(deviceId: string): string | undefined {
    return this.#names.get(deviceId)
  }

  /** The stream of events was interrupted: what the next totals are ahead by moved at an unknown time. */
  interrupted(): void {
    this.#gap = true
  }

  /** Takes an event in; `now` is when it came. Returns sentences about devices for those who do not see the page. */
  take(event: DashboardEvent, now: number): readonly string[] {
    if (event.type === 'state') return this.#takeState(event.data, now)
    this.#note({ kind: event.type, at: event.data.at, notice: event.data } as DistributiveOmit<Activity, 'key'>)
    return []
  }

  #takeState(state: DashboardState, now: number): readonly string[] {
    const before = this.state
    // An older snapshot may come late, when it was asked for beside the stream. Another dashboard begins anew.
    if (before !== undefined && before.startedAt === state.startedAt && state.at < before.at) return []
    this.state = state
    const restarted = before !== undefined && before.startedAt !== state.startedAt
    const resumed = this.#gap || restarted
    this.#gap = false
    this.total.add(now, state.statistics, { resumed })
    const present = new Set<string>()
    for (const { id, traffic, displayName } of state.devices) {
      present.add(id)
      if (displayName !== '') this.#names.set(id, displayName)
      let history = this.#devices.get(id)
      if (history === undefined) this.#devices.set(id, (history = new RateHistory()))
      history.add(now, traffic, { resumed })
    }
    for (const id of this.#devices.keys()) if (!present.has(id)) this.#devices.delete(id)
    for (const id of this.#names.keys()) {
      if (this.#names.size <= MAX_NAMES) break
      if (!present.has(id)) this.#names.delete(id)
    }
    if (before === undefined || restarted) return []
    const changes = deviceChanges(before, state)
    for (const change of changes) this.#note({ kind: 'device', at: state.at, ...change })
    return changes.map((change) => sentence(change))
  }

  #note(entry: DistributiveOmit<Activity, 'key'>): void {
    this.activity.unshift({ ...entry, key: ++this.#key })
    this.activity.length = Math.min(this.activity.length, MAX_ACTIVITY)
  }
}

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never

export interface DeviceChange {
  readonly deviceId: string
  /** What the device was called then; empty when it had no name yet. A name may come after the connection: ask `PageModel.nameOf` first. */
  readonly displayName: string
  /** What follows the name in a sentence. */
  readonly tells: string
  readonly good: boolean
}

/** The sentence about a change; `name` when the device is called something else by now. */
export function sentence({ deviceId, displayName, tells }: DeviceChange, name = displayName): string {
  return `${deviceName(name, deviceId)}${tells}`
}

/** What happened to devices between two states. Only what lasts is told: connected, gone, refused; not every attempt. */
export function deviceChanges(before: DashboardState, after: DashboardState): DeviceChange[] {
  const earlier = new Map(before.devices.map((device) => [device.id, device]))
  const changes: DeviceChange[] = []
  for (const device of after.devices) {
    const was = earlier.get(device.id)
    earlier.delete(device.id)
    const note = (good: boolean, tells: string): number =>
      changes.push({ deviceId: device.id, displayName: device.displayName, tells, good })
    const connected = isConnected(device)
    const wasConnected = was !== undefined && isConnected(was)
    const why = device.error === null ? '' : `: ${device.error.message}`
    const look = lookOf(device.transport).label.toLowerCase()
    if (device.state === 'restricted' || device.state === 'quarantined') {
      if (was?.state !== device.state) note(false, `: ${meaningOf(device.state).label.toLowerCase()}${why}`)
    } else if (connected && (!wasConnected || was?.state === 'restricted')) note(true, ` is connected, ${look}`)
    else if (connected && was?.route !== device.route && device.transport !== was?.transport)
      note(true, ` has moved to another route, ${look}`)
    else if (!connected && wasConnected) note(false, ` is not connected any more${why}`)
    else if (was === undefined) note(true, ' was found')
  }
  for (const [deviceId, gone] of earlier)
    changes.push({
      deviceId,
      displayName: gone.displayName,
      tells: isConnected(gone) ? ' is not connected any more' : ' is gone',
      good: false
    })
  return changes
}

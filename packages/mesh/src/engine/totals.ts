import type { SessionStatistics } from '@kithmesh/replicator'
import type { LinkTraffic, MeshStatistics } from '../contracts.ts'

interface Counting {
  readonly statistics: Readonly<SessionStatistics>
}

interface DeviceTotals {
  ended: LinkTraffic
  readonly running: Set<Counting>
}

/** Devices without a connection whose traffic is remembered. */
const maxRemembered = 1_024

const none: MeshStatistics = { documentsIn: 0, documentsOut: 0, bytesIn: 0, bytesOut: 0, conflicts: 0 }
const noTraffic: LinkTraffic = Object.freeze({ documentsIn: 0, documentsOut: 0, bytesIn: 0, bytesOut: 0 })

/** Adds up what all links moved, including those that have ended; in all, and for each device. */
export class Totals {
  #ended = none
  readonly #running = new Map<Counting, string>()
  /** In the order in which their connections began. */
  readonly #devices = new Map<string, DeviceTotals>()

  /** Counts a link in, live, until {@link Totals.end}. */
  begin(deviceId: string, link: Counting): void {
    this.#running.set(link, deviceId)
    const device = this.#devices.get(deviceId) ?? { ended: noTraffic, running: new Set() }
    device.running.add(link)
    this.#devices.delete(deviceId)
    this.#devices.set(deviceId, device)
    if (this.#devices.size > maxRemembered) this.#forgetOne()
  }

  /** The link has ended; its counters stay in the sum. Idempotent. */
  end(link: Counting): void {
    const deviceId = this.#running.get(link)
    if (deviceId === undefined) return
    this.#running.delete(link)
    const counted = view(link)
    this.#ended = add(this.#ended, counted)
    const device = this.#devices.get(deviceId)
    if (device?.running.delete(link) === true) device.ended = addTraffic(device.ended, counted)
  }

  sum(): MeshStatistics {
    return [...this.#running.keys()].map(view).reduce(add, this.#ended)
  }

  /** What moved over the links with one device. */
  of(deviceId: string): LinkTraffic {
    const device = this.#devices.get(deviceId)
    return device === undefined ? noTraffic : [...device.running].map(view).reduce(addTraffic, device.ended)
  }

  #forgetOne(): void {
    for (const [id, { running }] of this.#devices) {
      if (running.size > 0) continue
      this.#devices.delete(id)
      return
    }
  }
}

function view({ statistics: of }: Counting): MeshStatistics {
  return {
    documentsIn: of.documentsPulled,
    documentsOut: of.documentsPushed,
    bytesIn: of.bytesPulled + of.blobBytesPulled,
    bytesOut: of.bytesPushed + of.blobBytesPushed,
    conflicts: of.conflictsResolved
  }
}

function addTraffic(a: LinkTraffic, b: LinkTraffic): LinkTraffic {
  return Object.freeze({
    documentsIn: a.documentsIn + b.documentsIn,
    documentsOut: a.documentsOut + b.documentsOut,
    bytesIn: a.bytesIn + b.bytesIn,
    bytesOut: a.bytesOut + b.bytesOut
  })
}

function add(a: MeshStatistics, b: MeshStatistics): MeshStatistics {
  return { ...addTraffic(a, b), conflicts: a.conflicts + b.conflicts }
}

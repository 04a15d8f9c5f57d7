import { setMaxListeners } from 'node:events'
import { coreErrors, decodeTxt, deviceIdFromMetadata, errorCode, unlessAborted, withDeadline } from '@kithmesh/core/plugin'
import type { Logger, PeerSighting, ProviderContext } from '@kithmesh/core/plugin'
import type { BleCentral, DeviceRecord } from '../backend/contracts.ts'
import { bleErrors } from '../errors.ts'
import { deviceUrl, isPsm } from './device-url.ts'
import { deadline } from './deadline.ts'
import { MetadataWatches } from './metadata-watches.ts'
import type { CheckedOptions } from './options.ts'
import type { Sighting } from './sighting.ts'
import { SightingTable } from './sighting-table.ts'

/** How long a stream that is to be opened waits for reads from other devices to end, before they are given up. */
const patienceMs = 300

/** What the ids of this provider's peers begin with. */
export const idPrefix = 'ble:'

const gaveWay = new DOMException('Gave way to a stream that is to be opened', 'AbortError')

export interface BrowseSessionOptions {
  readonly context: ProviderContext
  readonly central: BleCentral
  readonly options: CheckedOptions
  readonly serviceUuid: string
  /** Whether a stream to or from the device is open. */
  readonly held: (id: string) => boolean
}

/** Browsing from a start to the next stop: what is heard becomes sightings, and reads where that is needed. */
export class BrowseSession {
  readonly #options: BrowseSessionOptions
  readonly #logger: Logger
  readonly #table: SightingTable
  readonly #watches: MetadataWatches
  readonly #monitored = new Set<string>()
  readonly #end = new AbortController()
  /** The reads that the table asked for. */
  readonly #reads = new Map<string, AbortController>()
  /** Streams that are being opened. */
  #urgent = 0
  #live = false
  #cancelTimer: (() => void) | undefined
  #timerAt = Infinity

  constructor(options: BrowseSessionOptions) {
    const { context, central, options: checked, held } = options
    this.#options = options
    this.#logger = context.logger.child('browser')
    // Every read listens.
    setMaxListeners(0, this.#end.signal)
    this.#table = new SightingTable({ ...checked, held: (id) => held(id) || this.#watches.has(id) }, context.clock.monotonic())
    this.#watches = new MetadataWatches({
      central,
      clock: context.clock,
      logger: this.#logger,
      timeoutMs: checked.readTimeoutMs,
      metadata: (id, bytes) => {
        if (this.#table.metadataArrived(id, bytes, this.#now())) this.#metadataChanged(id, bytes)
        this.#pump()
      }
    })
  }

  /** Begins to listen; nothing is reported before {@link BrowseSession.goLive}. */
  async start(signal: AbortSignal): Promise<void> {
    const { central, serviceUuid, context, options } = this.#options
    const scanning = central.startScan(serviceUuid, (advertisement) => {
      if (this.#end.signal.aborted) return
      const { news, dropped } = this.#table.hear(advertisement, this.#now())
      if (dropped !== undefined) this.#lost([dropped])
      if (news) this.#pump()
    })
    await withDeadline(() => scanning, { clock: context.clock, ms: options.startTimeoutMs, what: 'Starting to scan', signal })
  }

  goLive(): void {
    this.#live = true
    this.#pump()
  }

  /** Ends the listening and all reads. Idempotent. @param running false when the backend has ended everything by itself */
  async stop(running: boolean): Promise<void> {
    if (this.#end.signal.aborted) return
    this.#live = false
    this.#end.abort(bleErrors.create('ERR_BLE_SHUT_DOWN', 'Browsing was stopped'))
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    this.#watches.stop()
    if (running) await this.#options.central.stopScan()
  }

  /** Whether the device is on the list. */
  lists(id: string): boolean {
    return this.#table.get(id)?.listed === true
  }

  monitor(id: string, on: boolean): void {
    if (!on) {
      this.#monitored.delete(id)
      this.#watches.remove(id)
    } else if (this.lists(id)) {
      this.#monitored.add(id)
      this.#watchWhereNeeded(id)
    }
  }

  /** The last stream of ours to the device has closed: from now on it has to be heard. */
  released(id: string): void {
    this.#table.touch(id, this.#now())
    this.#pump()
  }

  /**
   * A stream to a device is being opened, until the returned function is called: no more reads begin meanwhile, and those that hold it up are
   * given up. An adapter makes one connection after the other, and one to a device that has left takes seconds.
   */
  makeWay(id: string): () => void {
    this.#urgent++
    const cancel = this.#options.context.clock.after(patienceMs, () => {
      for (const [other, abort] of this.#reads) if (other !== id) abort.abort(gaveWay)
    })
    return () => {
      cancel()
      this.#urgent--
      this.#pump()
    }
  }

  /** A channel was refused: what is known of the device is read again before it is used again. */
  refused(id: string): void {
    this.#table.markStale(id)
    this.#pump()
  }

  /** Where to open a stream to a listed device; reads from it when that is not known. @throws ERR_BLE_NO_STREAM and what reading throws */
  async url(id: string, signal: AbortSignal): Promise<string> {
    const sighting = this.#table.get(id)
    if (sighting?.listed !== true) throw coreErrors.create('ERR_PD_PEER_OFFLINE', `No device ${JSON.stringify(id)} is listed`)
    const record = this.#table.trusted(id) ?? (await this.#read(id, signal))
    if (isPsm(record.psm)) return deviceUrl(id, record.psm)
    if (record.stream) return deviceUrl(id, 0)
    throw bleErrors.create('ERR_BLE_NO_STREAM', `${id} offers neither an L2CAP channel nor the stream characteristic`)
  }

  #now(): number {
    return this.#options.context.clock.monotonic()
  }

  /** Does whatever is due, and comes back when the next thing is. */
  #pump(): void {
    if (!this.#live) return
    const now = this.#now()
    this.#lost(this.#table.takeLost(now))
    const mayRead = (): boolean => this.#urgent === 0 && this.#reads.size < this.#options.options.concurrentReads
    while (mayRead()) {
      const sighting = this.#table.takeRead(now)
      if (sighting === undefined) break
      void this.#readListed(sighting.id)
    }
    this.#report(this.#table.takeReports(now))
    this.#arm(this.#table.nextDue(now, mayRead()))
  }

  #arm(at: number): void {
    if (this.#cancelTimer !== undefined && this.#timerAt === at) return
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    this.#timerAt = at
    if (at === Infinity) return
    this.#cancelTimer = this.#options.context.clock.after(Math.max(1, at - this.#now()), () => {
      this.#cancelTimer = undefined
      this.#pump()
    })
  }

  /** A read that the table asked for; never throws. */
  async #readListed(id: string): Promise<void> {
    const abort = new AbortController()
    this.#reads.set(id, abort)
    try {
      await this.#read(id, abort.signal)
    } catch (error) {
      if (error === gaveWay) this.#table.readGaveWay(id, this.#now())
      else this.#readFailed(id, error)
    } finally {
      this.#reads.delete(id)
      this.#pump()
    }
  }

  async #read(id: string, caller: AbortSignal): Promise<DeviceRecord> {
    const { central, context, options } = this.#options
    const limit = deadline(context.clock, options.readTimeoutMs, `Reading from ${id}`, this.#end.signal, caller)
    try {
      const record = await unlessAborted(limit.signal, central.read(id, { signal: limit.signal }))
      this.#taken(id, record)
      return record
    } finally {
      limit.release()
    }
  }

  #taken(id: string, record: DeviceRecord): void {
    if (!this.#live) return
    const own = deviceIdFromMetadata(decodeTxt(record.metadata)) === this.#options.context.localPeerId
    const changed = this.#table.readSucceeded(id, record, own, this.#now())
    if (changed) this.#metadataChanged(id, record.metadata)
    if (this.#monitored.has(id)) this.#watchWhereNeeded(id)
  }

  #readFailed(id: string, error: unknown): void {
    if (!this.#live) return
    const failures = this.#table.readFailed(id, errorCode(error) === 'ERR_BLE_NO_SERVICE', this.#now())
    const fields = { id, failures, code: errorCode(error), error }
    if (failures === this.#options.options.readAttempts) this.#logger.warn('the metadata of a device could not be read', fields)
    else this.#logger.debug('reading from a device failed', fields)
  }

  #metadataChanged(id: string, metadata: Uint8Array): void {
    if (this.#live && this.lists(id)) this.#options.context.metadataChanged(idPrefix + id, decodeTxt(metadata))
  }

  #watchWhereNeeded(id: string): void {
    const sighting = this.#table.get(id)
    if (sighting?.record !== undefined && sighting.untagged) this.#watches.add(id)
    else this.#watches.remove(id)
  }

  #report(sightings: readonly Sighting[]): void {
    if (sightings.length === 0) return
    this.#options.context.peersFound(
      sightings.map(
        (sighting): PeerSighting => ({
          id: idPrefix + sighting.id,
          displayName: sighting.name ?? `Bluetooth ${sighting.id.slice(-6)}`,
          connectable: this.#table.connectable(sighting),
          ...(sighting.record === undefined ? {} : { metadata: decodeTxt(sighting.record.metadata) })
        })
      )
    )
  }

  #lost(ids: readonly string[]): void {
    for (const id of ids) {
      this.#monitored.delete(id)
      this.#watches.remove(id)
    }
    if (ids.length > 0 && this.#live) this.#options.context.peersLost(ids.map((id) => idPrefix + id))
  }
}

import type { ServerResponse } from 'node:http'
import type { Clock, Logger } from '@kithmesh/core'
import type { DashboardEvent, DashboardState } from '../contracts.ts'
import { dashboardErrors } from '../errors.ts'
import { securityHeaders } from '../http/reply.ts'
import { EventStream, eventText } from './event-stream.ts'

/** At most five states in a second. */
const minPauseMs = 200
/** A state that takes long to make is made more rarely: it takes a tenth of the time at most. */
const pauseFactor = 10
/** How often rates are taken again. */
const tickMs = 1_000
const aliveTicks = 15
/** Rates are taken for that long after a change: what moved may have moved since they were last taken. */
const settlingTicks = 2
/** Rates when nothing moves. */
const quiet = '0 0 0 0'
/** Notices in a second, to all readers alike; more are left out. */
const maxNotices = 50
/** How long a browser waits before it connects again. */
const retryMs = 2_000

export const eventsType = 'text/event-stream; charset=utf-8'

export interface EventHubOptions {
  readonly clock: Clock
  readonly maxReaders: number
  readonly snapshot: () => DashboardState
  readonly logger: Logger
  /** Something has changed that nobody tells of; asked every second while there are readers. */
  readonly stale: () => boolean
}

/** Sends events to everybody who listens; makes nothing while nobody does. */
export class EventHub {
  readonly #options: EventHubOptions
  readonly #streams = new Set<EventStream>()
  #cancelTick: (() => void) | undefined
  #cancelState: (() => void) | undefined
  #ticks = 0
  #notices = 0
  /** Not before this a state is made again, monotonic. */
  #notBefore = 0
  #lastRates = quiet
  #unsettled = 0
  /** The state of this moment, made when the first reader takes it. */
  #text: string | undefined
  #closed = false

  constructor(options: EventHubOptions) {
    this.#options = options
  }

  /** Takes a response over. @throws ERR_DASHBOARD_BUSY */
  open(response: ServerResponse): void {
    const { maxReaders, clock } = this.#options
    if (this.#closed || this.#streams.size >= maxReaders)
      throw dashboardErrors.create('ERR_DASHBOARD_BUSY', `${maxReaders} pages of this dashboard are open`)
    response.writeHead(200, { ...securityHeaders, 'Content-Type': eventsType, 'X-Accel-Buffering': 'no' })
    const stream: EventStream = new EventStream(response, clock, () => {
      this.#streams.delete(stream)
      if (this.#streams.size === 0) this.#rest()
    })
    this.#streams.add(stream)
    response.write(`retry: ${retryMs}\n\n`)
    stream.state(() => this.#state())
    this.#cancelTick ??= clock.every(
      tickMs,
      () => {
        this.#tick()
      },
      { background: true }
    )
  }

  /** Something changed that the state tells of. */
  changed(): void {
    this.#unsettled = settlingTicks
    this.#later()
  }

  #later(): void {
    if (this.#streams.size === 0 || this.#cancelState !== undefined) return
    const { clock } = this.#options
    this.#cancelState = clock.after(Math.max(0, this.#notBefore - clock.monotonic()), () => {
      this.#cancelState = undefined
      this.#tell()
    })
  }

  /** Something happened. */
  notice({ type, data }: Exclude<DashboardEvent, { readonly type: 'state' }>): void {
    if (this.#streams.size === 0 || ++this.#notices > maxNotices) return
    const text = eventText(type, JSON.stringify(data))
    for (const stream of this.#streams) stream.notice(text)
  }

  /** Anybody listens. */
  get wanted(): boolean {
    return this.#streams.size > 0
  }
  /** How many do. */
  get readers(): number {
    return this.#streams.size
  }

  /** Ends everything, for good. */
  close(): void {
    this.#closed = true
    for (const stream of [...this.#streams]) stream.end()
    this.#rest()
  }

  #tell(): void {
    const { clock } = this.#options
    const from = clock.monotonic()
    this.#text = undefined
    for (const stream of this.#streams) stream.state(() => this.#state())
    this.#notBefore = clock.monotonic() + Math.max(minPauseMs, (clock.monotonic() - from) * pauseFactor)
  }

  #state(): string {
    try {
      this.#text ??= this.#make()
      return this.#text
    } catch (error) {
      this.#options.logger.warn('the state of the mesh cannot be told', { error })
      return ': failed\n\n'
    }
  }

  #make(): string {
    const state = this.#options.snapshot()
    this.#lastRates = ratesOf(state)
    return eventText('state', JSON.stringify(state))
  }

  #stale(): boolean {
    try {
      return this.#options.stale()
    } catch (error) {
      this.#options.logger.debug('the database cannot be looked at', { error })
      return false
    }
  }

  /** Rates fall when nothing happens, which nobody tells. */
  #tick(): void {
    this.#notices = 0
    this.#text = undefined
    if (++this.#ticks % aliveTicks === 0) for (const stream of this.#streams) stream.alive()
    if (this.#unsettled-- > 0 || this.#lastRates !== quiet || this.#stale()) this.#later()
  }

  #rest(): void {
    this.#cancelTick?.()
    this.#cancelState?.()
    this.#cancelTick = undefined
    this.#cancelState = undefined
  }
}

function ratesOf({ statistics: { rate } }: DashboardState): string {
  return `${rate.documentsIn} ${rate.documentsOut} ${rate.bytesIn} ${rate.bytesOut}`
}

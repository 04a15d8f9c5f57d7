import type { Clock } from './contracts/clock.ts'
import type { Device, Peer, ResolvedUrl } from './contracts/peer.ts'
import type { AttemptStep, ConnectionAttempt, ConnectionReport, DeviceAssessment, ReportedSighting } from './contracts/report.ts'
import { errorCode, isKithmeshError } from './kithmesh-error.ts'

/** What a person can do about the usual failures of the operating system's network calls. */
const systemHints: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'Nothing listens at that address and port; is the program on the other device running?',
  EHOSTUNREACH: 'There is no way to that address; are both devices on the same network?',
  ENETUNREACH: 'This device has no route to that network.',
  ETIMEDOUT: 'The address does not answer; a firewall may be dropping the packets.',
  ECONNRESET: 'The other side closed the connection; its log may tell why.',
  EADDRNOTAVAIL: 'The address cannot be used from this device.',
  EACCES: 'The operating system forbids it; a firewall or sandbox may be in the way.',
  ENOTFOUND: 'The host name is unknown; the device may have left.',
  ERR_CORE_TIMEOUT: 'The address does not answer; a firewall may be dropping the packets.'
}

/** Steps of one attempt that are kept; a strategy that tries on and on must not make a report without end. */
const MAX_STEPS = 32
const MAX_ADDRESSES = 64

/** One row of a report while it is being written. Ended once; what comes later is ignored. */
export class ReportRow {
  readonly #clock: Clock
  readonly #beganAt: number
  #row: ConnectionAttempt
  #steps: AttemptStep[] = []

  constructor(clock: Clock, strategy: string, peer: Peer, phase: string) {
    this.#clock = clock
    this.#beganAt = clock.monotonic()
    this.#row = {
      strategy,
      peerId: peer.id,
      provider: peer.provider,
      address: undefined,
      phase,
      state: 'running',
      startedAt: clock.now(),
      elapsedMs: 0,
      code: undefined,
      message: undefined,
      hint: undefined
    }
  }

  get address(): string | undefined {
    return this.#row.address
  }

  progress(phase: string, address?: string): void {
    if (this.#row.state !== 'running') return
    this.#row = { ...this.#row, phase, address: address ?? this.#row.address }
    if (this.#steps.length < MAX_STEPS) this.#steps.push({ phase, address, atMs: this.#elapsed(), code: undefined })
  }

  won(): void {
    this.#end({ state: 'won', phase: 'won' })
  }

  lost(message: string): void {
    this.#end({ state: 'lost', phase: 'lost', message })
  }

  skip(message: string): void {
    this.#end({ state: 'skipped', message })
  }

  /** The phase stays the one in which it happened. */
  fail(error: unknown): void {
    if (this.#row.state !== 'running') return
    const codes = codesByAddress(error)
    this.#steps = this.#steps.map((step) => (step.address === undefined ? step : { ...step, code: codes.get(step.address) }))
    const { reason: message, code, hint } = failureFacts(error)
    this.#end({ state: 'failed', code, message, hint })
  }

  snapshot(): ConnectionAttempt {
    const elapsedMs = this.#row.state === 'running' ? this.#elapsed() : this.#row.elapsedMs
    return Object.freeze({ ...this.#row, elapsedMs, steps: Object.freeze([...this.#steps]) })
  }

  #end(change: Partial<ConnectionAttempt>): void {
    if (this.#row.state === 'running') this.#row = { ...this.#row, ...change, elapsedMs: this.#elapsed() }
  }

  #elapsed(): number {
    return this.#clock.monotonic() - this.#beganAt
  }
}

/** Message, code and hint of a failure, for people. */
export function failureFacts(error: unknown): {
  readonly reason: string
  readonly code: string | undefined
  readonly hint: string | undefined
} {
  const code = errorCode(error) ?? (error instanceof Error && error.name !== 'Error' ? error.name : undefined)
  const hint = isKithmeshError(error) && error.hint !== '' ? error.hint : code === undefined ? undefined : systemHints[code]
  return { reason: error instanceof Error ? error.message : String(error), code, hint }
}

/** What an error says of each address that was tried: `details.attempts` of the strategies that try several. */
function codesByAddress(error: unknown): ReadonlyMap<string, string> {
  const attempts = isKithmeshError(error) ? error.details['attempts'] : undefined
  if (!Array.isArray(attempts)) return new Map()
  return new Map(
    attempts.flatMap((each: unknown) => {
      const { address, code } = (each ?? {}) as { readonly address?: unknown; readonly code?: unknown }
      return typeof address === 'string' && typeof code === 'string' ? [[address, code] as const] : []
    })
  )
}

/** The record of one `connect`. */
export class RouteReport {
  readonly #clock: Clock
  readonly #device: Device
  readonly #displayName: string
  readonly #startedAt: number
  readonly #beganAt: number
  readonly #rows = new Set<ReportRow>()
  readonly #sightings: Map<string, ReportedSighting>
  #end: { readonly state: 'connected' | 'failed'; readonly route: string | undefined; readonly elapsedMs: number } | undefined

  constructor(clock: Clock, device: Device) {
    this.#clock = clock
    this.#device = device
    this.#displayName = device.displayName
    this.#startedAt = clock.now()
    this.#beganAt = clock.monotonic()
    this.#sightings = new Map(
      device.peers.map(({ id, provider, connectable }) => [
        id,
        { peerId: id, provider, connectable, url: undefined, addresses: [], signaling: false }
      ])
    )
  }

  /** Where the sighting leads. */
  resolved({ id, provider, connectable }: Peer, { url, addresses, network }: ResolvedUrl): void {
    const told = { url, addresses: Object.freeze(addresses.slice(0, MAX_ADDRESSES)), signaling: network !== undefined }
    this.#sightings.set(id, { peerId: id, provider, connectable, ...told })
  }

  row(strategy: string, peer: Peer, phase: string): ReportRow {
    const row = new ReportRow(this.#clock, strategy, peer, phase)
    this.#rows.add(row)
    return row
  }

  /** Takes back a row that has nothing to tell. */
  drop(row: ReportRow): void {
    this.#rows.delete(row)
  }

  /** Rows that still run are lost. */
  connected(route: string): void {
    for (const row of this.#rows) row.lost('Another route was faster')
    this.#finish('connected', route)
  }

  /** Rows that still run end with the same error. */
  failed(error: unknown): void {
    for (const row of this.#rows) row.fail(error)
    this.#finish('failed', undefined)
  }

  snapshot(): ConnectionReport {
    return Object.freeze({
      deviceId: this.#device.id,
      displayName: this.#displayName,
      state: this.#end?.state ?? 'connecting',
      startedAt: this.#startedAt,
      elapsedMs: this.#end?.elapsedMs ?? this.#clock.monotonic() - this.#beganAt,
      route: this.#end?.route,
      attempts: Object.freeze([...this.#rows].map((row) => row.snapshot())),
      sightings: Object.freeze([...this.#sightings.values()].map((sighting) => Object.freeze({ ...sighting })))
    })
  }

  #finish(state: 'connected' | 'failed', route: string | undefined): void {
    this.#end ??= { state, route, elapsedMs: this.#clock.monotonic() - this.#beganAt }
  }
}

/**
 * A report as lines of text for a terminal or a log: one per attempt with strategy, address, phase, time, code and hint, and below it the
 * addresses that were tried, where there were several.
 *
 * @example
 * const report = discovery.explain(device)
 * if (report !== undefined) process.stdout.write(formatConnectionReport(report) + '\n')
 */
export function formatConnectionReport(report: ConnectionReport): string {
  const head = `${report.displayName} (${report.deviceId}): ${report.state}${report.route === undefined ? '' : ` by ${report.route}`} after ${Math.round(report.elapsedMs)} ms`
  const cells = report.attempts.map(({ strategy, provider, address, phase, state, elapsedMs, code, message }) => [
    strategy,
    provider,
    address ?? '-',
    phase === state ? state : `${state} (${phase})`,
    `${Math.round(elapsedMs)} ms`,
    code ?? '-',
    message ?? ''
  ])
  const widths = [0, 1, 2, 3, 4, 5].map((column) => Math.max(0, ...cells.map((row) => (row[column] as string).length)))
  const lines = cells.flatMap((row, index) => {
    const line =
      '  ' +
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd()
    const { hint, steps = [] } = report.attempts[index] as ConnectionAttempt
    return [line, ...(hint === undefined ? [] : [`      ${hint}`]), ...stepLines(steps)]
  })
  return [head, ...lines].join('\n')
}

/** An assessment as lines of text: where the device is seen, and a line per strategy and sighting with what speaks for or against it. */
export function formatDeviceAssessment({ displayName, deviceId, refused, sightings, routes }: DeviceAssessment): string {
  const usable = routes.filter((route) => route.usable).length
  const verdict = refused === undefined ? `${usable} of ${routes.length} ways would be tried` : `not connected to: ${refused}`
  return [
    `${displayName} (${deviceId}): ${verdict}`,
    ...sightings.map(
      ({ provider, peerId, url, addresses }) =>
        `  seen by ${provider} as ${peerId}${url === undefined ? '' : `: ${url} ${addresses.join(' ')}`.trimEnd()}`
    ),
    ...routes.flatMap(({ strategy, provider, address, usable: tried, rank, reason, code, hint }) => {
      const what = tried ? `usable, rank ${rank ?? '?'}` : `not usable: ${reason ?? ''}${code === undefined ? '' : ` [${code}]`}`
      const line = `  ${strategy}  ${provider}${address === undefined ? '' : `  ${address}`}  ${what}`
      return hint === undefined ? [line] : [line, `      ${hint}`]
    })
  ].join('\n')
}

/** Where one address was tried, the row has it already. */
function stepLines(steps: readonly AttemptStep[]): string[] {
  if (new Set(steps.map(({ address }) => address).filter((address) => address !== undefined)).size < 2) return []
  return steps.map(
    ({ phase, address, atMs, code }) =>
      `      +${Math.round(atMs)} ms ${phase}${address === undefined ? '' : ` ${address}`}${code === undefined ? '' : `: ${code}`}`
  )
}

import type { Clock } from './contracts/clock.ts'
import type { Device, Peer } from './contracts/peer.ts'
import type { ConnectionAttempt, ConnectionReport } from './contracts/report.ts'
import { errorCode, isKithmeshError } from './errors.ts'

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

/** One row of a report while it is being written. Ended once; what comes later is ignored. */
export class ReportRow {
  readonly #clock: Clock
  readonly #beganAt: number
  #row: ConnectionAttempt

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
    if (this.#row.state === 'running') this.#row = { ...this.#row, phase, address: address ?? this.#row.address }
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
    const code = errorCode(error) ?? (error instanceof Error && error.name !== 'Error' ? error.name : undefined)
    const hint = isKithmeshError(error) && error.hint !== '' ? error.hint : code === undefined ? undefined : systemHints[code]
    this.#end({ state: 'failed', code, message: error instanceof Error ? error.message : String(error), hint })
  }

  snapshot(): ConnectionAttempt {
    return Object.freeze(this.#row.state === 'running' ? { ...this.#row, elapsedMs: this.#elapsed() } : { ...this.#row })
  }

  #end(change: Partial<ConnectionAttempt>): void {
    if (this.#row.state === 'running') this.#row = { ...this.#row, ...change, elapsedMs: this.#elapsed() }
  }

  #elapsed(): number {
    return this.#clock.monotonic() - this.#beganAt
  }
}

/** The record of one `connect`. */
export class RouteReport {
  readonly #clock: Clock
  readonly #device: Device
  readonly #displayName: string
  readonly #startedAt: number
  readonly #beganAt: number
  readonly #rows = new Set<ReportRow>()
  #end: { readonly state: 'connected' | 'failed'; readonly route: string | undefined; readonly elapsedMs: number } | undefined

  constructor(clock: Clock, device: Device) {
    this.#clock = clock
    this.#device = device
    this.#displayName = device.displayName
    this.#startedAt = clock.now()
    this.#beganAt = clock.monotonic()
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
      attempts: Object.freeze([...this.#rows].map((row) => row.snapshot()))
    })
  }

  #finish(state: 'connected' | 'failed', route: string | undefined): void {
    this.#end ??= { state, route, elapsedMs: this.#clock.monotonic() - this.#beganAt }
  }
}

/**
 * A report as lines of text for a terminal or a log: one per attempt with strategy, address, phase, time, code and hint.
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
    const hint = report.attempts[index]?.hint
    return hint === undefined ? [line] : [line, `      ${hint}`]
  })
  return [head, ...lines].join('\n')
}

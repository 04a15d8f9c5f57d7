import type { Clock } from './contracts/clock.ts'
import type { NetworkFacts } from './contracts/network.ts'
import type { Device, Peer, ResolvedUrl } from './contracts/peer.ts'
import type { ByteSocket } from './contracts/socket.ts'
import type { AttemptOptions, ConnectTarget, RouteQuality } from './contracts/transport.ts'
import { connectTarget } from './connect-target.ts'
import { assessRoute, authority } from './dialer.ts'
import type { Dialer } from './dialer.ts'
import { DialledAddresses } from './dialled-addresses.ts'
import { coreErrors } from './errors.ts'
import { limitedSignal } from './limited-signal.ts'
import type { RouteCandidate } from './route-race.ts'
import { RouteRace } from './route-race.ts'
import type { ReportRow, RouteReport } from './route-report.ts'
import { accessRefused } from './trust/access-guard.ts'

/** The longest that one strategy may have others wait, so that some of the race is left for them. */
const MAX_HOLD_MS = 5_000

/** The best first. */
const QUALITIES: readonly RouteQuality[] = ['direct', 'relayed', 'last-resort']

export interface ConnectDeviceOptions {
  readonly device: Device
  readonly dialers: readonly Dialer[]
  readonly localNetwork: NetworkFacts
  /** Only dialers of a better quality take part. */
  readonly betterThan: RouteQuality | undefined
  readonly resolve: (peer: Peer, signal: AbortSignal) => Promise<ResolvedUrl>
  /** Why the device is not to be connected to at an address; null for a way that has none. */
  readonly refuses: (address: string | null) => string | undefined
  readonly report: RouteReport
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly deadlineMs: number
  readonly staggerMs: number
}

export interface Route {
  readonly socket: ByteSocket
  readonly strategy: string
  readonly quality: RouteQuality
  readonly peer: Peer
  /** Strategy and address, for people. */
  readonly description: string
}

/**
 * Connects to a device:
 *
 * 1. every connectable sighting is resolved, side by side;
 * 2. as each answer comes, addresses that may not be connected to are taken out, every dialer assesses what is left, and the usable pairs
 *    join the race; no dialer is given an address twice;
 * 3. the first stream is claimed, the others are aborted, or destroyed when they come too late.
 *
 * The report is complete when this settles.
 * @throws ERR_ROUTE_NONE, ERR_ROUTE_FAILED, or the signal's reason.
 */
export async function connectDevice(options: ConnectDeviceOptions): Promise<Route> {
  const { device, clock, signal, deadlineMs, staggerMs, report } = options
  if (signal.aborted) {
    for (const peer of device.peers) report.row('*', peer, 'access')
    report.failed(signal.reason)
    throw signal.reason
  }
  const race = new RouteRace<Route>({
    clock,
    staggerMs,
    discard: ({ socket }) => {
      destroy(socket)
    }
  })
  const search = new CandidateSearch(options, race)
  const timeout = coreErrors.create('ERR_CORE_TIMEOUT', `Connecting to ${device.displayName} did not finish within ${deadlineMs} ms`)
  const limit = limitedSignal(clock, deadlineMs, () => timeout, signal)
  limit.signal.addEventListener('abort', () => {
    race.cancel(limit.signal.reason)
  })
  try {
    search.run()
    const route = await race.result
    report.connected(route.description)
    return route
  } catch (error) {
    if (signal.aborted && error === signal.reason) {
      report.failed(error)
      throw error
    }
    const failure = search.failure(error === timeout ? timeout : undefined)
    report.failed(error === timeout ? timeout : failure)
    throw failure
  } finally {
    limit.release()
    search.stop()
  }
}

class CandidateSearch {
  readonly #options: ConnectDeviceOptions
  readonly #race: RouteRace<Route>
  readonly #abort = new AbortController()
  readonly #reasons: string[] = []
  readonly #resolveErrors: unknown[] = []
  readonly #dialled = new DialledAddresses()
  #candidates = 0

  constructor(options: ConnectDeviceOptions, race: RouteRace<Route>) {
    this.#options = options
    this.#race = race
  }

  run(): void {
    Promise.all(this.#options.device.peers.map((peer) => this.#search(peer))).then(
      () => {
        this.#race.complete()
      },
      (error: unknown) => {
        this.#race.cancel(error)
      }
    )
  }

  stop(): void {
    this.#abort.abort(new DOMException('The connection is decided', 'AbortError'))
  }

  /** The error of a `connect` without a winner. */
  failure(timeout: Error | undefined): Error {
    const { displayName } = this.#options.device
    const errors = [...this.#resolveErrors, ...this.#race.errors, ...(timeout === undefined ? [] : [timeout])]
    const cause = new AggregateError(errors, errors.map(messageOf).join('; '))
    if (this.#candidates === 0 && timeout === undefined) {
      const reasons = this.#reasons.length === 0 ? ['it has no sighting'] : this.#reasons
      return coreErrors.create('ERR_ROUTE_NONE', `There is no usable route to ${displayName}: ${reasons.join('; ')}`, {
        cause,
        details: { reasons }
      })
    }
    return coreErrors.create('ERR_ROUTE_FAILED', `Cannot connect to ${displayName}: ${errors.map(messageOf).join('; ')}`, { cause })
  }

  async #search(peer: Peer): Promise<void> {
    const { report, dialers, resolve } = this.#options
    if (!peer.connectable) {
      report.row('*', peer, 'assess').skip('The peer cannot be connected to at the moment')
      this.#reasons.push(`${peer.id} cannot be connected to at the moment`)
      return
    }
    const resolving = report.row('*', peer, 'resolve')
    let resolved: ResolvedUrl
    try {
      resolved = await resolve(peer, this.#abort.signal)
    } catch (error) {
      if (this.#abort.signal.aborted) {
        resolving.lost('Decided before the address was known')
        return
      }
      resolving.fail(error)
      this.#resolveErrors.push(error)
      this.#reasons.push(messageOf(error))
      return
    }
    report.drop(resolving)
    report.resolved(peer, resolved)
    if (this.#abort.signal.aborted) return
    const { target, refused } = connectTarget(peer, resolved, this.#options)
    for (const { address, reason } of refused) {
      const row = report.row('*', peer, 'access')
      row.progress('access', address)
      row.skip(reason)
      this.#reasons.push(`${address}: ${reason}`)
    }
    if (dialers.length === 0) this.#reasons.push('there is no transport')
    this.#race.add(dialers.flatMap((dialer) => this.#candidate(dialer, target)))
  }

  #candidate(dialer: Dialer, target: ConnectTarget): Array<RouteCandidate<Route>> {
    const row = this.#options.report.row(dialer.name, target.peer, 'assess')
    const { betterThan, refuses } = this.#options
    if (betterThan !== undefined && QUALITIES.indexOf(dialer.quality) >= QUALITIES.indexOf(betterThan)) {
      row.skip('A better route than the present one is wanted')
      return []
    }
    const verdict = assessRoute(dialer, target, refuses)
    if (!verdict.usable) {
      if (verdict.error === undefined) row.skip(verdict.reason)
      else row.fail(verdict.error)
      this.#reasons.push(`${dialer.name}: ${verdict.reason}`)
      return []
    }
    const { rank, holdMs } = verdict
    this.#candidates++
    return [
      {
        rank,
        holdMs: bounded(holdMs),
        needless: () => {
          if (!this.#dialled.covers(dialer, target.resolved)) return false
          row.skip('Another sighting of the device names the same addresses')
          return true
        },
        start: async (signal) => {
          row.progress('dial')
          const resolved = this.#dialled.take(dialer, target.resolved)
          return await attempt(dialer, Object.freeze({ ...target, resolved: stillAllowed(resolved, refuses) }), row, signal)
        },
        won: () => {
          row.won()
        },
        failed: (error) => {
          row.fail(error)
        },
        lost: (cancelled) => {
          if (cancelled === undefined) row.lost('Another route was faster')
          else row.fail(cancelled.reason)
        },
        skipped: (cancelled) => {
          row.skip(cancelled === undefined ? 'Not tried: another route was faster' : 'Not tried before the end')
        }
      }
    ]
  }
}

async function attempt(dialer: Dialer, target: ConnectTarget, row: ReportRow, signal: AbortSignal): Promise<Route> {
  const progress: AttemptOptions['progress'] = (phase, address) => {
    row.progress(phase, address)
  }
  const socket = await dialer.attempt(target, { signal, progress })
  if (typeof socket?.destroy !== 'function' || typeof socket.write !== 'function') {
    throw coreErrors.create('ERR_ROUTE_BAD_SOCKET', `${dialer.name} returned something that is not a byte stream`)
  }
  if (socket.destroyed)
    throw coreErrors.create('ERR_ROUTE_BAD_SOCKET', `${dialer.name} returned a stream that is closed already`, {
      cause: socket.errored ?? undefined,
      hint: 'The other side may have closed it at once; its log may tell why.'
    })
  const { remoteAddress } = socket as { readonly remoteAddress?: unknown }
  const refusal = dialer.quality === 'direct' && typeof remoteAddress === 'string' ? target.refuses?.(remoteAddress) : undefined
  if (refusal !== undefined) {
    destroy(socket)
    throw accessRefused(String(remoteAddress), refusal)
  }
  if (row.address === undefined) row.progress('dial', authority(target.resolved.url))
  return {
    socket,
    strategy: dialer.name,
    quality: dialer.quality,
    peer: target.peer,
    description: `${dialer.name} ${row.address ?? authority(target.resolved.url)}`
  }
}

/** What is left of the addresses when it is their turn. @throws ERR_ACCESS_REFUSED when nothing is */
function stillAllowed(resolved: ResolvedUrl, refuses: ConnectDeviceOptions['refuses']): ResolvedUrl {
  const reasons = resolved.addresses.map((address) => refuses(address))
  if (reasons.every((reason) => reason === undefined)) return resolved
  const addresses = resolved.addresses.filter((_, index) => reasons[index] === undefined)
  if (addresses.length === 0) throw accessRefused(resolved.addresses.join(', '), reasons.find((reason) => reason !== undefined) ?? '')
  return Object.freeze({ ...resolved, addresses: Object.freeze(addresses) })
}

function destroy(socket: ByteSocket): void {
  socket.on('error', () => {})
  socket.destroy()
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The head start of a strategy, whatever it says; undefined, which means the usual one, for what is no number of milliseconds. */
function bounded(holdMs: number | undefined): number | undefined {
  return holdMs !== undefined && holdMs >= 0 ? Math.min(holdMs, MAX_HOLD_MS) : undefined
}

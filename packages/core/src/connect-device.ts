import type { Clock } from './contracts/clock.ts'
import type { NetworkFacts } from './contracts/network.ts'
import type { Device, Peer, ResolvedUrl } from './contracts/peer.ts'
import type { ByteSocket, ByteSocketFactory } from './contracts/socket.ts'
import type { AttemptOptions, ConnectTarget, TransportStrategy } from './contracts/transport.ts'
import { DialledAddresses } from './dialled-addresses.ts'
import { coreErrors } from './error-catalogue.ts'
import type { RouteCandidate } from './route-race.ts'
import { RouteRace } from './route-race.ts'
import type { ReportRow, RouteReport } from './route-report.ts'

export const CONNECT_DEADLINE_MS = 20_000
export const ROUTE_STAGGER_MS = 250

/** Rank of a provider's own sockets: after the transports that call themselves good, before the ones that relay. */
const PROVIDER_SOCKET_RANK = 50

/** The part of a transport strategy that dials; a provider's own socket factory is made to look like one. */
export type Dialer = Pick<TransportStrategy, 'name' | 'assess' | 'attempt'> & { readonly relayed: boolean }

export interface ConnectDeviceOptions {
  readonly device: Device
  readonly dialers: readonly Dialer[]
  readonly localNetwork: NetworkFacts
  readonly allowRelayed: boolean
  readonly resolve: (peer: Peer, signal: AbortSignal) => Promise<ResolvedUrl>
  readonly report: RouteReport
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly deadlineMs: number
  readonly staggerMs: number
}

export interface Route {
  readonly socket: ByteSocket
  readonly strategy: string
  readonly relayed: boolean
  readonly peer: Peer
  /** Strategy and address, for people. */
  readonly description: string
}

/**
 * Connects to a device:
 *
 * 1. every connectable sighting is resolved, side by side;
 * 2. as each answer comes, every dialer assesses it, and the usable pairs join the race; no dialer is given an address twice;
 * 3. the first stream is claimed, the others are aborted, or destroyed when they come too late.
 *
 * The report is complete when this settles.
 * @throws ERR_ROUTE_NONE, ERR_ROUTE_FAILED, or the signal's reason.
 */
export async function connectDevice(options: ConnectDeviceOptions): Promise<Route> {
  const { device, clock, signal, deadlineMs, staggerMs, report } = options
  signal.throwIfAborted()
  const race = new RouteRace<Route>({
    clock,
    staggerMs,
    discard: ({ socket }) => {
      destroy(socket)
    }
  })
  const search = new CandidateSearch(options, race)
  const timeout = coreErrors.create('ERR_CORE_TIMEOUT', `Connecting to ${device.displayName} did not finish within ${deadlineMs} ms`)
  const cancelDeadline = clock.after(deadlineMs, () => {
    race.cancel(timeout)
  })
  const onAbort = (): void => {
    race.cancel(signal.reason)
  }
  signal.addEventListener('abort', onAbort, { once: true })
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
    cancelDeadline()
    signal.removeEventListener('abort', onAbort)
    search.stop()
  }
}

/** A socket factory of a provider as a strategy of the provider's name, for the provider's own sightings. */
export function providerDialer(provider: string, factory: ByteSocketFactory): Dialer {
  return {
    name: provider,
    relayed: false,
    assess: ({ peer, resolved }) => {
      if (peer.provider !== provider) return { usable: false, reason: `opens sightings of ${provider} only` }
      const scheme = resolved.url.slice(0, resolved.url.indexOf(':'))
      return factory.schemes.includes(scheme)
        ? { usable: true, rank: PROVIDER_SOCKET_RANK }
        : { usable: false, reason: `cannot open ${scheme}: URLs` }
    },
    attempt: ({ resolved }, { signal, progress }) => {
      progress('dial', authority(resolved.url))
      return factory.open(resolved.url, { signal, addresses: resolved.addresses })
    }
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
    const { report, device, dialers, localNetwork, resolve } = this.#options
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
    if (this.#abort.signal.aborted) return
    const target: ConnectTarget = Object.freeze({ device, peer, resolved, localNetwork })
    if (dialers.length === 0) this.#reasons.push('there is no transport')
    this.#race.add(dialers.flatMap((dialer) => this.#candidate(dialer, target)))
  }

  #candidate(dialer: Dialer, target: ConnectTarget): Array<RouteCandidate<Route>> {
    const row = this.#options.report.row(dialer.name, target.peer, 'assess')
    if (dialer.relayed && !this.#options.allowRelayed) {
      row.skip('A better route than a relayed one is wanted')
      return []
    }
    let rank: number
    let holdMs: number | undefined
    try {
      const assessment = dialer.assess(target)
      if (!assessment.usable) {
        row.skip(assessment.reason)
        this.#reasons.push(`${dialer.name}: ${assessment.reason}`)
        return []
      }
      ;({ rank, holdMs } = assessment)
    } catch (error) {
      row.fail(error)
      this.#reasons.push(`${dialer.name}: ${messageOf(error)}`)
      return []
    }
    this.#candidates++
    return [
      {
        rank,
        holdMs,
        needless: () => {
          if (!this.#dialled.covers(dialer, target.resolved)) return false
          row.skip('Another sighting of the device names the same addresses')
          return true
        },
        start: async (signal) => {
          row.progress('dial')
          const resolved = this.#dialled.take(dialer, target.resolved)
          return await attempt(dialer, Object.freeze({ ...target, resolved }), row, signal)
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
  if (row.address === undefined) row.progress('dial', authority(target.resolved.url))
  return {
    socket,
    strategy: dialer.name,
    relayed: dialer.relayed,
    peer: target.peer,
    description: `${dialer.name} ${row.address ?? authority(target.resolved.url)}`
  }
}

/** Host and port of a URL as written. */
function authority(url: string): string {
  return /^[^:]+:\/\/(?:[^/?#@]*@)?([^/?#]+)/.exec(url)?.[1] ?? url
}

function destroy(socket: ByteSocket): void {
  socket.on('error', () => {})
  socket.destroy()
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

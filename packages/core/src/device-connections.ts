import type { CheckedOptions } from './check-options.ts'
import { assessDevice } from './assess-device.ts'
import { connectDevice } from './connect-device.ts'
import type { AssessOptions, ConnectOptions, Connection } from './contracts/discovery.ts'
import type { PeerDiscoveryObserver } from './contracts/observer.ts'
import type { Device, Peer } from './contracts/peer.ts'
import type { ConnectionReport, DeviceAssessment } from './contracts/report.ts'
import type { TransportStrategy } from './contracts/transport.ts'
import type { Diagnostics } from './diagnostics.ts'
import { type Dialer, providerDialer, strategyDialer } from './dialer.ts'
import { DiscoveredPeer } from './discovered-peer.ts'
import { coreErrors } from './errors.ts'
import { joinSignals } from './joined-signals.ts'
import { limitedSignal } from './limited-signal.ts'
import type { NetworkWatch } from './network-view.ts'
import type { ObserverSet } from './observer-set.ts'
import type { ProviderHost } from './provider-host.ts'
import { RouteReport } from './route-report.ts'
import { accessRefused } from './trust/access-guard.ts'
import type { AccessGuard } from './trust/access-guard.ts'

const CONNECT_DEADLINE_MS = 20_000
const ROUTE_STAGGER_MS = 250
const ASSESS_DEADLINE_MS = 5_000
/** Devices whose last connection report is kept. */
const MAX_REPORTS = 1000

export interface DeviceConnectionsParts {
  readonly options: CheckedOptions
  /** Aborts at the shutdown. */
  readonly owner: AbortController
  readonly observers: ObserverSet<PeerDiscoveryObserver>
  readonly hosts: readonly ProviderHost[]
  readonly strategies: readonly TransportStrategy[]
  readonly network: NetworkWatch
  readonly guard: AccessGuard
  readonly diagnostics: Diagnostics
}

/**
 * Connects to listed devices, or says how it would: each time by the dialers there are now, as long as the access rules allow it. Keeps the
 * report of the latest connection to each device.
 */
export class DeviceConnections {
  readonly #parts: DeviceConnectionsParts
  readonly #reports = new Map<string, RouteReport>()

  constructor(parts: DeviceConnectionsParts) {
    this.#parts = parts
  }

  /** @throws ERR_ROUTE_NONE, ERR_ROUTE_FAILED, ERR_ACCESS_REFUSED, the signal's reason */
  async connect(device: Device, options: ConnectOptions): Promise<Connection> {
    const { diagnostics, options: given } = this.#parts
    const { id, displayName } = device
    const { betterThan } = options
    const report = new RouteReport(given.clock, device)
    if (betterThan === undefined) this.#keepReport(id, report)
    return await diagnostics.traceConnect(
      { deviceId: id, displayName, betterThan },
      () => report.snapshot(),
      () => this.#connect(device, report, options)
    )
  }

  /** A sighting that takes too long is told as such. Never rejects. */
  async assess(device: Device, { signal, deadlineMs = ASSESS_DEADLINE_MS }: AssessOptions): Promise<DeviceAssessment> {
    const { guard, options, owner, network } = this.#parts
    const late = (): Error => coreErrors.create('ERR_CORE_TIMEOUT', `Resolving did not finish within ${deadlineMs} ms`)
    const ending = limitedSignal(options.clock, deadlineMs, late, owner.signal, signal)
    try {
      return await assessDevice({
        device,
        dialers: this.#dialers(),
        localNetwork: network.current,
        resolve: resolveShared,
        refused: guard.refusesDevice(device.id),
        refuses: (address) => guard.refusesRoute(device.id, address),
        signal: ending.signal
      })
    } finally {
      ending.release()
    }
  }

  explain(deviceId: string): ConnectionReport | undefined {
    return this.#reports.get(deviceId)?.snapshot()
  }

  /** Drops the reports. */
  forget(): void {
    this.#reports.clear()
  }

  async #connect(device: Device, report: RouteReport, { signal, deadlineMs, betterThan }: ConnectOptions): Promise<Connection> {
    const { guard, options, owner, network, observers } = this.#parts
    const { id } = device
    const ending = joinSignals(owner.signal, signal)
    const checkAccess = (): void => {
      const reason = guard.refusesDevice(id)
      if (reason !== undefined) ending.abort(accessRefused(device.displayName, reason))
    }
    const unwatch = guard.access.onChange(checkAccess)
    try {
      checkAccess()
      const { socket, description, strategy, quality, peer } = await connectDevice({
        device,
        dialers: this.#dialers(),
        betterThan,
        localNetwork: network.current,
        resolve: resolveShared,
        refuses: (address) => guard.refusesRoute(id, address),
        report,
        clock: options.clock,
        signal: ending.signal,
        deadlineMs: deadlineMs ?? CONNECT_DEADLINE_MS,
        staggerMs: ROUTE_STAGGER_MS
      })
      this.#keepReport(id, report)
      return { socket, route: description, strategy, quality, peer, report: report.snapshot() }
    } finally {
      unwatch()
      ending.release()
      observers.notify('connectionReport', report.snapshot())
    }
  }

  #dialers(): Dialer[] {
    const { strategies, hosts } = this.#parts
    const own = hosts.flatMap((host) => {
      const factory = host.socketFactory()
      return factory?.framing === 'bytes' ? [providerDialer(host.name, factory, host.quality)] : []
    })
    return [...strategies.map(strategyDialer), ...own]
  }

  #keepReport(id: string, report: RouteReport): void {
    this.#reports.delete(id)
    this.#reports.set(id, report)
    if (this.#reports.size > MAX_REPORTS) this.#reports.delete(this.#reports.keys().next().value as string)
  }
}

function resolveShared(peer: Peer, signal: AbortSignal): ReturnType<DiscoveredPeer['resolveShared']> {
  return peer instanceof DiscoveredPeer ? peer.resolveShared(signal) : peer.resolveUrl({ signal })
}

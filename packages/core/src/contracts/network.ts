import type { Clock } from './clock.ts'
import type { Logger } from './logger.ts'

/** How far a NAT's choice depends on the remote end (RFC 4787 §4.1 for mappings, §5 for filters). */
export type NatDependence = 'endpoint-independent' | 'address-dependent' | 'address-and-port-dependent'

/**
 * Which external ports a NAT picks (p2pd.md §2.2):
 * `equal`: the local port; `preserving`: a constant distance from the local port; `independent`: the last one plus `delta`, whatever the
 * local port; `dependent`: the last one plus `delta` when the local port is the last one plus 1; `range`: anything from `low` to `high`;
 * `random`: anything at all.
 */
export type PortAllocation =
  | { readonly kind: 'equal' | 'preserving' | 'random' | 'unknown' }
  | { readonly kind: 'independent' | 'dependent'; readonly delta: number }
  | { readonly kind: 'range'; readonly low: number; readonly high: number }

/** What lies between one local address and the internet, for one of TCP and UDP. */
export interface NatBehaviour {
  /** `none`: addresses are not translated; `blocked`: nothing comes back at all; `unknown`: not measured. */
  readonly mapping: NatDependence | 'none' | 'blocked' | 'unknown'
  /** `endpoint-independent`: anyone may send to a mapping that is in use. */
  readonly filtering: NatDependence | 'unknown'
  readonly ports: PortAllocation
}

/** One way out of this machine: an interface's address of one family. */
export interface NetworkRoute {
  /** 0, 1 or 2; the same for both families of an interface. At most three interfaces per family are described (seed 002). */
  readonly interfaceIndex: number
  readonly family: 4 | 6
  readonly localAddress: string
  /** As servers see it; undefined while unknown. */
  readonly externalAddress: string | undefined
  readonly tcp: NatBehaviour
  readonly udp: NatBehaviour
}

/** What is known of a machine's connection to the network. */
export interface NetworkFacts {
  readonly routes: readonly NetworkRoute[]
  /** Wall-clock milliseconds. */
  readonly measuredAt: number
  /** The probe's deadline came before the end, as on a machine that is busy: another measurement may tell more. */
  readonly cutOff?: boolean
}

/** What a device tells others of its connection to the network, and the TCP port it listens on; 0 when it does not listen. */
export interface PeerNetwork {
  readonly routes: readonly NetworkRoute[]
  readonly port: number
}

/** This machine's network, as seen by strategies and providers. */
export interface NetworkView {
  /** The latest facts. Never undefined: without a probe, routes with local addresses and everything else `unknown`. */
  readonly current: NetworkFacts
  /** The returned function ends the subscription. */
  onChange(changed: (facts: NetworkFacts) => void): () => void
}

/** Finds out what lies between this machine and the internet: the NAT probe of `@kithmesh/stun`. */
export interface NetworkProbe {
  /**
   * Measures; settles within the probe's own deadline. What could not be measured is `unknown` in the result, never guessed. Called again after 1, 2, 4 …
   * 32 seconds while a measurement is cut off or no route gets through with TCP, as happens when an address is there before its route is.
   */
  measure(options: { readonly signal: AbortSignal }): Promise<NetworkFacts>
  /** Called when the machine's addresses changed and measuring again makes sense. The returned function ends the subscription. */
  onStale(stale: () => void): () => void
  shutdown(): Promise<void>
}

export interface NetworkProbeFactory {
  readonly name: string
  create(context: { readonly logger: Logger; readonly clock: Clock }): NetworkProbe
}

import type { NatBehaviour } from '@kithmesh/core'

/** An IP literal and a TCP port. */
export interface Endpoint {
  readonly address: string
  readonly port: number
}

/** One end of one hole: where a device punches from, and what is known of its router. Exchanged in both directions. */
export interface PunchCandidate {
  /** Tells the pair of routes; the same number on both sides. */
  readonly pair: number
  readonly family: 4 | 6
  /** Where the sockets are bound. */
  readonly local: Endpoint
  /** What a STUN server saw of {@link local}, or of the port before it where the router counts by local ports; undefined when none answered. */
  readonly mapped: Endpoint | undefined
  readonly behaviour: NatBehaviour
  /** In an offer: the index of the other device's interface that this candidate is for. */
  readonly towards?: number
}

/** The behaviour that matters for punching: a device that sees its own address from outside has no NAT, whatever was measured. */
export function effectiveBehaviour({ local, mapped, behaviour }: PunchCandidate): NatBehaviour {
  const untranslated = mapped === undefined ? behaviour.mapping === 'none' : mapped.address === local.address && mapped.port === local.port
  return untranslated ? { ...behaviour, mapping: 'none', ports: { kind: 'equal' } } : behaviour
}

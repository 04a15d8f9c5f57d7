import type { NatBehaviour } from '@kithmesh/core'
import { sameAddress } from '../codec/transport-address.ts'
import type { TransportAddress } from '../codec/transport-address.ts'
import { classifyFiltering } from './filtering.ts'
import type { FilteringObservation } from './filtering.ts'
import { classifyMapping } from './mapping.ts'
import type { DistrustedServer, MappingObservation, MappingVerdict } from './mapping.ts'
import { classifyPorts, classifyUnordered } from './port-allocation.ts'
import type { PortObservation } from './port-allocation.ts'

/** A new mapping, and who told of it. */
export interface SeenPort extends PortObservation {
  readonly server: string
  readonly address: string
}

/** All that was seen over one protocol from one local address. */
export interface Findings {
  /** The port of all observations in `mapping`. */
  local: TransportAddress | undefined
  /** How often servers were asked; `refused` when something other than an address came back. */
  asked: number
  refused: number
  readonly mapping: MappingObservation[]
  readonly filtering: FilteringObservation[]
  /** Ports in no particular order. */
  readonly unordered: SeenPort[]
  readonly scattered: SeenPort[]
  readonly consecutive: SeenPort[]
}

export function noFindings(): Findings {
  return { local: undefined, asked: 0, refused: 0, mapping: [], filtering: [], unordered: [], scattered: [], consecutive: [] }
}

/** What follows from findings. */
export interface Conclusion {
  readonly behaviour: NatBehaviour
  readonly externalAddress: string | undefined
  readonly distrusted: readonly DistrustedServer[]
  /** The servers contradict each other, and none has a majority. */
  readonly contradiction: boolean
}

/** The rule of mappings so far. */
export function mappingOf({ local, mapping }: Findings): MappingVerdict {
  return local === undefined
    ? { mapping: 'unknown', externalAddress: undefined, believed: [], distrusted: [] }
    : classifyMapping(local, mapping)
}

/** Whether a series of ports, in the order of time, would tell more. */
export function needsSeries(findings: Findings): boolean {
  const verdict = mappingOf(findings)
  if (verdict.believed.length === 0 || verdict.mapping === 'none') return false
  if (classifyUnordered(credible(findings.unordered, verdict)) !== undefined) return false
  return portsOf(findings, verdict).kind === 'unknown'
}

/** Pure. Nothing is `blocked` that was not asked, and nothing that answered in whatever way. */
export function classifyNat(findings: Findings): Conclusion {
  const verdict = mappingOf(findings)
  const { externalAddress, distrusted, believed } = verdict
  const filtering = classifyFiltering(findings.filtering)
  const isTrusted = ({ server }: MappingObservation): boolean => !distrusted.some((entry) => entry.server === server)
  const contradiction = believed.length === 0 && findings.mapping.some(isTrusted)
  if (findings.mapping.length === 0) {
    const mapping = findings.asked > 0 && findings.refused === 0 ? 'blocked' : 'unknown'
    return { behaviour: { mapping, filtering: 'unknown', ports: { kind: 'unknown' } }, externalAddress, distrusted, contradiction: false }
  }
  return {
    behaviour: { mapping: verdict.mapping, filtering, ports: portsOf(findings, verdict) },
    externalAddress,
    distrusted,
    contradiction
  }
}

/**
 * TCP's filtering. No server can be asked to connect from elsewhere, so it is that of UDP where the two protocols are mapped alike, and unknown
 * otherwise.
 */
export function withFilteringOf(tcp: NatBehaviour, udp: NatBehaviour): NatBehaviour {
  const alike = tcp.mapping === udp.mapping && tcp.mapping !== 'unknown' && tcp.mapping !== 'blocked'
  return alike && tcp.filtering === 'unknown' ? { ...tcp, filtering: udp.filtering } : tcp
}

function portsOf(findings: Findings, verdict: MappingVerdict): NatBehaviour['ports'] {
  if (verdict.mapping === 'none') return { kind: 'equal' }
  const scattered = credible(findings.scattered, verdict)
  const consecutive = credible(findings.consecutive, verdict)
  const unordered = classifyUnordered([...credible(findings.unordered, verdict), ...scattered])
  return unordered ?? classifyPorts({ scattered, consecutive })
}

function credible(ports: readonly SeenPort[], { externalAddress, distrusted }: MappingVerdict): SeenPort[] {
  return ports.filter(
    ({ server, address }) =>
      externalAddress !== undefined && sameAddress(address, externalAddress) && !distrusted.some((entry) => entry.server === server)
  )
}

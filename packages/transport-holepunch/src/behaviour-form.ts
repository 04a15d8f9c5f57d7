import type { NatBehaviour, PortAllocation } from '@kithmesh/core'
import { punchErrors } from './errors.ts'

const MAPPINGS: readonly string[] = [
  'none',
  'endpoint-independent',
  'address-dependent',
  'address-and-port-dependent',
  'blocked',
  'unknown'
] satisfies ReadonlyArray<NatBehaviour['mapping']>
const FILTERINGS: readonly string[] = [
  'endpoint-independent',
  'address-dependent',
  'address-and-port-dependent',
  'unknown'
] satisfies ReadonlyArray<NatBehaviour['filtering']>
/** More than all ports is no step. */
const MAX_DELTA = 65_535

/** Reads what another device says of its router. @throws ERR_PUNCH_MESSAGE */
export function readBehaviour(value: unknown): NatBehaviour {
  if (typeof value !== 'object' || value === null) throw malformed('a behaviour')
  const { mapping, filtering, ports } = value as Record<string, unknown>
  if (typeof mapping !== 'string' || !MAPPINGS.includes(mapping)) throw malformed('a mapping rule')
  if (typeof filtering !== 'string' || !FILTERINGS.includes(filtering)) throw malformed('a filter rule')
  return {
    mapping: mapping as NatBehaviour['mapping'],
    filtering: filtering as NatBehaviour['filtering'],
    ports: readAllocation(ports)
  }
}

function readAllocation(value: unknown): PortAllocation {
  if (typeof value !== 'object' || value === null) throw malformed('a port allocation')
  const { kind, delta, low, high } = value as Record<string, unknown>
  switch (kind) {
    case 'equal':
    case 'preserving':
    case 'random':
    case 'unknown':
      return { kind }
    case 'independent':
    case 'dependent':
      if (!isInteger(delta, -MAX_DELTA, MAX_DELTA) || delta === 0) throw malformed('a port step')
      return { kind, delta }
    case 'range':
      if (!isInteger(low, 1, 65_535) || !isInteger(high, low, 65_535)) throw malformed('a port range')
      return { kind, low, high }
    default:
      throw malformed('a port allocation')
  }
}

export function isInteger(value: unknown, low: number, high: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= low && value <= high
}

/** Says which part of a message is malformed, without repeating it. */
export function malformed(what: string): Error {
  return punchErrors.create('ERR_PUNCH_MESSAGE', `The other device sent ${what} that cannot be used`)
}

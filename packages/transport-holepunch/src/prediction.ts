import { FAN_OUT, predictability } from './behaviour.ts'
import { effectiveBehaviour, type PunchCandidate } from './candidate.ts'

/** Ports below are not handed out to ordinary programs, and routers wrap their counters above them. */
const LOWEST = 1_024
const PORTS = 65_536 - LOWEST
/** Tried where it is not known how the router picks ports: it may keep the mapping, or count by ones. */
const BLIND_FAN_OUT = 4

/**
 * The external ports that packets of a candidate towards us may come from, the likeliest first; empty when its router picks at random.
 * By the rule for each kind of allocation of p2pd.md §5.3, on top of the mapping that STUN has just shown.
 * @param limit how many ports we can afford to try, see {@link FAN_OUT}
 */
export function predictPorts(candidate: PunchCandidate, limit: number = FAN_OUT): readonly number[] {
  const { local, mapped } = candidate
  const behaviour = effectiveBehaviour(candidate)
  if (mapped === undefined) return [local.port]
  const { ports } = behaviour
  switch (predictability(behaviour)) {
    case 'random':
    case 'blocked':
      return []
    case 'stable':
      return [mapped.port]
    case 'unknown':
      return series(mapped.port - 1, 1, Math.min(limit, BLIND_FAN_OUT))
    case 'predictable':
      switch (ports.kind) {
        case 'equal':
          return [local.port]
        case 'independent':
        case 'dependent':
          return series(mapped.port, ports.delta, limit)
        case 'range':
          return Array.from({ length: Math.min(limit, ports.high - ports.low + 1) }, (_, index) => ports.low + index)
        default:
          return [mapped.port]
      }
  }
}

/** The next ports of a counter, wrapped into the usable ones, each once. */
function series(last: number, step: number, length: number): number[] {
  const next = Array.from({ length }, (_, index) => LOWEST + modulo(last + step * (index + 1) - LOWEST, PORTS))
  return [...new Set(next)]
}

function modulo(value: number, divisor: number): number {
  return ((value % divisor) + divisor) % divisor
}

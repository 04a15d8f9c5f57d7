import type { PortAllocation } from '@kithmesh/core'

/** One new mapping: the local port, and the external one that was picked for it. */
export interface PortObservation {
  readonly local: number
  readonly external: number
}

/** Series of mappings in the order in which they were made. */
export interface PortSeries {
  /** From local ports that are not neighbours. */
  readonly scattered: readonly PortObservation[]
  /** From local ports each of which is the one before plus 1. */
  readonly consecutive: readonly PortObservation[]
}

const PORTS = 65_536
/** Steps a counter is believed to make. Larger ones that repeat would be a coincidence, or a rule that nobody can use. */
const MAX_STEP = 1_024
/** How many flows of others may come between two mappings. */
const MAX_FOREIGN_FLOWS = 3
/** Mappings that have to agree before a rule is believed. */
const MIN_AGREEING = 3
/** How many ports must have been seen before they are said to come from a range. */
const MIN_FOR_RANGE = 14
/** A range is called one when it has no more than this part of all ports above the well-known ones. */
const RANGE_PART = 0.6
/** Ranges end at multiples of this, so that two measurements of one NAT come to the same. */
const RANGE_GRAIN = 1_024

/** Whether ports of any local port tell the rule already, so that no series in the order of time is needed. */
export function classifyUnordered(observations: readonly PortObservation[]): PortAllocation | undefined {
  const distinct = [...new Map(observations.map((observation) => [observation.local, observation])).values()]
  if (isMost(distinct, ({ local, external }) => local === external)) return { kind: 'equal' }
  const distances = distinct.map(({ local, external }) => modulo(external - local))
  const common = mostFrequent(distances)
  return common !== undefined && isMost(distances, (distance) => distance === common) ? { kind: 'preserving' } : undefined
}

/**
 * How a NAT picks external ports (p2pd.md §2.2). Each rule has to hold for most mappings, not for all, so that a flow of another program in
 * between, a port that was taken or a counter that starts over does not hide it. Mappings are given in the order in which they were made.
 */
export function classifyPorts({ scattered, consecutive }: PortSeries): PortAllocation {
  const unordered = classifyUnordered(scattered)
  if (unordered !== undefined) return unordered
  const independent = stepOf(scattered)
  if (independent !== undefined) return { kind: 'independent', delta: independent }
  const dependent = stepOf(consecutive)
  if (dependent !== undefined) return scattered.length < MIN_AGREEING ? { kind: 'unknown' } : { kind: 'dependent', delta: dependent }
  if (scattered.length <= MIN_AGREEING || consecutive.length <= MIN_AGREEING) return { kind: 'unknown' }
  return rangeOf([...scattered, ...consecutive].map(({ external }) => external)) ?? { kind: 'random' }
}

/**
 * The step from one external port to the next: of those seen, the one that explains most of them, where a counter that others used in between
 * has made several steps at once.
 */
function stepOf(series: readonly PortObservation[]): number | undefined {
  const steps = series.slice(1).map(({ external }, index) => signed(external - (series[index]?.external ?? 0)))
  const candidates = [...new Set(steps)].filter((step) => step !== 0 && Math.abs(step) <= MAX_STEP)
  const explained = (step: number): number => steps.filter((seen) => isMultiple(seen, step)).length
  const [best] = candidates.sort((a, b) => explained(b) - explained(a) || Math.abs(a) - Math.abs(b))
  return best !== undefined && isMost(steps, (seen) => isMultiple(seen, best)) ? best : undefined
}

function isMultiple(seen: number, step: number): boolean {
  const count = seen / step
  return Number.isInteger(count) && count >= 1 && count <= 1 + MAX_FOREIGN_FLOWS
}

/** More than half, and at least three. */
function isMost<T>(list: readonly T[], test: (item: T) => boolean): boolean {
  const count = list.filter(test).length
  return count >= MIN_AGREEING && 2 * count > list.length
}

function mostFrequent(values: readonly number[]): number | undefined {
  const counts = new Map<number, number>()
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  return [...counts].sort(([, a], [, b]) => b - a)[0]?.[0]
}

/** A part of all ports, when what was seen lies so close together that it can hardly be chance. */
function rangeOf(ports: readonly number[]): PortAllocation | undefined {
  if (ports.length < MIN_FOR_RANGE) return undefined
  const low = Math.min(...ports)
  const high = Math.max(...ports)
  const margin = (high - low) / (ports.length - 1)
  if (high - low + 2 * margin > RANGE_PART * (PORTS - RANGE_GRAIN)) return undefined
  return {
    kind: 'range',
    low: Math.max(1, Math.floor((low - margin) / RANGE_GRAIN) * RANGE_GRAIN),
    high: Math.min(PORTS - 1, Math.ceil((high + margin + 1) / RANGE_GRAIN) * RANGE_GRAIN - 1)
  }
}

function modulo(value: number): number {
  return ((value % PORTS) + PORTS) % PORTS
}

/** The difference of two ports the short way round. */
function signed(value: number): number {
  const positive = modulo(value)
  return positive > PORTS / 2 ? positive - PORTS : positive
}

import type { NetworkRoute } from '@kithmesh/core'
import { tcpBehaviour } from './behaviour.ts'
import { feasibility, type Feasibility } from './feasibility.ts'
import { isPrivate, sameSubnet } from './same-network.ts'

/** One of our ways out and one of theirs that a hole may be punched between. */
export interface RoutePair {
  readonly mine: NetworkRoute
  readonly theirs: NetworkRoute
  readonly feasibility: Feasibility
}

/** More pairs are not tried: the likeliest ones come first (p2pd.md §4: four in the original). */
export const MAX_PAIRS = 4

const ORDER = { likely: 0, unknown: 1, unlikely: 2, impossible: 3 } as const

/**
 * Pairs the routes of two devices for punching: same family, each route at most once, the likeliest pair first. Pairs that cannot work
 * are left out; when none can, `impossible` holds the reasons.
 */
export function pairRoutes(
  mine: readonly NetworkRoute[],
  theirs: readonly NetworkRoute[]
): { readonly pairs: readonly RoutePair[]; readonly impossible: readonly string[] } {
  const all = mine.flatMap((one) =>
    theirs.filter(({ family }) => family === one.family).map((other) => ({ mine: one, theirs: other, feasibility: judge(one, other) }))
  )
  const ranked = all
    .map((pair, index) => ({ pair, index, order: ORDER[pair.feasibility.outcome] }))
    .sort((a, b) => a.order - b.order || a.index - b.index)
    .map(({ pair }) => pair)
  const pairs: RoutePair[] = []
  for (const pair of ranked) {
    if (pair.feasibility.outcome === 'impossible' || pairs.length === MAX_PAIRS) break
    if (!pairs.some((taken) => taken.mine === pair.mine || taken.theirs === pair.theirs)) pairs.push(pair)
  }
  const reasons = all.flatMap(({ feasibility: verdict }) => (verdict.outcome === 'impossible' ? [verdict.reason] : []))
  return { pairs, impossible: [...new Set(reasons)] }
}

/** Behind one router, or in one network, no NAT lies between the two: their own addresses may do. */
function judge(mine: NetworkRoute, theirs: NetworkRoute): Feasibility {
  const verdict = feasibility(tcpBehaviour(mine), tcpBehaviour(theirs))
  if (!behindOneRouter(mine, theirs)) return verdict
  return sameSubnet(mine.localAddress, theirs.localAddress) ? { outcome: 'likely' } : { outcome: 'unknown' }
}

function behindOneRouter(mine: NetworkRoute, theirs: NetworkRoute): boolean {
  if (mine.externalAddress !== undefined && theirs.externalAddress !== undefined) return mine.externalAddress === theirs.externalAddress
  return isPrivate(mine.localAddress) && isPrivate(theirs.localAddress) && sameSubnet(mine.localAddress, theirs.localAddress)
}

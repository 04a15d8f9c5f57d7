import type { LinkTopology, WantReason } from './contracts.ts'
import type { Standing } from './standings.ts'

/** Which link goes first when one must: of poor quality, then the youngest. */
const worse = { direct: 0, relayed: 1, 'last-resort': 2 } as const

/** Whether a link that nobody wants may end. */
export function mayEnd(standing: Standing, degree: number, target: number, topology: LinkTopology): boolean {
  // Too little is known of what lies behind the neighbour, as when many came at once and news are slow: both being linked well, they will not be parted.
  return isExpendable(standing, topology, () => degree > target && (topology.degreeOf(standing.place.id) ?? 0) > target)
}

/**
 * The link that goes when there are too many: of the lowest class below `classes` (0: neither side wants it; 1: only the other side does, or it is a stand-in;
 * 2: we do), and not one without which the mesh would fall apart.
 *
 * Unless hardly any of our links are such as we want: devices that make themselves bridges could surround us otherwise. We keep half of the target for
 * ourselves, so at most the youngest of so many bridges go.
 */
export function leastWanted(
  connected: Iterable<Standing>,
  classes: 1 | 2,
  wanted: ReadonlyMap<string, WantReason>,
  topology: LinkTopology,
  target: number
): Standing | undefined {
  const found: { readonly standing: Standing; readonly rank: number }[] = []
  let ours = 0
  for (const standing of connected) {
    const reason = wanted.get(standing.place.id)
    if (reason !== undefined && reason !== 'stand-in') {
      ours++
      continue
    }
    const rank = standing.wantedByPeer || reason !== undefined ? 1 : 0
    if (rank < classes) found.push({ standing, rank })
  }
  found.sort((a, b) => a.rank - b.rank || quality(b.standing) - quality(a.standing) || b.standing.since - a.standing.since)
  const expendable = found.find(({ standing }) => isExpendable(standing, topology, () => (topology.degreeOf(standing.place.id) ?? 0) >= 2))
  return (expendable ?? (classes === 2 && ours < target / 2 ? found[0] : undefined))?.standing
}

/** Once a link was seen to be a bridge, only the knowledge of another way makes it expendable, and not that something became unclear. */
function isExpendable(standing: Standing, topology: LinkTopology, unknown: () => boolean): boolean {
  const role = topology.role(standing.place.id)
  if (role !== 'unknown') standing.bridge = role === 'bridge'
  return role === 'redundant' || (role === 'unknown' && !standing.bridge && unknown())
}

function quality(standing: Standing): number {
  return worse[standing.link?.quality ?? 'direct']
}

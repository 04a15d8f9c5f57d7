import { isPeerId, type Assessment, type ConnectTarget } from '@kithmesh/core'
import { pairRoutes } from './route-pairs.ts'

const RANK = 40
/** Added where nothing is known, and where a counter must be guessed on both sides. */
const UNKNOWN_PENALTY = 5
const UNLIKELY_PENALTY = 20
/** A punch that is likely gets this long before strategies that cost more are begun. */
const LIKELY_HOLD_MS = 1_500

/** Whether a hole can be punched to the target, and how early to try: what physics allows, by the facts of both networks. Pure. */
export function assessPunch({ device, resolved, localNetwork }: ConnectTarget): Assessment {
  if (!isPeerId(device.id)) return unusable('the device does not say who it is, so it cannot be asked to take part')
  if (resolved.network === undefined) return unusable('the device was found without a way to signal to it, which hole punching needs')
  const theirs = resolved.network.routes
  if (theirs.length === 0) return unusable('nothing is known of the network of the other device')
  if (localNetwork.routes.length === 0) return unusable('this machine has no network connection')
  const { pairs, impossible } = pairRoutes(localNetwork.routes, theirs)
  const best = pairs[0]?.feasibility.outcome
  if (best === undefined)
    return unusable(impossible.length > 0 ? impossible.join('; ') : 'the two devices have no address family in common')
  if (best === 'likely') return { usable: true, rank: RANK, holdMs: LIKELY_HOLD_MS }
  return { usable: true, rank: RANK + (best === 'unlikely' ? UNLIKELY_PENALTY : UNKNOWN_PENALTY) }
}

function unusable(reason: string): Assessment {
  return { usable: false, reason }
}

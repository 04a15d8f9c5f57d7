import type { NatBehaviour } from '@kithmesh/core'
import { admission, predictability } from './behaviour.ts'

/** What physics allows between two NATs, before anything was tried. */
export type Feasibility =
  | { readonly outcome: 'likely' | 'unknown' | 'unlikely' }
  | { readonly outcome: 'impossible' /** For people, in words of `mine` and `theirs`. */; readonly reason: string }

/**
 * Whether a TCP connection can be punched between two NATs: the matrix of nat-lab.md §4 as a rule. One side must be able to name a port
 * of the other, or let in packets from a port that nobody could name. Symmetric but for the wording of the reason.
 */
export function feasibility(mine: NatBehaviour, theirs: NatBehaviour): Feasibility {
  const [here, there] = [predictability(mine), predictability(theirs)]
  if (here === 'blocked') return impossible('TCP to the internet is blocked on this side: only a relay by another protocol can work')
  if (there === 'blocked') return impossible('TCP to the internet is blocked on the other side: only a relay by another protocol can work')
  if (here === 'random' && there === 'random')
    return impossible('both routers pick random ports for each destination: only a relay can work')
  if (here === 'random') return againstRandom(theirs, 'this', 'the other')
  if (there === 'random') return againstRandom(mine, 'the other', 'this')
  if (here === 'unknown' || there === 'unknown') return { outcome: 'unknown' }
  return { outcome: here === 'predictable' && there === 'predictable' ? 'unlikely' : 'likely' }
}

/** One router picks random ports; the connection must come from it, and the filter of the other one decides. */
function againstRandom(filtering: NatBehaviour, random: string, filter: string): Feasibility {
  switch (admission(filtering)) {
    case 'same-endpoint':
      return impossible(
        `${random} router picks random ports for each destination, and ${filter} one lets in only ports it has sent to: only a relay can work`
      )
    case 'unknown':
      return { outcome: 'unknown' }
    default:
      return { outcome: predictability(filtering) === 'stable' ? 'likely' : 'unlikely' }
  }
}

function impossible(reason: string): Feasibility {
  return { outcome: 'impossible', reason }
}

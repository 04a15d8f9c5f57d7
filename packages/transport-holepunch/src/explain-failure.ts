import type { PunchPlan } from './plan.ts'
import type { PunchCounts } from './puncher.ts'

/** Says what probably stood in the way, by what happened to our packets. Pure. */
export function explainFailure(plans: readonly PunchPlan[], counts: PunchCounts): { readonly message: string; readonly hint: string } {
  const { dials, refused, unreachable, opened } = counts
  const tried = `in ${dials} tries`
  if (opened > 0)
    return {
      message: `No connection came about ${tried}: those that opened led to somebody else or carried nothing`,
      hint: 'Another machine answers at the address of the other device, or a firewall lets connections open and drops what they carry.'
    }
  if (refused > dials / 2)
    return {
      message: `No connection came about ${tried}: the other side answered with resets`,
      hint: 'The other router answers with resets and both are very close, so that one always comes too early; or its port was guessed wrong. A relay works.'
    }
  if (unreachable > dials / 2)
    return {
      message: `No connection came about ${tried}: a router on the way says that the other side cannot be reached`,
      hint: 'The other router rejects what it did not ask for, or there is no way to its network. A relay works.'
    }
  if (plans.some(({ second, targets }) => second || targets.length > 2))
    return {
      message: `No connection came about ${tried}: nothing was heard from the ports that were guessed`,
      hint: 'A router that counts its ports was used by others meanwhile; trying again may do, a relay works.'
    }
  return {
    message: `No connection came about ${tried}: nothing was heard from the other side`,
    hint: 'A firewall drops what comes in although it was asked for, or the other router uses another port than it showed. A relay works.'
  }
}

import { admission, changes, FAN_OUT, predictability } from './behaviour.ts'
import { effectiveBehaviour, type Endpoint, type PunchCandidate } from './candidate.ts'
import { predictPorts } from './prediction.ts'
import { sameSubnet } from './same-network.ts'

/** What one side does for one pair of candidates. */
export interface PunchPlan {
  readonly pair: number
  readonly local: Endpoint
  /** Where to connect to from {@link local}, all at once. */
  readonly targets: readonly Endpoint[]
  /** Each new flow of ours takes another port of our router: dial seldom, and after the other side has opened its hole. */
  readonly second: boolean
  /**
   * Milliseconds between a refusal and the next try, drawn anew each time from 0 to this. Two sides that refuse each other meet within
   * a few hundred tries of 4 ms (nat-lab.md §4.1).
   */
  readonly retryMs: number
  /** Whether a try may follow at once on one that was refused. */
  readonly bursts: boolean
  /**
   * When to listen on the punch port. `at-once`: packets will come from a port that nobody could name, and our router lets them in
   * (nat-lab.md §4), so that dialling cannot meet them. `later`: our router may let them in, and dialling alone has had its time.
   * `never`, and so nothing for strangers to find, behind the usual routers, which let in only what was dialled.
   */
  readonly listen: 'never' | 'at-once' | 'later'
}

const QUICK_RETRY_MS = 4
/** With many targets: as many packets altogether as with one. */
const FANNED_RETRY_MS = QUICK_RETRY_MS * FAN_OUT
/** Where every try costs a port, or only opens a filter. */
const SPARING_RETRY_MS = 200

/** Decides what we do for a pair of candidates; the other side decides likewise with the two exchanged. Pure. */
export function planPunch(mine: PunchCandidate, theirs: PunchCandidate): PunchPlan {
  const [here, there] = [effectiveBehaviour(mine), effectiveBehaviour(theirs)]
  const fanOut = changes(here) ? 1 : FAN_OUT
  const addresses = targetAddresses(mine, theirs)
  const targets = dedupe(
    addresses.flatMap(({ address, translated }) =>
      (translated ? orOpener(theirs, predictPorts(theirs, fanOut)) : [theirs.local.port]).map((port) => ({ address, port }))
    )
  ).filter(({ address, port }) => address !== mine.local.address || port !== mine.local.port)
  const within = addresses.some(({ translated }) => !translated)
  const listen = whenToListen(mine, theirs, within)
  const sparing = (changes(here) && !within) || listen === 'at-once'
  return {
    pair: mine.pair,
    local: mine.local,
    targets,
    second: changes(here) && !changes(there),
    retryMs: sparing ? SPARING_RETRY_MS : targets.length > 2 ? FANNED_RETRY_MS : QUICK_RETRY_MS,
    bursts: !sparing,
    listen
  }
}

/** Whether two devices seem to be behind one router: it shows them to the world under one address. */
function behindOneRouter(mine: PunchCandidate, theirs: PunchCandidate): boolean {
  return mine.mapped !== undefined && theirs.mapped !== undefined && mine.mapped.address === theirs.mapped.address
}

/**
 * The address to dial: the external one; behind one router also the local one, because few routers let packets turn round (hairpin),
 * and first, when both seem to be in one network.
 */
function targetAddresses(mine: PunchCandidate, theirs: PunchCandidate): ReadonlyArray<{ address: string; translated: boolean }> {
  const local = { address: theirs.local.address, translated: false }
  if (theirs.mapped === undefined) return [local]
  const external = { address: theirs.mapped.address, translated: true }
  if (!behindOneRouter(mine, theirs)) return [external]
  if (mine.local.address === theirs.local.address) return [local]
  return sameSubnet(mine.local.address, theirs.local.address) ? [local, external] : [external, local]
}

/** A packet to any port of an address that picks ports at random opens a filter that goes by addresses. */
function orOpener({ mapped, local }: PunchCandidate, predicted: readonly number[]): readonly number[] {
  return predicted.length > 0 ? predicted : [(mapped ?? local).port]
}

/** @param within whether we may meet without our router in between, so that its filter says nothing */
function whenToListen(mine: PunchCandidate, theirs: PunchCandidate, within: boolean): PunchPlan['listen'] {
  const [here, there] = [effectiveBehaviour(mine), effectiveBehaviour(theirs)]
  const admits = admission(here)
  // What our router lets in comes from a port that we dial, and meets the socket that does.
  if (!within && (admits === 'same-endpoint' || changes(here))) return 'never'
  return predictability(there) === 'random' && !within && admits !== 'unknown' ? 'at-once' : 'later'
}

function dedupe(endpoints: readonly Endpoint[]): Endpoint[] {
  return endpoints.filter(
    ({ address, port }, index) => endpoints.findIndex((each) => each.address === address && each.port === port) === index
  )
}

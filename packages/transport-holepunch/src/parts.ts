import type { TransportContext } from '@kithmesh/core'
import { formatEndpoint } from '@kithmesh/core/plugin'
import type { Calls } from './calls.ts'
import type { Endpoint } from './candidate.ts'
import { punchErrors } from './errors.ts'
import type { BindTcp, PortRange } from './mapping.ts'
import type { ClockReading } from './messages.ts'
import type { PunchPlan } from './plan.ts'
import type { ServerOrder } from './server-order.ts'
import type { Slots } from './slots.ts'

/** A clock that agrees with those of other machines, such as the one of `@kithmesh/network-clock`. */
export interface NetworkClockLike {
  /** Wall-clock milliseconds, corrected. */
  now(): number
  /** How far `now()` may be off; Infinity while it is not synchronised. */
  readonly uncertaintyMs: number
}

/** What both roles of one strategy share. */
export interface PunchParts {
  readonly context: TransportContext
  readonly bind: BindTcp
  readonly stun: ServerOrder
  readonly ports: PortRange
  readonly networkClock: NetworkClockLike | undefined
  readonly random: () => number
  /** Milliseconds from the beginning of a round until it is given up. */
  readonly punchMs: number
  readonly slots: Slots
  readonly calls: Calls
  /** Whether anybody accepts streams now. */
  listens(): boolean
}

/** Uncertainties above say nothing. */
const MAX_UNCERTAINTY_MS = 60_000

/** The network clock now; undefined when there is none, or it is not synchronised. */
export function readClock({ networkClock }: PunchParts): ClockReading | undefined {
  if (networkClock === undefined) return undefined
  const { uncertaintyMs } = networkClock
  return uncertaintyMs >= 0 && uncertaintyMs <= MAX_UNCERTAINTY_MS ? { at: networkClock.now(), uncertaintyMs } : undefined
}

/**
 * Leaves out the targets that the dial policy forbids; it is asked once for each address of a plan, not for each port that was guessed.
 * @throws ERR_PUNCH_ADDRESS with the reasons, when nothing is left to do
 */
export function allowedPlans(plans: readonly PunchPlan[], peerId: string, { context }: PunchParts): readonly PunchPlan[] {
  const refused = new Map<string, string | undefined>()
  const refusal = ({ address, port }: Endpoint): string | undefined => {
    if (!refused.has(address)) refused.set(address, context.dialPolicy.refuse(peerId, address, port))
    return refused.get(address)
  }
  const allowed = plans
    .map((plan) => ({ ...plan, targets: plan.targets.filter((target) => refusal(target) === undefined) }))
    .filter(({ targets }) => targets.length > 0)
  if (allowed.length > 0) return allowed
  const reasons = plans.flatMap(({ targets }) => targets.slice(0, 1).map((target) => `${formatEndpoint(target)}: ${refusal(target)}`))
  throw punchErrors.create('ERR_PUNCH_ADDRESS', `No address of the other device may be dialled (${reasons.join('; ')})`)
}

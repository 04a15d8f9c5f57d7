import { randomBytes } from 'node:crypto'
import type { ByteSocket, NetworkRoute, SignalingBody } from '@kithmesh/core'
import { formatEndpoint, joinSignals } from '@kithmesh/core/plugin'
import type { PunchCandidate } from './candidate.ts'
import { effectiveBehaviour } from './candidate.ts'
import { punchErrors } from './errors.ts'
import { feasibility } from './feasibility.ts'
import { gather, type Gathered, type GatheredRoute } from './gather.ts'
import { attemptKey } from './hello-frames.ts'
import { HoldBudget } from './hold-budget.ts'
import { readRequest, writeAnswer, type PunchAnswer, type PunchOffer } from './messages.ts'
import { allowedPlans, readClock, type PunchParts } from './parts.ts'
import { planPunch, type PunchPlan } from './plan.ts'
import { punchRound } from './round.ts'
import { chooseStart } from './schedule.ts'

/** Attempts of all peers together, waiting ones included; more are told to come back. */
const MAX_ANSWERING = 16
const MAX_PER_PEER = 2
/** How long an attempt may wait for others; well within the time the other device waits for an answer. */
const SLOT_MS = 3_000

/** Takes part in the attempts of other devices. */
export class Responder {
  readonly #parts: PunchParts
  readonly #accept: (socket: ByteSocket, remote: string) => void
  readonly #budget: HoldBudget

  /** @param accept takes over the streams that come about */
  constructor(parts: PunchParts, accept: (socket: ByteSocket, remote: string) => void) {
    this.#parts = parts
    this.#accept = accept
    this.#budget = new HoldBudget(parts.context.clock)
  }

  /** Answers an offer, or takes a cancellation. @throws ERR_PUNCH_* what the other device is to be told */
  async handle(from: string, body: SignalingBody, signal: AbortSignal): Promise<SignalingBody | undefined> {
    const request = readRequest(body)
    const { calls } = this.#parts
    if ('cancel' in request) {
      calls.cancel(from, request.cancel.toString('hex'))
      return undefined
    }
    const { offer } = request
    if (!this.#parts.listens()) throw punchErrors.create('ERR_PUNCH_NOT_LISTENING', 'This device accepts no connections')
    if (calls.incoming >= MAX_ANSWERING || calls.incomingOf(from) >= MAX_PER_PEER || this.#budget.exhausted(from))
      throw punchErrors.create('ERR_PUNCH_BUSY', 'This device has too many attempts to answer')
    const controller = new AbortController()
    const end = calls.answer(from, offer.attempt.toString('hex'), controller, offer.listens)
    const answering = joinSignals(signal, controller.signal)
    try {
      return await this.#answer(from, offer, answering.signal, controller.signal, end)
    } catch (error) {
      end()
      throw error
    } finally {
      answering.release()
    }
  }

  /** @param answering ends the preparations @param punching ends the punching, which goes on after the answer */
  async #answer(from: string, offer: PunchOffer, answering: AbortSignal, punching: AbortSignal, end: () => void): Promise<SignalingBody> {
    const { context, slots } = this.#parts
    const { clock } = context
    const received = readClock(this.#parts)
    const receivedAt = clock.monotonic()
    const routes = chooseRoutes(offer.candidates, context.network.current.routes)
    const release = await slots.acquire(
      routes.map(({ route }) => route.localAddress),
      { clock, signal: answering, withinMs: SLOT_MS }
    )
    let gathered: Gathered | undefined
    const heldFrom = clock.monotonic()
    const letGo = (success: boolean): void => {
      gathered?.close()
      release()
      end()
      if (!success) this.#budget.spend(from, clock.monotonic() - heldFrom)
    }
    try {
      gathered = await gather(routes, this.#parts, answering, () => {})
      const plans = allowedPlans(planAll(gathered.candidates, offer.candidates), from, this.#parts)
      const answer: PunchAnswer = {
        attempt: offer.attempt,
        secret: randomBytes(32),
        clock: readClock(this.#parts),
        heldMs: clock.monotonic() - receivedAt,
        ...chooseStart(offer.clock, received),
        candidates: gathered.candidates.filter(({ pair }) => plans.some((plan) => plan.pair === pair))
      }
      void this.#punch(from, offer, answer, plans, punching).then(letGo)
      return writeAnswer(answer)
    } catch (error) {
      letGo(false)
      throw error
    }
  }

  /** Whether it led to a stream. Never rejects. */
  async #punch(from: string, offer: PunchOffer, answer: PunchAnswer, plans: readonly PunchPlan[], signal: AbortSignal): Promise<boolean> {
    const { context, punchMs, random } = this.#parts
    try {
      const { socket, remote } = await punchRound({
        plans,
        key: attemptKey(offer.attempt, { id: from, secret: offer.secret }, { id: context.localPeerId, secret: answer.secret }),
        role: 'responder',
        clock: context.clock,
        random,
        startInMs: answer.startInMs,
        secondAfterMs: answer.secondAfterMs,
        punchMs,
        signal,
        progress: () => {}
      })
      this.#accept(socket, formatEndpoint(remote))
      return true
    } catch (error) {
      context.logger.debug("a peer's attempt to punch led to nothing", { peer: from, error })
      return false
    }
  }
}

/** The route of ours that each candidate is meant for, each one once. @throws ERR_PUNCH_NO_ROUTE */
function chooseRoutes(candidates: readonly PunchCandidate[], routes: readonly NetworkRoute[]): readonly GatheredRoute[] {
  const left = routes.filter(({ localAddress }) => !localAddress.includes('%'))
  const chosen: GatheredRoute[] = []
  for (const { family, towards, pair } of candidates) {
    const fitting = left.filter((route) => route.family === family)
    const route = fitting.find(({ interfaceIndex }) => interfaceIndex === towards) ?? fitting[0]
    if (route === undefined) continue
    left.splice(left.indexOf(route), 1)
    chosen.push({ route, pair })
  }
  if (chosen.length === 0) throw punchErrors.create('ERR_PUNCH_NO_ROUTE', 'The two devices have no address family in common')
  return chosen
}

/** Plans all pairs that can work by what both sides have measured. @throws ERR_PUNCH_IMPOSSIBLE, ERR_PUNCH_STUN */
function planAll(mine: readonly PunchCandidate[], theirs: readonly PunchCandidate[]): readonly PunchPlan[] {
  const reasons: string[] = []
  const plans = mine.flatMap((here) => {
    const there = theirs.find(({ pair }) => pair === here.pair)
    if (there === undefined) return []
    const verdict = feasibility(effectiveBehaviour(here), effectiveBehaviour(there))
    const oneRouter = here.mapped !== undefined && here.mapped.address === there.mapped?.address
    if (verdict.outcome === 'impossible' && !oneRouter && there.mapped !== undefined) {
      reasons.push(verdict.reason)
      return []
    }
    return [planPunch(here, there)]
  })
  if (plans.length > 0) return plans
  throw punchErrors.create('ERR_PUNCH_IMPOSSIBLE', reasons.join('; ') || 'No pair of networks is left')
}

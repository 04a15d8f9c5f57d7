import type { Socket } from 'node:net'
import type { ByteSocket, Clock } from '@kithmesh/core'
import { formatEndpoint } from '@kithmesh/core/plugin'
import type { Endpoint } from './candidate.ts'
import { discardSocket } from './dial.ts'
import { punchErrors } from './errors.ts'
import { Handshake } from './handshake.ts'
import type { PunchRole } from './hello-frames.ts'
import { explainFailure } from './explain-failure.ts'
import type { PunchPlan } from './plan.ts'
import { Puncher, type PunchCounts } from './puncher.ts'

export interface RoundOptions {
  readonly plans: readonly PunchPlan[]
  readonly key: Buffer
  readonly role: PunchRole
  readonly clock: Clock
  readonly random: () => number
  /** Milliseconds from now until the beginning, and how much later a side begins whose router changes ports. */
  readonly startInMs: number
  readonly secondAfterMs: number
  /** Milliseconds from the beginning until it is given up. */
  readonly punchMs: number
  readonly signal: AbortSignal
  readonly progress: (phase: 'punch' | 'nominate', address: string) => void
}

export interface Punched {
  /** The callee owns it. */
  readonly socket: ByteSocket
  readonly remote: Endpoint
}

/** Connections of which it is not known yet who is at the other end; one from an address that nobody named gives way, then the oldest. */
const MAX_STRANGERS = 16
/** Connections of the other device: more than there are targets come from one that plays tricks. */
const MAX_KNOWN = 32
const HANDSHAKE_MS = 2_500
/** The responder waits longer for a nomination than the initiator for a connection. */
const RESPONDER_GRACE_MS = 500

/**
 * Punches on all pairs at once until one connection is chosen, and gets rid of all others. The initiator takes the first that proves to
 * be the other device and alive, and nominates it; the responder takes the nominated one.
 * @throws ERR_PUNCH_NO_CONNECTION, ERR_PUNCH_NOT_NOMINATED, or the signal's reason
 */
export function punchRound(options: RoundOptions): Promise<Punched> {
  return new Promise<Punched>((resolve, reject) => {
    new Round(options, resolve, reject).start()
  })
}

class Round {
  readonly #options: RoundOptions
  readonly #resolve: (punched: Punched) => void
  readonly #reject: (error: unknown) => void
  readonly #punchers: Puncher[] = []
  readonly #handshakes = new Map<Handshake, Endpoint>()
  readonly #cancels: Array<() => void> = []
  #ended = false

  constructor(options: RoundOptions, resolve: (punched: Punched) => void, reject: (error: unknown) => void) {
    this.#options = options
    this.#resolve = resolve
    this.#reject = reject
  }

  start(): void {
    const { plans, clock, role, signal, startInMs, secondAfterMs, punchMs } = this.#options
    const onAbort = (): void => {
      this.#fail(signal.reason)
    }
    if (signal.aborted) {
      onAbort()
      return
    }
    signal.addEventListener('abort', onAbort, { once: true })
    this.#cancels.push(() => {
      signal.removeEventListener('abort', onAbort)
    })
    for (const plan of plans) {
      const begin = (): void => {
        this.#begin(plan)
      }
      this.#cancels.push(clock.after(startInMs + (plan.second ? secondAfterMs : 0), begin))
    }
    const grace = role === 'responder' ? RESPONDER_GRACE_MS : 0
    this.#cancels.push(
      clock.after(startInMs + secondAfterMs + punchMs + grace, () => {
        this.#timeUp()
      })
    )
  }

  #begin(plan: PunchPlan): void {
    const { plans, clock, random, progress } = this.#options
    for (const target of plan.targets) progress('punch', formatEndpoint(target))
    // Whoever was told may have cancelled.
    if (this.#ended) return
    const puncher = new Puncher({
      plan,
      punchers: plans.length,
      clock,
      random,
      onOpen: (socket, remote) => {
        this.#opened(plan, socket, remote)
      }
    })
    this.#punchers.push(puncher)
    puncher.start()
  }

  #opened({ pair }: PunchPlan, socket: Socket, remote: Endpoint): void {
    if (this.#ended || !this.#makeRoom(remote)) {
      discardSocket(socket)
      return
    }
    const { key, role, clock } = this.#options
    const handshake = new Handshake({
      socket,
      key,
      role,
      pair,
      clock,
      deadlineMs: HANDSHAKE_MS,
      onLive: (live) => {
        if (role === 'initiator') this.#win(live)
      },
      onNominated: (nominated) => {
        this.#win(nominated)
      },
      onFailed: (failed) => {
        this.#handshakes.delete(failed)
      }
    })
    this.#handshakes.set(handshake, remote)
  }

  /** Whether one more connection is taken. */
  #makeRoom(remote: Endpoint): boolean {
    const strangers = [...this.#handshakes.keys()].filter(({ known }) => !known)
    if (this.#handshakes.size - strangers.length >= MAX_KNOWN) return false
    if (strangers.length < MAX_STRANGERS) return true
    const unexpected = strangers.find((stranger) => !this.#isExpected(this.#handshakes.get(stranger)!))
    if (unexpected === undefined && !this.#isExpected(remote)) return false
    this.#drop(unexpected ?? strangers[0])
    return true
  }

  /** Whether the other device named this address. */
  #isExpected({ address }: Endpoint): boolean {
    return this.#options.plans.some(({ targets }) => targets.some((target) => target.address === address))
  }

  #win(winner: Handshake): void {
    const remote = this.#handshakes.get(winner)
    if (this.#ended || remote === undefined) return
    const { role, progress } = this.#options
    progress('nominate', formatEndpoint(remote))
    if (this.#ended) return
    if (role === 'initiator') winner.nominate()
    this.#handshakes.delete(winner)
    this.#end()
    this.#resolve({ socket: winner.release(), remote })
  }

  #timeUp(): void {
    const counts = this.#counts()
    const { role, plans } = this.#options
    if (role === 'responder' && [...this.#handshakes.keys()].some(({ live }) => live)) {
      this.#fail(punchErrors.create('ERR_PUNCH_NOT_NOMINATED', 'Connections came about, but the other device chose none of them'))
      return
    }
    const { message, hint } = explainFailure(plans, counts)
    const targets = plans.flatMap((plan) => plan.targets.map(formatEndpoint))
    this.#fail(punchErrors.create('ERR_PUNCH_NO_CONNECTION', message, { hint, details: { ...counts, targets } }))
  }

  #counts(): PunchCounts {
    const total = { dials: 0, refused: 0, unreachable: 0, opened: 0 }
    for (const { counts } of this.#punchers) for (const key of Object.keys(total) as Array<keyof PunchCounts>) total[key] += counts[key]
    return total
  }

  #fail(error: unknown): void {
    if (this.#ended) return
    this.#end()
    this.#reject(error)
  }

  #drop(handshake: Handshake | undefined): void {
    if (handshake === undefined) return
    this.#handshakes.delete(handshake)
    handshake.drop()
  }

  #end(): void {
    this.#ended = true
    for (const cancel of this.#cancels) cancel()
    for (const puncher of this.#punchers) puncher.stop()
    for (const handshake of [...this.#handshakes.keys()]) this.#drop(handshake)
  }
}

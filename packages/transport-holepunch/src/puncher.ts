import type { Socket } from 'node:net'
import type { Clock } from '@kithmesh/core'
import type { Endpoint } from './candidate.ts'
import { dialFrom, discardSocket, listenFrom, type PendingDial } from './dial.ts'
import type { PunchPlan } from './plan.ts'

/** What happened to our packets; for the explanation of a failure. */
export interface PunchCounts {
  dials: number
  /** Answered by a reset: somebody is there and has no hole for us. */
  refused: number
  /** Answered by ICMP, or no route. */
  unreachable: number
  /** Connections that came about, ours and those accepted. */
  opened: number
}

export interface PuncherOptions {
  readonly plan: PunchPlan
  /** How many punch in this round, this one included. */
  readonly punchers: number
  readonly clock: Clock
  /** From 0 to less than 1. */
  readonly random: () => number
  /** A connection came about; the callee owns it. When it ends, another one is tried. */
  readonly onOpen: (socket: Socket, remote: Endpoint) => void
}

/** The time in which two sides that refuse each other meet, if they started together (nat-lab.md §4.1). */
const QUICK_MS = 2_400
const SLOW_RETRY_MS = 60
/** After a connection to somebody else, or one that broke. */
const AFTER_LOSS_MS = 250
/** So much goes out to addresses that a peer named, and no more: from one local port, and in a round from all of them together. */
const MAX_DIALS = 3_000
const MAX_DIALS_OF_ROUND = 6_000
/**
 * A refusal that comes this fast leaves no time in which both sides' packets could cross, if they are sent milliseconds apart: they are
 * sent in bursts then, one after the other, so that a hole is there for a good part of the time.
 */
const FAST_REFUSAL_MS = 2
const LONGEST_BURST = 64
const LONGEST_PAUSE_MS = 8
/** What of the dials may go out in bursts. */
const BURST_SHARE = 5 / 6
/** By then two sides that can meet on named ports have, unless both answer with resets and are very close. */
const LISTEN_LATER_MS = 250

interface Target {
  readonly endpoint: Endpoint
  pending: PendingDial | undefined
  cancelRetry: () => void
  dialledAt: number
  /** Tries left of a burst. */
  burst: number
}

/**
 * Opens connections from one local port to all targets of a plan at once and again, as long as it is not stopped. Drops are left to the
 * kernel, which repeats a SYN by itself; refusals are met with quick jittered retries.
 */
export class Puncher {
  readonly counts: PunchCounts = { dials: 0, refused: 0, unreachable: 0, opened: 0 }
  readonly #options: PuncherOptions
  readonly #targets: Target[]
  readonly #maxDials: number
  /** Open connections, and what happens when they end. */
  readonly #watched = new Map<Socket, () => void>()
  #startedAt = 0
  #running = false
  #listener: { close(): void } | undefined
  #wantsListener = false
  #cancelListen = (): void => {}

  constructor(options: PuncherOptions) {
    this.#options = options
    this.#maxDials = Math.min(MAX_DIALS, Math.floor(MAX_DIALS_OF_ROUND / options.punchers))
    this.#targets = options.plan.targets.map((endpoint) => ({
      endpoint,
      pending: undefined,
      cancelRetry: () => {},
      dialledAt: 0,
      burst: 0
    }))
  }

  start(): void {
    const { clock, plan } = this.#options
    this.#running = true
    this.#startedAt = clock.monotonic()
    for (const target of this.#targets) this.#dial(target)
    if (plan.listen === 'at-once') this.#beginListening()
    if (plan.listen === 'later')
      this.#cancelListen = clock.after(LISTEN_LATER_MS, () => {
        this.#beginListening()
      })
  }

  /** Gives up what is not open; idempotent. */
  stop(): void {
    this.#running = false
    this.#cancelListen()
    this.#listener?.close()
    this.#listener = undefined
    for (const target of this.#targets) {
      target.cancelRetry()
      target.pending?.abandon()
      target.pending = undefined
    }
    for (const [socket, lost] of this.#watched) socket.removeListener('close', lost)
    this.#watched.clear()
  }

  #dial(target: Target): void {
    if (!this.#running || this.counts.dials >= this.#maxDials) return
    this.counts.dials++
    target.dialledAt = this.#options.clock.monotonic()
    // No connection can be opened from a port that is listened on (nat-lab.md §3); the listener comes back in the same turn.
    this.#listener?.close()
    this.#listener = undefined
    target.pending = dialFrom(
      this.#options.plan.local,
      target.endpoint,
      (socket) => {
        target.pending = undefined
        const lost = (): void => {
          this.#watched.delete(socket)
          this.#retry(target, AFTER_LOSS_MS)
        }
        this.#watched.set(socket, lost)
        socket.once('close', lost)
        this.#opened(socket, target.endpoint)
      },
      (code) => {
        target.pending = undefined
        this.#failed(target, code)
      }
    )
    if (this.#wantsListener) this.#openListener()
  }

  #failed(target: Target, code: string): void {
    const { clock, plan } = this.#options
    if (code === 'ECONNREFUSED' || code === 'ECONNRESET') this.counts.refused++
    else if (code === 'EHOSTUNREACH' || code === 'ENETUNREACH' || code === 'EACCES') this.counts.unreachable++
    const now = clock.monotonic()
    // EADDRNOTAVAIL: a connection between the same two endpoints is open already, or not quite gone yet.
    const slow = this.#wantsListener || now - this.#startedAt > QUICK_MS || code === 'EADDRNOTAVAIL'
    const { random } = this.#options
    if (slow) this.#retry(target, random() * Math.max(SLOW_RETRY_MS, plan.retryMs))
    else if (
      plan.bursts &&
      this.counts.dials < this.#maxDials * BURST_SHARE &&
      now - target.dialledAt < FAST_REFUSAL_MS &&
      target.burst-- > 0
    )
      this.#dial(target)
    else {
      const pauseMs = target.burst < 0 ? LONGEST_PAUSE_MS : plan.retryMs
      target.burst = Math.floor(random() * LONGEST_BURST)
      this.#retry(target, random() * pauseMs)
    }
  }

  #retry(target: Target, ms: number): void {
    if (!this.#running) return
    target.cancelRetry()
    target.cancelRetry = this.#options.clock.after(ms, () => {
      if (target.pending === undefined) this.#dial(target)
    })
  }

  #beginListening(): void {
    this.#wantsListener = true
    this.#openListener()
  }

  #openListener(): void {
    if (!this.#running) return
    const { local } = this.#options.plan
    this.#listener = listenFrom(
      local,
      (socket) => {
        const { remoteAddress, remotePort } = socket
        if (!this.#running || remoteAddress === undefined || remotePort === undefined) {
          discardSocket(socket)
          return
        }
        this.#opened(socket, { address: remoteAddress, port: remotePort })
      },
      () => {
        this.#listener = undefined
      }
    )
  }

  #opened(socket: Socket, remote: Endpoint): void {
    this.counts.opened++
    this.#options.onOpen(socket, remote)
  }
}

import type { Clock } from '@kithmesh/core/plugin'
import type { MeshTopology, TopologyActions } from '../topology/mesh-topology.ts'
import type { Scheduler } from './contracts.ts'

/** Asks the topology what to do after every event, gathered per turn, and when it says that time alone changes the answer. One timer for all devices. */
export class PlanDriver {
  readonly #topology: MeshTopology
  readonly #clock: Clock
  readonly #scheduler: Scheduler
  readonly #act: (actions: TopologyActions) => void
  #pending = false
  #cancelTimer: (() => void) | undefined
  #timerAt = Number.POSITIVE_INFINITY
  #stopped = false

  constructor(topology: MeshTopology, clock: Clock, scheduler: Scheduler, act: (actions: TopologyActions) => void) {
    this.#topology = topology
    this.#clock = clock
    this.#scheduler = scheduler
    this.#act = act
  }

  /** Something happened. */
  kick(): void {
    if (this.#pending || this.#stopped) return
    this.#pending = true
    this.#scheduler.soon(() => {
      this.#pending = false
      this.#decide()
    })
  }

  stop(): void {
    this.#stopped = true
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
  }

  #decide(): void {
    if (this.#stopped) return
    const now = this.#clock.monotonic()
    const actions = this.#topology.step(now)
    this.#act(actions)
    this.#wakeAt(actions.nextAt, now)
  }

  #wakeAt(at: number, now: number): void {
    if (this.#stopped || at === this.#timerAt) return
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    this.#timerAt = at
    if (at === Number.POSITIVE_INFINITY) return
    this.#cancelTimer = this.#clock.after(Math.max(1, Math.ceil(at - now)), () => {
      this.#cancelTimer = undefined
      this.#timerAt = Number.POSITIVE_INFINITY
      this.#decide()
    })
  }
}

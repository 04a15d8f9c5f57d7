import type { networkInterfaces } from 'node:os'
import { isLinkLocal6 } from './address-range.ts'
import { withDeadline } from './deadline.ts'
import type { Clock } from './contracts/clock.ts'
import type { Logger } from './contracts/logger.ts'
import type { NatBehaviour, NetworkFacts, NetworkProbe, NetworkRoute, NetworkView } from './contracts/network.ts'
import { ownInterfaces } from './own-interfaces.ts'

const MAX_INTERFACES = 3
const POLL_MS = 5_000
/** For one measurement. Probes have shorter deadlines of their own; one that hangs must not be the last. */
const MEASURE_DEADLINE_MS = 30_000
/** A measurement that can be doubted is repeated after this time, and then each time after twice as long. */
const AGAIN_MS = 1_000
const MAX_AGAIN = 6
const UNKNOWN: NatBehaviour = Object.freeze({ mapping: 'unknown', filtering: 'unknown', ports: Object.freeze({ kind: 'unknown' }) })

export interface NetworkWatchOptions {
  readonly clock: Clock
  readonly logger: Logger
  /** Without it only the machine's own addresses are known. */
  readonly probe: NetworkProbe | undefined
  /** @default those of the operating system */
  readonly interfaces?: typeof networkInterfaces
}

/** Keeps the facts about this machine's network up to date between `start` and `close`. */
export class NetworkWatch implements NetworkView {
  readonly #options: NetworkWatchOptions
  readonly #listeners = new Set<(facts: NetworkFacts) => void>()
  readonly #life = new AbortController()
  #measured: NetworkFacts | undefined
  #fingerprint = ''
  #started = false
  #measuring = false
  #stale = false
  /** How many measurements in a row could be doubted. */
  #doubtful = 0
  #cancelAgain = (): void => {}
  #stop: Array<() => void> = []

  constructor(options: NetworkWatchOptions) {
    this.#options = options
  }

  get current(): NetworkFacts {
    return this.#measured ?? this.#plain()
  }

  onChange(changed: (facts: NetworkFacts) => void): () => void {
    this.#listeners.add(changed)
    return () => {
      this.#listeners.delete(changed)
    }
  }

  /** Measures now and whenever the network changes. Idempotent. */
  start(): void {
    if (this.#started || this.#life.signal.aborted) return
    this.#started = true
    const { probe } = this.#options
    if (probe === undefined) {
      this.#fingerprint = fingerprint(this.#plain())
      this.#stop.push(
        this.#options.clock.every(
          POLL_MS,
          () => {
            this.#poll()
          },
          { background: true }
        )
      )
      return
    }
    this.#stop.push(
      probe.onStale(() => {
        this.#doubtful = 0
        this.#measure(probe)
      }),
      () => {
        this.#cancelAgain()
      }
    )
    this.#measure(probe)
  }

  async close(): Promise<void> {
    this.#life.abort(new DOMException('The discovery was shut down', 'AbortError'))
    for (const stop of this.#stop) stop()
    this.#stop = []
    this.#listeners.clear()
    await this.#options.probe?.shutdown()
  }

  #poll(): void {
    const facts = this.#plain()
    const now = fingerprint(facts)
    if (now === this.#fingerprint) return
    this.#fingerprint = now
    this.#tell(facts)
  }

  /** One measurement at a time; what becomes stale meanwhile is measured again afterwards. */
  #measure(probe: NetworkProbe): void {
    if (this.#measuring) {
      this.#stale = true
      return
    }
    this.#measuring = true
    this.#cancelAgain()
    const { clock } = this.#options
    withDeadline((signal) => probe.measure({ signal }), {
      clock,
      ms: MEASURE_DEADLINE_MS,
      what: 'Measuring the network',
      signal: this.#life.signal
    })
      .then(
        (facts) => {
          if (this.#life.signal.aborted) return
          this.#measured = facts
          this.#repeatWhenDoubtful(probe, facts)
          this.#tell(facts)
        },
        (error: unknown) => {
          if (this.#life.signal.aborted) return
          this.#options.logger.warn('the network could not be measured', { error })
          this.#measured = undefined
          this.#tell(this.#plain())
        }
      )
      .finally(() => {
        this.#measuring = false
        if (!this.#stale || this.#life.signal.aborted) return
        this.#stale = false
        this.#measure(probe)
      })
  }

  #repeatWhenDoubtful(probe: NetworkProbe, facts: NetworkFacts): void {
    if (facts.cutOff !== true && !leadsNowhere(facts)) this.#doubtful = 0
    else if (this.#doubtful < MAX_AGAIN)
      this.#cancelAgain = this.#options.clock.after(AGAIN_MS * 2 ** this.#doubtful++, () => {
        this.#measure(probe)
      })
  }

  #tell(facts: NetworkFacts): void {
    for (const listener of [...this.#listeners]) {
      if (!this.#listeners.has(listener)) continue
      try {
        listener(facts)
      } catch (error) {
        this.#options.logger.error('a listener to network changes failed', { error })
      }
    }
  }

  #plain(): NetworkFacts {
    const { clock, interfaces = ownInterfaces } = this.#options
    return Object.freeze({ routes: unmeasuredRoutes(interfaces()), measuredAt: clock.now() })
  }
}

/** The machine's own addresses as routes of which nothing else is known: at most three interfaces, none internal unless there is no other. */
export function unmeasuredRoutes(interfaces: ReturnType<typeof networkInterfaces>): readonly NetworkRoute[] {
  const all = Object.values(interfaces).map((addresses = []) => addresses.filter(({ address }) => !isLinkLocal6(address)))
  const external = all.filter((addresses) => addresses.some(({ internal }) => !internal))
  return Object.freeze(
    (external.length > 0 ? external : all).slice(0, MAX_INTERFACES).flatMap((addresses, interfaceIndex) =>
      ([4, 6] as const).flatMap((family) => {
        const found = addresses.find((each) => each.family === `IPv${family}`)
        return found === undefined
          ? []
          : [{ interfaceIndex, family, localAddress: found.address, externalAddress: undefined, tcp: UNKNOWN, udp: UNKNOWN }]
      })
    )
  )
}

/** No address gets through with TCP: so it is where that is forbidden, but also when a new address was measured before its routes were there. */
function leadsNowhere({ routes }: NetworkFacts): boolean {
  return routes.length > 0 && routes.every(({ tcp }) => tcp.mapping === 'blocked' || tcp.mapping === 'unknown')
}

function fingerprint({ routes }: NetworkFacts): string {
  return routes.map(({ localAddress }) => localAddress).join(' ')
}

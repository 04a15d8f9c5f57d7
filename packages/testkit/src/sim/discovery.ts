import type { SimNetwork } from './network.ts'
import type { SeededRandom } from './random.ts'

/** How devices see each other. Times are in virtual milliseconds. */
export interface DiscoveryOptions {
  /** What an announcement takes to reach the others. @default [20, 300] */
  readonly latencyMs?: readonly [low: number, high: number]
  /** How many announcements a device misses, 0 to 1; they are repeated. @default 0 */
  readonly loss?: number
  /** A device that was not heard for so long is taken for gone; it announces itself twice in that time. @default 120 000 */
  readonly ttlMs?: number
}

/** Somebody who announces itself and hears of others. */
export interface DiscoveryMember {
  readonly host: number
  readonly deviceId: string
  readonly displayName: string
  /** Only members of the same group see each other. */
  readonly group: string
  /** Segments of the network in which it is heard and hears; members see each other when they have one in common. */
  readonly segments: ReadonlySet<number>
  found(device: DiscoveryMember, fresh: boolean): void
  lost(device: DiscoveryMember): void
}

/** One more than the instant at which one was heard last, by the number of the one heard; 0 stands for not at all. */
type Heard = Float64Array

/** Announcements arrive in this many waves. */
const WAVES = 6
/** Instants after the first announcement at which it is repeated (RFC 6762 §8.3). */
const REPEATS_MS = [1000, 3000, 7000]

/** Devices that announce themselves on a simulated network: with delay, now and then lost, and forgotten after a while. */
export class SimDiscovery {
  readonly #network: SimNetwork
  readonly #random: SeededRandom
  readonly #options: Required<DiscoveryOptions>
  readonly #members = new Map<number, DiscoveryMember>()
  readonly #heard = new Map<number, Heard>()
  /** When they came, or came back; one more than the instant. */
  readonly #joined = new Map<number, number>()
  readonly #capacity: number

  /** @param capacity hosts are numbered below this */
  constructor(network: SimNetwork, random: SeededRandom, capacity: number, options: DiscoveryOptions = {}) {
    this.#network = network
    this.#random = random.fork('discovery')
    this.#capacity = capacity
    this.#options = { latencyMs: [20, 300], loss: 0, ttlMs: 120_000, ...options }
  }

  /** Begins to announce and to listen. */
  join(member: DiscoveryMember): void {
    const { host } = member
    this.#members.set(host, member)
    this.#heard.set(host, new Float64Array(this.#capacity))
    this.#joined.set(host, this.#network.time.now + 1)
    this.#announce(member, false)
    this.#ask(member)
    for (const ms of REPEATS_MS)
      this.#later(member, ms, () => {
        this.#announce(member, false)
        this.#ask(member)
      })
    this.#refresh(member)
  }

  /** Says goodbye, or just falls silent. */
  leave(host: number, orderly: boolean): void {
    const member = this.#members.get(host)
    if (member === undefined) return
    this.#members.delete(host)
    this.#heard.delete(host)
    if (orderly)
      this.#toEach(member, (observer, heard) => {
        if (heard[host] === 0) return
        heard[host] = 0
        observer.lost(member)
      })
    else this.#expire(member)
  }

  /** Members that one sees now. */
  seenBy(host: number): DiscoveryMember[] {
    const heard = this.#heard.get(host)
    return heard === undefined ? [] : [...this.#members.values()].filter((member) => (heard[member.host] ?? 0) > 0)
  }

  #refresh(member: DiscoveryMember): void {
    this.#later(member, this.#options.ttlMs / 2, () => {
      this.#announce(member, true)
      this.#expire(member)
      this.#refresh(member)
    })
  }

  /** After its time to live, those who have not heard it again forget it. */
  #expire(member: DiscoveryMember): void {
    const { ttlMs } = this.#options
    this.#network.time.after(ttlMs / 2, () => {
      const { now } = this.#network.time
      const present = this.#members.get(member.host) === member
      let waiting = false
      for (const [host, heard] of this.#heard) {
        const last = heard[member.host] as number
        if (last === 0 || (this.#members.has(member.host) && !present)) continue
        if (now - last < ttlMs) waiting = true
        else {
          heard[member.host] = 0
          this.#members.get(host)?.lost(member)
        }
      }
      if (waiting && !present) this.#expire(member)
    })
  }

  /** @param again to those, too, who have heard it */
  #announce(member: DiscoveryMember, again: boolean): void {
    this.#toEach(
      member,
      (observer, heard) => {
        if (this.#members.get(member.host) !== member) return
        const fresh = this.#isNews(member, heard)
        heard[member.host] = this.#network.time.now + 1
        if (fresh) observer.found(member, true)
      },
      again
    )
  }

  /** Asks who is there; those not heard yet answer. */
  #ask(member: DiscoveryMember): void {
    this.#toEach(
      member,
      (other) => {
        const heard = this.#heard.get(member.host)
        if (heard === undefined || !this.#isNews(other, heard)) return
        heard[other.host] = this.#network.time.now + 1
        member.found(other, true)
      },
      false,
      true
    )
  }

  /** Not heard yet, or not since it came back. */
  #isNews({ host }: DiscoveryMember, heard: Heard): boolean {
    return (heard[host] as number) < (this.#joined.get(host) as number)
  }

  /**
   * Reaches all others that can hear it, in waves.
   * @param again those, too, for whom it is no news
   * @param asks the news is what the others are to the member, instead of what the member is to them
   */
  #toEach(member: DiscoveryMember, reach: (other: DiscoveryMember, heard: Heard) => void, again = true, asks = false): void {
    const own = this.#heard.get(member.host)
    const waves: DiscoveryMember[][] = Array.from({ length: WAVES }, () => [])
    for (const other of this.#members.values()) {
      if (other === member || other.group !== member.group || !overlap(other.segments, member.segments)) continue
      const knows = asks ? !this.#isNews(other, own as Heard) : !this.#isNews(member, this.#heard.get(other.host) as Heard)
      if (knows && !again) continue
      if (!this.#random.chance(this.#options.loss)) (waves[this.#random.below(WAVES)] as DiscoveryMember[]).push(other)
    }
    const [low, high] = this.#options.latencyMs
    for (const wave of waves) {
      if (wave.length === 0) continue
      this.#network.time.after(this.#random.between(low, high), () => {
        for (const other of wave) {
          const heard = this.#heard.get(other.host)
          if (heard !== undefined && this.#members.get(other.host) === other && this.#network.passes(member.host, other.host))
            reach(other, heard)
        }
      })
    }
  }

  #later(member: DiscoveryMember, ms: number, run: () => void): void {
    this.#network.time.after(ms, () => {
      if (this.#members.get(member.host) === member) run()
    })
  }
}

function overlap(a: ReadonlySet<number>, b: ReadonlySet<number>): boolean {
  for (const segment of a) if (b.has(segment)) return true
  return false
}

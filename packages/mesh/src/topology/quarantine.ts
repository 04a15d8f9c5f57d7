import type { Offence, OffenceKind } from './offences.ts'

/** A device that is kept away for a while. A snapshot. */
export interface QuarantinedDevice {
  readonly id: string
  readonly kind: OffenceKind
  /** What it did last, for people. */
  readonly detail: string
  /** Monotonic milliseconds. */
  readonly since: number
  readonly until: number
  /** How often it was in quarantine, this time included. */
  readonly times: number
}

export interface QuarantineOptions {
  /** Offences of each kind that are forgiven within a minute. */
  readonly allowance?: Partial<Record<OffenceKind, number>>
  /** First stay in milliseconds, doubled with every one after. Default 30,000. */
  readonly first?: number
  /** Longest stay. Default 3,600,000. */
  readonly longest?: number
  /** Most devices that are remembered. Default 1,024. */
  readonly limit?: number
}

interface Conduct {
  /** Allowance used up, by kind; a minute gives all of it back. */
  readonly used: Map<OffenceKind, number>
  at: number
  times: number
  quarantined: QuarantinedDevice | undefined
}

/**
 * What an honest device may happen to do: handshakes stall on bad networks, and a version with a fault sends the odd message. A lie about the topology is reported
 * only after it has been kept up for long.
 */
const defaultAllowance: Readonly<Record<OffenceKind, number>> = { handshake: 5, malformed: 3, flood: 20, lie: 0, poison: 10 }
const minute = 60_000
/** Good conduct for so many times of the longest stay, and a device is as good as new. */
const forgetsAfter = 2

/**
 * Keeps count of what devices do wrong, and says for how long one is kept away. Each has a budget for each kind of offence; who exceeds one is quarantined, longer each
 * time. Bounded: the device that has behaved for longest is forgotten first, never one that is in quarantine while another is not.
 */
export class Quarantine {
  readonly #allowance: Readonly<Record<OffenceKind, number>>
  readonly #first: number
  readonly #longest: number
  readonly #limit: number
  readonly #conducts = new Map<string, Conduct>()

  constructor({ allowance, first = 30_000, longest = 3_600_000, limit = 1024 }: QuarantineOptions = {}) {
    this.#allowance = { ...defaultAllowance, ...allowance }
    this.#first = first
    this.#longest = longest
    this.#limit = limit
  }

  /** A device did wrong. @returns its quarantine if that begins now, and every link with it has to end. */
  offended({ id, kind, detail }: Offence, now: number): QuarantinedDevice | undefined {
    const conduct = this.#conductOf(id, now)
    if (conduct.quarantined !== undefined && now < conduct.quarantined.until) return undefined
    const minutes = (now - conduct.at) / minute
    for (const [other, spent] of conduct.used) conduct.used.set(other, Math.max(0, spent - minutes * this.#allowance[other]))
    conduct.at = now
    const used = (conduct.used.get(kind) ?? 0) + 1
    conduct.used.set(kind, used)
    if (used <= this.#allowance[kind]) return undefined
    conduct.used.clear()
    const until = now + Math.min(this.#first * 2 ** Math.min(conduct.times, 30), this.#longest)
    conduct.times++
    conduct.quarantined = { id, kind, detail, since: now, until, times: conduct.times }
    return conduct.quarantined
  }

  /** The quarantine that the device is in. */
  of(id: string, now: number): QuarantinedDevice | undefined {
    const quarantined = this.#conducts.get(id)?.quarantined
    return quarantined !== undefined && now < quarantined.until ? quarantined : undefined
  }

  /** Lets a device go by hand, and forgets what it did. @returns whether it was in quarantine. */
  release(id: string, now: number): boolean {
    const was = this.of(id, now) !== undefined
    this.#conducts.delete(id)
    return was
  }

  /** All that are in quarantine now. */
  list(now: number): QuarantinedDevice[] {
    const list: QuarantinedDevice[] = []
    for (const { quarantined } of this.#conducts.values()) if (quarantined !== undefined && now < quarantined.until) list.push(quarantined)
    return list
  }

  #conductOf(id: string, now: number): Conduct {
    const known = this.#conducts.get(id)
    // The order of the map is that of the last offences.
    if (known !== undefined) this.#conducts.delete(id)
    const forgotten = known === undefined || now - (known.quarantined?.until ?? known.at) > forgetsAfter * this.#longest
    const conduct = forgotten ? { used: new Map<OffenceKind, number>(), at: now, times: 0, quarantined: undefined } : known
    if (this.#conducts.size >= this.#limit) this.#forgetOne(now)
    this.#conducts.set(id, conduct)
    return conduct
  }

  #forgetOne(now: number): void {
    let victim: string | undefined
    for (const [id, { quarantined }] of this.#conducts) {
      victim ??= id
      if (quarantined !== undefined && now < quarantined.until) continue
      victim = id
      break
    }
    if (victim !== undefined) this.#conducts.delete(victim)
  }
}

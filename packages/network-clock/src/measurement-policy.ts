import type { NtpServerReport } from './measure.ts'

/** What is known of the network time before a new measurement, milliseconds. */
export interface KnownTime {
  readonly offsetMs: number
  readonly uncertaintyMs: number
}

/**
 * Whether what is known is better than a new measurement: it is, as long as both can be true and the new one is less certain. A measurement
 * over a congested network does not replace a good one.
 */
export function isKept(known: KnownTime | undefined, measured: KnownTime): boolean {
  if (known === undefined) return false
  const compatible = Math.abs(known.offsetMs - measured.offsetMs) <= known.uncertaintyMs + measured.uncertaintyMs
  return compatible && known.uncertaintyMs < measured.uncertaintyMs
}

/**
 * Heeds what servers ask for (RFC 5905 §7.4): one that denies service is not asked again, one that is asked too often is left alone for two
 * intervals, then four, up to a day.
 */
export class ServerManners {
  readonly #intervalMs: number
  readonly #until = new Map<string, number>()
  readonly #rated = new Map<string, number>()

  constructor(intervalMs: number) {
    this.#intervalMs = intervalMs
  }

  /** The servers that may be asked. @param now `clock.monotonic()` */
  askable(servers: readonly string[], now: number): string[] {
    return servers.filter((server) => (this.#until.get(server) ?? -Infinity) <= now)
  }

  /** @param now `clock.monotonic()` */
  heed(reports: readonly Pick<NtpServerReport, 'server' | 'kiss'>[], now: number): void {
    for (const { server, kiss } of reports) {
      if (kiss === 'DENY' || kiss === 'RSTR') this.#until.set(server, Infinity)
      else if (kiss !== undefined) {
        const times = (this.#rated.get(server) ?? 0) + 1
        this.#rated.set(server, times)
        this.#until.set(server, now + Math.min(DAY_MS, this.#intervalMs * 2 ** times))
      } else this.#rated.delete(server)
    }
  }
}

const DAY_MS = 86_400_000

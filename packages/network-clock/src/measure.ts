import { limitedSignal, systemClock } from '@kithmesh/core/plugin'
import type { Clock } from '@kithmesh/core'
import { queryServer } from './client.ts'
import type { QueryResult } from './client.ts'
import { checkMeasuring } from './check-options.ts'
import { clockErrors } from './errors.ts'
import { agreeOn, bestSample } from './selection.ts'
import type { Agreement, Sample } from './selection.ts'
import { parseServer } from './server-name.ts'
import type { NtpServer } from './server-name.ts'

/** How one server did. All times in milliseconds. */
export interface NtpServerReport {
  /** As it was named in the options. */
  readonly server: string
  readonly address: string | undefined
  /**
   * `chosen`: the offset is this server's; `agrees`: its time is compatible; `falseticker`: it contradicts the majority, or
   * there is none; `unusable`: it gave no usable answer; `unneeded`: the others had agreed before it answered.
   */
  readonly outcome: 'chosen' | 'agrees' | 'falseticker' | 'unusable' | 'unneeded'
  /** Of its best sample; undefined without any. */
  readonly offsetMs: number | undefined
  readonly delayMs: number | undefined
  readonly uncertaintyMs: number | undefined
  readonly stratum: number | undefined
  /** How many usable answers it gave. */
  readonly samples: number
  /** The letters of its refusal, such as `RATE` or `DENY` (RFC 5905 §7.4). */
  readonly kiss: string | undefined
  /** Why it gave fewer answers than it was asked for. */
  readonly reason: string | undefined
}

/** The network's time compared with this machine's clock. */
export interface NetworkTime {
  /** Network time minus `clock.now()`, milliseconds. */
  readonly offsetMs: number
  /** The true offset is at most this far away, if the majority of the servers is right. */
  readonly uncertaintyMs: number
  /** `clock.monotonic()` when the measurement ended. */
  readonly measuredAt: number
  /** The network's time at `measuredAt`, milliseconds since 1970. */
  readonly networkMs: number
  readonly servers: readonly NtpServerReport[]
}

export interface MeasureOptions {
  /** Time servers, `host`, `host:port` or `[IPv6]:port`. None is asked that is not named here; three or more can outvote a wrong one. */
  readonly servers: readonly string[]
  /** For everything together, 1 to 3,600,000 milliseconds. @default 2000 */
  readonly deadlineMs?: number
  /** Exchanges with each server, 1–8; the one with the shortest round trip counts. @default 4 */
  readonly samples?: number
  /** The address to send from. @default any */
  readonly localAddress?: string
  readonly signal?: AbortSignal
  /** @default systemClock */
  readonly clock?: Clock
}

const DEADLINE_MS = 2_000
const SAMPLES = 4

/**
 * Asks all servers at once, several times each (RFC 5905 client mode, 48-byte packets), and returns the time on which more than half of
 * those that answered agree. Ends before the deadline as soon as more than half of all named servers agree. Leaves no socket open.
 * @throws ERR_NTP_SERVER, ERR_NTP_NO_ANSWER, ERR_NTP_DISAGREEMENT (both with `details.servers`, a list of {@link NtpServerReport});
 * TypeError for other options that make no sense; the signal's reason.
 */
export async function measureNetworkTime(options: MeasureOptions): Promise<NetworkTime> {
  const { clock = systemClock, deadlineMs = DEADLINE_MS, samples = SAMPLES, signal } = options
  checkMeasuring(options)
  const servers = distinct(options.servers.map(parseServer))
  if (servers.length === 0) throw new TypeError('There is no time server to ask')
  signal?.throwIfAborted()

  const anchor = clock.now() - clock.monotonic()
  const localTime = (): number => anchor + clock.monotonic()
  const agreed = new AbortController()
  const limit = limitedSignal(clock, deadlineMs, () => new DOMException('The time is up', 'TimeoutError'), signal, agreed.signal)
  const results: (QueryResult | undefined)[] = servers.map(() => undefined)
  let early = false
  try {
    await Promise.all(
      servers.map(async (server, index) => {
        const result = await queryServer(server, { samples, signal: limit.signal, clock, localTime, localAddress: options.localAddress })
        if (early && result.samples.length === 0 && result.kiss === undefined) return
        results[index] = result
        if (!limit.signal.aborted && isMajority(results, servers.length)) {
          early = true
          agreed.abort(new DOMException('The servers agree', 'AbortError'))
        }
      })
    )
  } finally {
    limit.release()
  }
  signal?.throwIfAborted()
  return conclude(
    servers.map(({ name }) => name),
    results,
    { measuredAt: clock.monotonic(), anchor }
  )
}

/** A server that is named twice has one vote. */
function distinct(servers: readonly NtpServer[]): NtpServer[] {
  return [...new Map(servers.map((server) => [`${server.host.toLowerCase()} ${server.port}`, server])).values()]
}

/** Whether more than half of all servers have answered and agree, so that the others cannot change the result. */
function isMajority(results: readonly (QueryResult | undefined)[], servers: number): boolean {
  const best = results.flatMap((result) => bestSample(result?.samples ?? []) ?? [])
  if (2 * best.length <= servers) return false
  const agreement = agreeOn(best)
  return agreement !== undefined && 2 * agreement.agrees.filter(Boolean).length > servers
}

interface Instant {
  readonly measuredAt: number
  /** Local wall clock minus monotonic clock. */
  readonly anchor: number
}

function conclude(names: readonly string[], results: readonly (QueryResult | undefined)[], { measuredAt, anchor }: Instant): NetworkTime {
  const best = results.map((result) => bestSample(result?.samples ?? []))
  const usable = best.flatMap((sample, server) => (sample === undefined ? [] : [{ sample, server }]))
  const agreement = agreeOn(usable.map(({ sample }) => sample))
  const reports = names.map((server, index) => {
    const among = usable.findIndex((entry) => entry.server === index)
    return reportOf(server, results[index], best[index], outcomeOf(among, agreement, results[index]))
  })
  if (usable.length === 0) {
    const reasons = reports.map(({ server, reason }) => `${server}: ${reason ?? 'no answer'}`).join('; ')
    throw clockErrors.create('ERR_NTP_NO_ANSWER', `No time server gave a usable answer (${reasons})`, { details: { servers: reports } })
  }
  if (agreement === undefined) {
    const said = reports
      .flatMap(({ server, offsetMs }) => (offsetMs === undefined ? [] : `${server} ${Math.round(offsetMs)} ms`))
      .join(', ')
    throw clockErrors.create('ERR_NTP_DISAGREEMENT', `The time servers contradict each other (offsets: ${said})`, {
      details: { servers: reports }
    })
  }
  const { offset, uncertainty } = agreement
  return { offsetMs: offset, uncertaintyMs: uncertainty, measuredAt, networkMs: anchor + measuredAt + offset, servers: reports }
}

function outcomeOf(index: number, agreement: Agreement | undefined, result: QueryResult | undefined): NtpServerReport['outcome'] {
  if (index < 0) return result === undefined ? 'unneeded' : 'unusable'
  if (index === agreement?.chosen) return 'chosen'
  return agreement?.agrees[index] === true ? 'agrees' : 'falseticker'
}

function reportOf(
  server: string,
  result: QueryResult | undefined,
  sample: Sample | undefined,
  outcome: NtpServerReport['outcome']
): NtpServerReport {
  return {
    server,
    address: result?.address,
    outcome,
    offsetMs: sample?.offset,
    delayMs: sample?.delay,
    uncertaintyMs: sample?.distance,
    stratum: sample?.stratum,
    samples: result?.samples.length ?? 0,
    kiss: result?.kiss,
    reason: result?.reason
  }
}

import type { NtpReply } from './ntp-packet.ts'

/** What one exchange tells: how far the network's time is ahead of the local clock, at most this far off. All milliseconds. */
export interface Sample {
  readonly offset: number
  /** The round trip without the time the server took. */
  readonly delay: number
  /** The true offset lies within this distance of `offset`, if the server is right: the root distance of RFC 5905 §11.2. */
  readonly distance: number
  readonly stratum: number
}

/** How far apart two readings of the local clock may be that ought to be equal, milliseconds. */
const LOCAL_PRECISION_MS = 0.05
/** Farther ones are of no use: MAXDIST of RFC 5905 is 1 s, and a satellite's round trip has to fit. */
const MAX_DISTANCE_MS = 1_500

/**
 * Offset and delay of an exchange (RFC 5905 §8).
 * @param sentAt T1 and `receivedAt` T4, on the local clock, milliseconds since 1970.
 * @returns the reason as text when the times contradict each other.
 */
export function sampleOf(reply: NtpReply, sentAt: number, receivedAt: number): Sample | string {
  const held = reply.sentAt - reply.receivedAt
  const roundTrip = receivedAt - sentAt
  const precision = LOCAL_PRECISION_MS + reply.precision
  if (held > roundTrip + precision) return 'the server says it took longer than the whole exchange did'
  const delay = Math.max(roundTrip - held, LOCAL_PRECISION_MS)
  const offset = (reply.receivedAt - sentAt + (reply.sentAt - receivedAt)) / 2
  const distance = delay / 2 + reply.rootDelay / 2 + reply.rootDispersion + precision
  if (distance >= MAX_DISTANCE_MS) return `it is uncertain by ${Math.round(distance)} ms`
  return { offset, delay, distance, stratum: reply.stratum }
}

/** The sample with the shortest round trip: there the two ways had the least room to differ (RFC 5905 §10). */
export function bestSample(samples: readonly Sample[]): Sample | undefined {
  return samples.reduce<Sample | undefined>((best, sample) => (best === undefined || sample.delay < best.delay ? sample : best), undefined)
}

/** What a majority of servers agrees on. */
export interface Agreement {
  readonly offset: number
  readonly uncertainty: number
  /** For each server, in the given order, whether it agrees. */
  readonly agrees: readonly boolean[]
  /** The index of the server that the offset is of. */
  readonly chosen: number
}

/**
 * Finds the interval that most servers' intervals have in common, after Marzullo and RFC 5905 §11.2.1, and takes the offset of the server
 * in it with the smallest distance. Servers whose interval misses it are falsetickers.
 * @returns undefined when no more than half of the servers agree.
 */
export function agreeOn(servers: readonly Sample[]): Agreement | undefined {
  for (let falsetickers = 0; 2 * falsetickers < servers.length; falsetickers++) {
    const common = commonInterval(servers, servers.length - falsetickers)
    if (common !== undefined) return agreementIn(common, servers)
  }
  return undefined
}

interface Interval {
  readonly low: number
  readonly high: number
}

/** The hull of all points that lie in at least `count` of the intervals. */
function commonInterval(servers: readonly Sample[], count: number): Interval | undefined {
  const edges = servers
    .flatMap(({ offset, distance }) => [
      { at: offset - distance, opens: true },
      { at: offset + distance, opens: false }
    ])
    .sort((a, b) => a.at - b.at || Number(b.opens) - Number(a.opens))
  let open = 0
  let low: number | undefined
  let high = 0
  for (const { at, opens } of edges) {
    if (opens && ++open === count) low ??= at
    if (!opens && open-- === count) high = at
  }
  return low === undefined ? undefined : { low, high }
}

function agreementIn({ low, high }: Interval, servers: readonly Sample[]): Agreement | undefined {
  const agrees = servers.map(({ offset, distance }) => offset - distance <= high && offset + distance >= low)
  let chosen: number | undefined
  for (const [index, server] of servers.entries()) {
    if (agrees[index] === true && (chosen === undefined || server.distance < (servers[chosen]?.distance ?? 0))) chosen = index
  }
  const best = chosen === undefined ? undefined : servers[chosen]
  if (chosen === undefined || best === undefined) return undefined
  const offset = Math.min(high, Math.max(low, best.offset))
  const members = servers.filter((_, index) => agrees[index] === true)
  const spread = Math.sqrt(members.reduce((sum, server) => sum + (server.offset - offset) ** 2, 0) / members.length)
  return { offset, uncertainty: Math.max(high - offset, offset - low, spread), agrees, chosen }
}

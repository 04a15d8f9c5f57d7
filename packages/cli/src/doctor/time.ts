import type { NetworkTime, NtpServerReport } from '@kithmesh/network-clock'
import { errorCode } from '@kithmesh/core'
import { type Finding, duration, failed, ok, problem, warning } from './finding.ts'

/** From here on it is worth telling. */
const SKEW_MS = 1_000
/** Beyond this, brokers' messages count as stale, and certificates may be judged wrongly. */
const BAD_SKEW_MS = 60_000

/** What time servers said of this machine's clock. Pure. */
export function judgeTime(time: NetworkTime): Finding[] {
  const { offsetMs, uncertaintyMs, servers } = time
  const off = Math.abs(offsetMs)
  const direction = offsetMs > 0 ? 'behind' : 'ahead of'
  const text = `${duration(off)} ${direction} the network's time, ±${duration(uncertaintyMs)}`
  const hint = 'Set the clock, and let the system keep it by NTP ("timedatectl set-ntp true" on most Linux systems).'
  const certain = off - uncertaintyMs
  const finding =
    certain > BAD_SKEW_MS
      ? problem('clock skew', text, `${hint} Certificates are judged by it, and messages over brokers count as stale.`)
      : certain > SKEW_MS
        ? warning('clock skew', text, hint)
        : ok('clock skew', text)
  return [{ ...finding, details: { offsetMs, uncertaintyMs } }, ...judgeServers(servers, warning)]
}

/** The same when it could not be measured: each server has its own line. Pure. */
export function judgeTimeFailure(error: unknown): Finding[] {
  const { servers } = (error as { readonly details?: { readonly servers?: readonly NtpServerReport[] } }).details ?? {}
  const each = judgeServers(servers ?? [], problem)
  return errorCode(error) === 'ERR_NTP_NO_ANSWER' && each.length > 0 ? each : [failed('clock skew', error), ...each]
}

function judgeServers(servers: readonly NtpServerReport[], unusable: typeof problem): Finding[] {
  return servers.flatMap(({ server, outcome, offsetMs, delayMs, stratum, kiss, reason }) => {
    const check = `ntp ${server}`
    const said = `${duration(offsetMs ?? 0)} off, ${duration(delayMs ?? 0)} away, stratum ${stratum ?? '?'}`
    if (outcome === 'falseticker')
      return [warning(check, `contradicts the others: ${said}`, 'Leave it out, or name more servers, so that a wrong one is outvoted.')]
    if (outcome !== 'unusable') return outcome === 'unneeded' ? [] : [ok(check, said)]
    const hint = kiss === undefined ? 'Check the name, and that UDP port 123 is open outwards.' : 'Use another time server.'
    return [unusable(check, reason ?? 'no usable answer', hint)]
  })
}

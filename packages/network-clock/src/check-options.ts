import { isIP } from 'node:net'
import { checkInteger, checkRange } from '@kithmesh/core/plugin'
import type { MeasureOptions } from './measure.ts'
import type { NetworkClockOptions } from './network-clock.ts'
import { parseServer } from './server-name.ts'

const MAX_SAMPLES = 8
const HOUR_MS = 3_600_000
const DAY_MS = 86_400_000

/** @throws ERR_NTP_SERVER, TypeError for options that no clock can be kept with */
export function checkClockOptions(options: NetworkClockOptions): void {
  const { servers, intervalMs = 1_000, driftPpm = 0, skewLimitMs = 0 } = options
  for (const name of servers) parseServer(name)
  if (servers.length === 0) throw new TypeError('A network clock needs the name of at least one time server')
  checkMeasuring(options)
  checkRange('intervalMs', intervalMs, 1_000, DAY_MS)
  checkRange('driftPpm', driftPpm, 0, 1_000_000)
  checkRange('skewLimitMs', skewLimitMs, 0, DAY_MS)
}

/** @throws TypeError for options that no measurement can be made with */
export function checkMeasuring({ deadlineMs = 1, samples = 1, localAddress }: Omit<MeasureOptions, 'servers'>): void {
  checkInteger('samples', samples, 1, MAX_SAMPLES)
  checkRange('deadlineMs', deadlineMs, 1, HOUR_MS)
  if (localAddress !== undefined && isIP(localAddress) === 0) throw new TypeError(`localAddress is an IP address, not ${localAddress}`)
}

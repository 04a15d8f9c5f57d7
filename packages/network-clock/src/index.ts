/**
 * The time that several NTP servers agree on, with its uncertainty: for meeting other peers at one instant, and for warning of wrong clocks.
 *
 * @example
 * ```ts
 * import { NetworkClock } from '@kithmesh/network-clock'
 *
 * const clock = new NetworkClock({ servers: ['ntp1.example.org', 'ntp2.example.org', 'ntp3.example.org'] })
 * clock.addObserver({ skewed: ({ offsetMs }) => { console.error(`This clock is off by ${Math.round(offsetMs)} ms`) } })
 * await clock.start()
 * console.log(new Date(clock.now()), `±${clock.uncertaintyMs.toFixed(1)} ms`)
 * await clock.stop()
 * ```
 * @packageDocumentation
 */
export { clockErrors } from './errors.ts'
export { measureNetworkTime } from './measure.ts'
export type { MeasureOptions, NetworkTime, NtpServerReport } from './measure.ts'
export { NetworkClock } from './network-clock.ts'
export type { ClockSkew, NetworkClockObserver, NetworkClockOptions } from './network-clock.ts'

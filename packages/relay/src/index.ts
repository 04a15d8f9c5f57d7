/**
 * A broker, a STUN server and a TURN server for the devices of a team.
 *
 * @example
 * ```ts
 * import { createRelay } from '@kithmesh/relay'
 *
 * const relay = createRelay({ host: '192.0.2.1', users: [{ username: 'team', password: 'a long secret' }] })
 * await relay.start()
 * process.stdout.write(`${JSON.stringify(relay.urls)}\n`)
 * ```
 * @packageDocumentation
 */
export type { PortSpan, Relay, RelayHost, RelayOptions, RelayStatus, RelayTls, RelayUrls, RelayUser } from './contracts.ts'
export { relayErrors } from './errors.ts'
export { DEFAULT_LIMITS } from './limits.ts'
export type { RelayLimits } from './limits.ts'
export { createRelay } from './relay.ts'

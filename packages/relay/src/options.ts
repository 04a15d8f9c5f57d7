import { isIP } from 'node:net'
import { checkInteger, silentLogger, systemClock, type Clock, type Logger } from '@kithmesh/core/plugin'
import { canonicalAddress } from '@kithmesh/stun'
import { addressRanges, type Ranges } from './address-ranges.ts'
import { type TopicPolicy, topicPolicy } from './broker/topic-policy.ts'
import type { PortSpan, RelayHost, RelayOptions, RelayTls, RelayUser } from './contracts.ts'
import { type RelayLimits, checkLimits } from './limits.ts'
import type { RelayAddress } from './turn/relay-names.ts'

export interface CheckedOptions {
  readonly hosts: readonly RelayAddress[]
  readonly users: readonly RelayUser[]
  readonly realm: string
  readonly mqttPort: number
  readonly stunPorts: readonly [number, number]
  readonly turnsPort: number
  readonly relayPorts: PortSpan
  readonly tls: RelayTls | undefined
  readonly topics: TopicPolicy
  readonly allowed: Ranges
  readonly limits: RelayLimits
  readonly clock: Clock
  readonly logger: Logger
}

const MAX_HOSTS = 8

/** Fills in the defaults. @throws TypeError for values that cannot work */
export function checkOptions(options: RelayOptions): CheckedOptions {
  const { tls, realm = 'kithmesh', relayPorts = { first: 49_152, last: 65_535 } } = options
  const port = (name: 'mqttPort' | 'stunPort' | 'alternateStunPort' | 'turnsPort', fallback: number): number =>
    checkInteger(name, options[name] ?? fallback, 0, 65_535)
  if (!/^[^\p{Cc}\p{Cs}"\\]{1,128}$/u.test(realm)) throw new TypeError('realm has 1 to 128 characters, no quotes and no control characters')
  const { first, last } = relayPorts
  if (!Number.isInteger(first) || !Number.isInteger(last) || first < 1_024 || last > 65_535 || first > last)
    throw new TypeError('relayPorts are ports from 1024 to 65535, the first not above the last')
  const stunPorts = [port('stunPort', 3_478), port('alternateStunPort', 3_479)] as const
  if (stunPorts[0] !== 0 && stunPorts[0] === stunPorts[1]) throw new TypeError('stunPort and alternateStunPort must differ')
  return {
    hosts: hostsOf(options.host),
    users: options.users,
    realm,
    mqttPort: port('mqttPort', tls === undefined ? 1_883 : 8_883),
    stunPorts,
    turnsPort: port('turnsPort', 5_349),
    relayPorts: { first, last },
    tls,
    topics: topicPolicy(options.topicPrefix ?? 'kithmesh'),
    allowed: addressRanges(options.allowPeers ?? []),
    limits: checkLimits(options.limits),
    clock: options.clock ?? systemClock,
    logger: options.logger ?? silentLogger
  }
}

function hostsOf(given: RelayOptions['host']): RelayAddress[] {
  const list: readonly (string | RelayHost)[] = Array.isArray(given) ? given : [given as string | RelayHost]
  const hosts = list.map((each) => {
    const { address, publicAddress = address } = typeof each === 'string' ? { address: each } : each
    for (const text of [address, publicAddress])
      if (isIP(text) === 0 || text.includes('%') || ['0.0.0.0', '::'].includes(canonicalAddress(text)))
        throw new TypeError(`${JSON.stringify(text)} is no address of a relay: give an IP address, not one that means all`)
    if (isIP(address) !== isIP(publicAddress)) throw new TypeError(`${address} and ${publicAddress} are of different families`)
    return { bind: canonicalAddress(address), public: canonicalAddress(publicAddress) }
  })
  if (hosts.length < 1 || hosts.length > MAX_HOSTS) throw new TypeError(`host must name 1 to ${MAX_HOSTS} addresses`)
  for (const name of ['bind', 'public'] as const)
    if (new Set(hosts.map((host) => host[name])).size !== hosts.length) throw new TypeError('host names an address twice')
  return hosts
}

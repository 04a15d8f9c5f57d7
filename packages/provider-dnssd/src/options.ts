import type { NetworkInterfaceInfo } from 'node:os'
import { checkInteger } from '@kithmesh/core/plugin'

/** What {@link dnssd} can be told. Everything has a default. */
export interface DnssdOptions {
  /** Service type without `.local`. Default `_couchbaseP2P._tcp`. */
  readonly serviceType?: string
  /** Path of the URLs that peers are resolved to. Default `db`. */
  readonly databaseName?: string
  /**
   * Interfaces by name (`eth0`, all its addresses) or address (that one only). Default: every interface that is up
   * except loopback, or loopback when there is no other. Interfaces that come and go are noticed within five seconds.
   */
  readonly interfaces?: readonly string[]
  /** Use IPv4. Default true. */
  readonly ipv4?: boolean
  /** Use IPv6. Default true. */
  readonly ipv6?: boolean
  /**
   * Make sure that nobody else has the name before it is announced (RFC 6762 §8.1): takes 750 to 1,000 ms.
   * Without it two services of one name are only noticed after both were announced. Default true.
   */
  readonly probe?: boolean
  /** Host name without `.local`. Default: this machine's name and the first eight characters of the peer id. */
  readonly hostName?: string
  /** UDP port. Others than 5353 are for tests: nobody else listens there. */
  readonly port?: number
  /** For tests: numbers from 0 up to, not including, 1. Default `Math.random`. */
  readonly random?: () => number
  /** For tests: what `os.networkInterfaces` returns. */
  readonly listInterfaces?: () => Readonly<Partial<Record<string, readonly NetworkInterfaceInfo[]>>>
}

export interface CheckedOptions {
  readonly serviceType: string
  readonly databaseName: string
  readonly interfaces: readonly string[] | undefined
  readonly ipv4: boolean
  readonly ipv6: boolean
  readonly probe: boolean
  readonly hostName: string | undefined
  readonly port: number
  readonly random: () => number
  readonly listInterfaces: DnssdOptions['listInterfaces'] | undefined
}

/** Fills in the defaults. @throws TypeError for values that cannot work */
export function checkOptions(options: DnssdOptions): CheckedOptions {
  const checked: CheckedOptions = {
    serviceType: options.serviceType ?? '_couchbaseP2P._tcp',
    databaseName: options.databaseName ?? 'db',
    interfaces: options.interfaces,
    ipv4: options.ipv4 ?? true,
    ipv6: options.ipv6 ?? true,
    probe: options.probe ?? true,
    hostName: options.hostName,
    port: options.port ?? 5353,
    random: options.random ?? Math.random,
    listInterfaces: options.listInterfaces
  }
  if (!/^_[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\._(?:tcp|udp)$/.test(checked.serviceType))
    throw new TypeError(`serviceType must look like "_name._tcp", not ${JSON.stringify(options.serviceType)}`)
  if (checked.databaseName === '') throw new TypeError('databaseName must not be empty')
  if (!checked.ipv4 && !checked.ipv6) throw new TypeError('One of ipv4 and ipv6 must be true')
  if (checked.interfaces?.length === 0) throw new TypeError('interfaces must not be empty; leave it out for all')
  checkInteger('port', checked.port, 1, 65_535)
  if (checked.hostName !== undefined && !/^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/.test(checked.hostName))
    throw new TypeError('hostName must be one label of letters, digits and hyphens, without ".local"')
  return checked
}

import type { networkInterfaces } from 'node:os'
import { addressKind } from '@kithmesh/core/plugin'

/** Of this machine's addresses those that devices reach a relay at best: one of each family, global before private. Loopback when there is none. Pure. */
export function relayHosts(interfaces: ReturnType<typeof networkInterfaces>): string[] {
  const addresses = Object.values(interfaces).flatMap((each) => each ?? [])
  const best = (family: 'IPv4' | 'IPv6'): string | undefined => {
    const usable = addresses.filter((each) => each.family === family && !each.internal)
    const kind = (wanted: string): string | undefined => usable.find(({ address }) => addressKind(address)?.kind === wanted)?.address
    return kind('global') ?? (family === 'IPv4' ? kind('private') : undefined)
  }
  const hosts = [best('IPv4'), best('IPv6')].filter((each) => each !== undefined)
  return hosts.length > 0 ? hosts : ['127.0.0.1']
}

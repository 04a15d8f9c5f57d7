import type { NetworkInterfaceInfo } from 'node:os'

/** An address of an interface, as `os.networkInterfaces()` tells it; what a test does not look at is empty. */
export function info(address: string, internal = false): NetworkInterfaceInfo {
  const rest = { cidr: null, netmask: '', mac: '', scopeid: 0 }
  return { ...rest, address, internal, family: address.includes(':') ? 'IPv6' : 'IPv4' } as NetworkInterfaceInfo
}

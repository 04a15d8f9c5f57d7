import { networkInterfaces } from 'node:os'
import { addressKind } from '@kithmesh/core/plugin'

/**
 * Restricted to loopback, the port is too, on every address of it that is advertised; otherwise it is open on all addresses, because those
 * of other interfaces change.
 */
export function listenOn(interfaces: readonly string[] | undefined): { readonly interfaces?: readonly string[] } {
  return interfaces?.every(isLoopback) === true ? { interfaces } : {}
}

function isLoopback(networkInterface: string): boolean {
  if (addressKind(networkInterface)?.kind === 'loopback') return true
  const addresses = networkInterfaces()[networkInterface] ?? []
  return addresses.length > 0 && addresses.every(({ internal }) => internal)
}

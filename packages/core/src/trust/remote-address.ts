import { isIP } from 'node:net'

/**
 * The IP address in the text that tells where a connection comes from: `192.168.1.4` of `192.168.1.4:50312`, `fe80::1%eth0` of
 * `[fe80::1%eth0]:50312`, and of an address alone. Pure.
 * @returns null when there is none in it
 */
export function remoteAddress(remote: string): string | null {
  if (isIP(remote) !== 0) return remote
  const [, bracketed, plain] = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::\d+)?$/.exec(remote) ?? []
  const address = bracketed ?? plain
  return address !== undefined && isIP(address) !== 0 ? address : null
}

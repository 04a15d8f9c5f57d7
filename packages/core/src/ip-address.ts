import { isIPv4, isIPv6, SocketAddress } from 'node:net'

/** The 4 or 16 bytes of an IP literal, in network order; a zone does not count. Pure. @returns undefined for anything else */
export function addressBytes(address: string): Buffer | undefined {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number))
  if (!isIPv6(address)) return undefined
  const [literal = ''] = address.split('%')
  const [before, after = []] = literal.split('::').map(sideBytes) as [number[], number[]?]
  return Buffer.from([...before, ...new Array<number>(16 - before.length - after.length).fill(0), ...after])
}

/** {@link addressBytes}, but the 4 of the IPv4 address where one is written as IPv6 (`::ffff:192.0.2.1`, RFC 4291 §2.5.5.2). Pure. */
export function unmappedBytes(address: string): Buffer | undefined {
  const bytes = addressBytes(address)
  const mapped = bytes?.length === 16 && bytes.readBigUInt64BE(0) === 0n && bytes.readUInt32BE(8) === 0xffff
  return mapped ? bytes.subarray(12) : bytes
}

/** The IP literal for 4 or 16 bytes: IPv6 in lowercase and shortened (RFC 5952), as the operating system's addresses come from Node. Pure. */
export function addressText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.')
  const groups = Buffer.from(bytes).toString('hex').match(/.{4}/g) ?? []
  return new SocketAddress({ family: 'ipv6', address: groups.join(':') }).address
}

/** The bytes of what is on one side of `::` in a valid literal. */
function sideBytes(side: string): number[] {
  if (side === '') return []
  return side.split(':').flatMap((group) => {
    if (group.includes('.')) return group.split('.').map(Number)
    const value = Number.parseInt(group, 16)
    return [value >> 8, value & 0xff]
  })
}

/** A device's address on the air. The type is part of the identity. */
export interface AirAddress {
  /** Twelve lowercase hex digits, most significant first: `c0ffee000001`. */
  readonly id: string
  readonly type: 'public' | 'random'
}

/** An address as events carry it: number of the type, and six bytes with the least significant first. */
export interface WireAddress extends AirAddress {
  readonly typeNumber: 0 | 1
  readonly bytes: Buffer
}

/** @throws TypeError when it is not twelve hex digits, with or without colons between pairs */
export function parseAddress(text: string, type: 'public' | 'random' = 'public'): WireAddress {
  const id = text.replaceAll(':', '').toLowerCase()
  if (!/^[0-9a-f]{12}$/.test(id)) throw new TypeError(`an address has twelve hex digits, not ${JSON.stringify(text)}`)
  return { id, type, typeNumber: type === 'public' ? 0 : 1, bytes: Buffer.from(id, 'hex').reverse() }
}

/** Reads type and address as they stand in commands. */
export function readAddress(parameters: Buffer, offset: number): WireAddress {
  const bytes = Buffer.from(parameters.subarray(offset + 1, offset + 7))
  return addressOfBytes(bytes, (parameters[offset] as number) % 2 === 0 ? 'public' : 'random')
}

/** @param bytes six, least significant first; kept */
export function addressOfBytes(bytes: Buffer, type: 'public' | 'random'): WireAddress {
  return { id: Buffer.from(bytes).reverse().toString('hex'), type, typeNumber: type === 'public' ? 0 : 1, bytes }
}

export function sameAddress(a: AirAddress, b: AirAddress): boolean {
  return a.id === b.id && a.type === b.type
}

import { isIP } from 'node:net'
import { invalidAddress, quoted, type AddressProblem } from './invalid-address.ts'

/** A decimal number as it is written in addresses: digits only, no leading zero. @throws ERR_ADDRESS_INVALID */
export function readNumber(text: string, low: number, high: number, problem: AddressProblem, what: string): number {
  const value = /^(0|[1-9]\d{0,9})$/.test(text) ? Number(text) : Number.NaN
  if (!(value >= low && value <= high)) throw invalidAddress(problem, `${what} ${quoted(text)} is not a number from ${low} to ${high}`)
  return value
}

/** Checks a number that is to be written. @throws ERR_ADDRESS_INVALID */
export function checkNumber(value: number, low: number, high: number, problem: AddressProblem, what: string): number {
  if (!Number.isInteger(value) || value < low || value > high)
    throw invalidAddress(problem, `${what} ${String(value)} is not a whole number from ${low} to ${high}`)
  return value
}

/**
 * An IP address of the wanted family. It is kept as it is written (there are several spellings of an IPv6 address), so that reading and
 * writing gives the same text. IPv4 in the clothes of IPv6 (RFC 4291 §2.5.5) belongs to neither family, and a zone (RFC 4007 §11) means
 * nothing to another machine.
 * @throws ERR_ADDRESS_INVALID
 */
export function checkIp(text: string, family: 4 | 6, what: string): string {
  const found = typeof text === 'string' && text.length <= 45 && !text.includes('%') ? isIP(text) : 0
  if (found === 0) throw invalidAddress('ip', `${what} ${quoted(String(text))} is not an IP address`)
  if (found !== family || (found === 6 && text.includes('.')))
    throw invalidAddress('family', `${what} ${quoted(text)} is not an IPv${family} address`)
  return text
}

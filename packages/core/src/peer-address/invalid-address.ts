import { coreErrors } from '../errors.ts'
import type { KithmeshError } from '../kithmesh-error.ts'

/** Why the text of an address is refused; `details.problem` of ERR_ADDRESS_INVALID. */
export type AddressProblem =
  /** Not a text, longer than an address may be, or with characters that no address has. */
  | 'text'
  /** A part is missing, there are too many, or they are in another order. */
  | 'parts'
  /** A version or form of the address that is not understood. */
  | 'version'
  /** The list of signalling servers, or one of them. */
  | 'servers'
  /** The brackets around an interface, or its number of fields. */
  | 'interface'
  /** More interfaces of one family than an address may have, or none at all. */
  | 'interface-count'
  /** An interface's index, or two interfaces of one family with the same. */
  | 'interface-index'
  /** Not an IP address as it is written here. */
  | 'ip'
  /** An IP address of the other family. */
  | 'family'
  | 'port'
  /** The kind of NAT: mapping, filtering, or P2PD's number for both. */
  | 'nat'
  /** How the NAT picks ports, and the step or range that belongs to it. */
  | 'delta'
  /** The node or peer id. */
  | 'id'
  /** It cannot be said in the other form at all. */
  | 'conversion'

/** ERR_ADDRESS_INVALID with what is wrong, for programs (`details.problem`) and for people. */
export function invalidAddress(problem: AddressProblem, message: string, hint?: string): KithmeshError {
  return coreErrors.create('ERR_ADDRESS_INVALID', message, { details: { problem }, ...(hint === undefined ? {} : { hint }) })
}

/** A text of the network as it may be shown: cut, and without control characters. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text)
}

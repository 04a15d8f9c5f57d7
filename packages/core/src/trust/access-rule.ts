import type { AccessRule } from '../contracts/trust.ts'
import { coreErrors } from '../errors.ts'
import type { KithmeshError } from '../kithmesh-error.ts'
import { checkPeerGroupId } from '../group-id.ts'
import { isPeerId } from '../peer-id.ts'
import { addressRange } from '../address-range.ts'
import type { AddressRange } from '../address-range.ts'

const MAX_NOTE = 200
const FIELDS: readonly string[] = ['effect', 'peerId', 'range', 'group', 'note']

/** A rule that can be used: its range in the one way of writing it. Frozen. */
export interface CheckedRule {
  readonly rule: AccessRule
  readonly range: AddressRange | undefined
  /** The same for rules that differ in nothing but their note. */
  readonly key: string
}

/**
 * Checks a rule, from wherever it comes.
 * @throws ERR_ACCESS_RULE for one that is none, means nobody in particular, or has a field that does not exist
 */
export function checkRule(value: unknown): CheckedRule {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw unusable('A rule is an object')
  const given = Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as Partial<Record<string, unknown>>
  const unknown = Object.keys(given).find((field) => !FIELDS.includes(field))
  if (unknown !== undefined) throw unusable(`There is no field ${JSON.stringify(unknown.slice(0, 40))} in a rule`)
  const { effect, peerId, range, group, note } = given
  if (effect !== 'allow' && effect !== 'block') throw unusable('The effect of a rule is allow or block')
  if (peerId !== undefined && !isPeerId(peerId)) throw unusable(`${quoted(peerId)} is not a peer id of 64 lowercase hex digits`)
  const checked = range === undefined ? undefined : typeof range === 'string' ? addressRange(range) : undefined
  if (range !== undefined && checked === undefined) throw unusable(`${quoted(range)} is not an address or a range such as 10.0.0.0/8`)
  const checkedGroup = group === undefined ? undefined : checkGroup(group)
  if (note !== undefined && (typeof note !== 'string' || note.length > MAX_NOTE || /[\p{Cc}\p{Cs}]/u.test(note)))
    throw unusable(`A note is a text of at most ${MAX_NOTE} characters in one line`)
  if (peerId === undefined && checked === undefined && checkedGroup === undefined)
    throw unusable('A rule names a peer id, a range or a group')
  const rule: AccessRule = Object.freeze({
    effect,
    ...(peerId === undefined ? {} : { peerId }),
    ...(checked === undefined ? {} : { range: checked.text }),
    ...(checkedGroup === undefined ? {} : { group: checkedGroup }),
    ...(note === undefined ? {} : { note })
  })
  return { rule, range: checked, key: JSON.stringify([effect, rule.peerId ?? '', rule.range ?? '', rule.group ?? '']) }
}

function checkGroup(group: unknown): string {
  try {
    return checkPeerGroupId(group)
  } catch (cause) {
    throw unusable(`${quoted(group)} is not a peer group id`, cause)
  }
}

function unusable(message: string, cause?: unknown): KithmeshError {
  return coreErrors.create('ERR_ACCESS_RULE', message, cause === undefined ? {} : { cause })
}

function quoted(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value) : `a ${typeof value}`
}

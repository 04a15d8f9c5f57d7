import type { Logger } from '../contracts/logger.ts'
import type { AccessCriteria, AccessRule, AccessSubject, ObservableList } from '../contracts/trust.ts'
import { coreErrors } from '../errors.ts'
import { silentLogger } from '../loggers.ts'
import { checkRule } from './access-rule.ts'
import type { CheckedRule } from './access-rule.ts'
import { addressBits, inRange } from '../address-range.ts'
import type { AddressBits, AddressRange } from '../address-range.ts'
import { ListState } from './observable-list.ts'
import { RangeIndex } from './range-index.ts'

const MAX_RULES = 100_000
const KINDS = ['peerId', 'range', 'group'] as const
type Kind = (typeof KINDS)[number]

/** What `toJSON` of {@link AccessLists} gives. */
export interface AccessListsJson {
  readonly version: 1
  readonly rules: readonly AccessRule[]
}

export interface AccessListsOptions {
  /** @default [] */
  readonly rules?: Iterable<AccessRule>
  /** Is told of listeners that throw. @default silentLogger */
  readonly logger?: Logger
}

/** A subject with its address read; null for none, and for what is no address. */
interface Known {
  readonly peerId: string | undefined
  readonly address: AddressBits | null | undefined
  readonly group: string | undefined
}

/**
 * Who may connect to this device and be connected to: allow and block rules by peer id, address range and peer group.
 *
 * - A rule is about who matches everything that it names. A **block** rule refuses them, whatever else allows them.
 * - As soon as an **allow** rule names a peer id, peer ids are refused that no matching allow rule names; the same holds for addresses and
 *   for groups. Without such a rule, everybody is welcome who is not blocked.
 * - What is not known yet of somebody (the peer id, before TLS has proven it) refuses nobody; the lists are asked again when it is. More
 *   knowledge only ever refuses more.
 *
 * Changes count from the next question on, and `onChange` tells those who hold connections.
 *
 * @example
 * const access = new AccessLists()
 * access.add({ effect: 'allow', range: '192.168.0.0/16' })
 * access.add({ effect: 'block', peerId, note: 'lost in May' })
 * access.refuses({ address: '203.0.113.7' }) // 'the address 203.0.113.7 is in none of the allowed ranges'
 */
export class AccessLists {
  readonly #rules = new Map<string, CheckedRule>()
  readonly #ranges = new RangeIndex<CheckedRule & { readonly range: AddressRange }>()
  readonly #peers = new Map<string, Set<CheckedRule>>()
  readonly #groups = new Map<string, Set<CheckedRule>>()
  /** How many allow rules name one. */
  readonly #allowing = { peerId: 0, range: 0, group: 0 }
  readonly #list: ListState<AccessRule>

  /** @throws ERR_ACCESS_RULE, ERR_ACCESS_FULL */
  constructor({ rules = [], logger = silentLogger }: AccessListsOptions = {}) {
    this.#list = new ListState(() => [...this.#rules.values()].map(({ rule }) => rule), logger)
    for (const rule of rules) this.add(rule)
  }

  /**
   * Reads what `toJSON` gave. Nothing is taken from lists of which one rule cannot be used.
   * @throws ERR_ACCESS_FORMAT with the cause
   */
  static from(json: unknown, options: Omit<AccessListsOptions, 'rules'> = {}): AccessLists {
    const { version, rules, ...others } = (typeof json === 'object' && json !== null ? json : {}) as Partial<Record<string, unknown>>
    if (version !== 1 || !Array.isArray(rules) || Object.keys(others).length > 0)
      throw coreErrors.create('ERR_ACCESS_FORMAT', 'This is not { "version": 1, "rules": […] }')
    try {
      return new AccessLists({ ...options, rules: rules as AccessRule[] })
    } catch (cause) {
      throw coreErrors.create('ERR_ACCESS_FORMAT', `One of the rules cannot be used: ${(cause as Error).message}`, { cause })
    }
  }

  /** All rules, in the order of their addition. */
  get list(): ObservableList<AccessRule> {
    return this.#list
  }

  /** See {@link ObservableList.onChange}. */
  onChange(listener: (rules: readonly AccessRule[]) => void): () => void {
    return this.#list.onChange(listener)
  }

  /**
   * Adds a rule. One that is there already but for its note takes the new note.
   * @returns whether anything changed
   * @throws ERR_ACCESS_RULE, ERR_ACCESS_FULL
   */
  add(rule: AccessRule): boolean {
    const checked = checkRule(rule)
    const former = this.#rules.get(checked.key)
    if (former !== undefined && former.rule.note === checked.rule.note) return false
    if (former === undefined && this.#rules.size >= MAX_RULES)
      throw coreErrors.create('ERR_ACCESS_FULL', `The access lists hold ${MAX_RULES} rules already`)
    if (former !== undefined) this.#index(former, -1)
    this.#rules.set(checked.key, checked)
    this.#index(checked, 1)
    this.#list.changed()
    return true
  }

  /**
   * Takes back a rule, however its range is written and whatever its note says.
   * @returns whether it was there
   * @throws ERR_ACCESS_RULE
   */
  remove(rule: AccessRule): boolean {
    const checked = this.#rules.get(checkRule(rule).key)
    if (checked === undefined) return false
    this.#rules.delete(checked.key)
    this.#index(checked, -1)
    this.#list.changed()
    return true
  }

  /** `add` of an allow rule. */
  allow(criteria: AccessCriteria & { readonly note?: string }): boolean {
    return this.add({ ...criteria, effect: 'allow' })
  }

  /** `add` of a block rule. */
  block(criteria: AccessCriteria & { readonly note?: string }): boolean {
    return this.add({ ...criteria, effect: 'block' })
  }

  /** Why somebody is not welcome, for people and logs; undefined for who is. Does not depend on the order of the rules. */
  refuses(subject: AccessSubject): string | undefined {
    if (this.#rules.size === 0) return undefined
    const { peerId, address, group } = subject
    const known: Known = {
      peerId,
      address: address == null ? address : (addressBits(address) ?? null),
      group
    }
    for (const kind of KINDS)
      for (const rule of this.#naming(kind, known))
        if (rule.rule.effect === 'block' && matches(rule, known, false)) return `it is blocked by the rule for ${described(rule.rule)}`
    for (const kind of KINDS) {
      if (this.#allowing[kind] === 0 || known[kind === 'range' ? 'address' : kind] === undefined) continue
      let allowed = false
      for (const rule of this.#naming(kind, known)) allowed ||= rule.rule.effect === 'allow' && matches(rule, known, true)
      if (!allowed) return notAllowed(kind, subject)
    }
    return undefined
  }

  toJSON(): AccessListsJson {
    return { version: 1, rules: [...this.#list.current] }
  }

  /** The rules whose criterion of that kind is known to be met. */
  #naming(kind: Kind, { peerId, address, group }: Known): Iterable<CheckedRule> {
    if (kind === 'range') return address == null ? [] : this.#ranges.matching(address)
    if (kind === 'peerId') return (peerId === undefined ? undefined : this.#peers.get(peerId)) ?? []
    return (group === undefined ? undefined : this.#groups.get(group)) ?? []
  }

  #index(checked: CheckedRule, by: 1 | -1): void {
    const { rule, range } = checked
    if (range !== undefined) {
      const entry = checked as CheckedRule & { readonly range: AddressRange }
      if (by === 1) this.#ranges.add(entry)
      else this.#ranges.delete(entry)
    }
    if (rule.peerId !== undefined) keep(this.#peers, rule.peerId, checked, by)
    if (rule.group !== undefined) keep(this.#groups, rule.group, checked, by)
    if (rule.effect === 'allow') for (const kind of KINDS) if (rule[kind] !== undefined) this.#allowing[kind] += by
  }
}

function keep(index: Map<string, Set<CheckedRule>>, key: string, rule: CheckedRule, by: 1 | -1): void {
  const rules = index.get(key) ?? new Set<CheckedRule>()
  index.set(key, rules)
  if (by === 1) rules.add(rule)
  else rules.delete(rule)
  if (rules.size === 0) index.delete(key)
}

/** Whether everything that a rule names is met. @param unknown what counts of what is not known */
function matches({ rule, range }: CheckedRule, { peerId, address, group }: Known, unknown: boolean): boolean {
  return (
    (rule.peerId === undefined || (peerId === undefined ? unknown : rule.peerId === peerId)) &&
    (range === undefined || (address === undefined ? unknown : address !== null && inRange(address, range))) &&
    (rule.group === undefined || (group === undefined ? unknown : rule.group === group))
  )
}

function described({ peerId, range, group, note }: AccessRule): string {
  const whom = [
    ...(peerId === undefined ? [] : [`the peer ${peerId}`]),
    ...(range === undefined ? [] : [range]),
    ...(group === undefined ? [] : [`the group ${JSON.stringify(group)}`])
  ]
  return `${whom.join(' and ')}${note === undefined ? '' : ` (${note})`}`
}

function notAllowed(kind: Kind, { peerId, address, group }: AccessSubject): string {
  if (kind === 'peerId') return `the peer ${String(peerId)} is none of the allowed ones`
  if (kind === 'group') return `the group ${JSON.stringify(group)} is none of the allowed ones`
  return address == null
    ? 'it has no address, and only certain addresses are allowed'
    : `the address ${address} is in none of the allowed ranges`
}

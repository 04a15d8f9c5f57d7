import { randomBytes } from 'node:crypto'
import type { Decision, ItemVersion, Reason } from './resolve.ts'

/** A decided conflict as it is kept in the database and replicated, so that it can be looked at on every device. */
export interface ConflictRecord {
  readonly id: string
  /** ISO 8601, by the clock of who decided. */
  readonly at: string
  /** Who decided, and with whom; their versions are `local` and `remote` of the decisions. */
  readonly between: readonly [string, string]
  readonly revisions: readonly [string, string]
  readonly decisions: readonly Decision[]
}

const PREFIX = 'conflict:'
const MAX_DECISIONS = 100
const reasons: readonly Reason[] = ['taken-local', 'taken-remote', 'added-up', 'later-name', 'later-picture', 'kept', 'removed', 'foreign']

/** Ids sort by time. */
export function newConflictId(at: string): string {
  return `${PREFIX}${at}-${randomBytes(4).toString('hex')}`
}

export function isConflictId(id: string): boolean {
  return id.startsWith(PREFIX)
}

export function writeConflict({ at, between, revisions, decisions }: ConflictRecord): Record<string, unknown> {
  return { type: 'conflict', at, between, revisions, decisions: decisions.slice(0, MAX_DECISIONS) }
}

/** Reads what another device wrote; undefined when it makes no sense. */
export function readConflict(id: string, body: Readonly<Record<string, unknown>>): ConflictRecord | undefined {
  const { type, at, between, revisions, decisions } = body
  if (type !== 'conflict' || typeof at !== 'string' || Number.isNaN(Date.parse(at)) || !Array.isArray(decisions)) return undefined
  return {
    id,
    at: new Date(at).toISOString(),
    between: pair(between),
    revisions: pair(revisions),
    decisions: decisions.slice(0, MAX_DECISIONS).flatMap((decision) => readDecision(decision) ?? [])
  }
}

function readDecision(value: unknown): Decision | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { id, local, remote, result, why } = value as Record<string, unknown>
  const [mine, theirs, decided] = [readVersion(local), readVersion(remote), readVersion(result)]
  if (decided === undefined) return undefined
  return {
    id: text(id),
    ...(mine !== undefined && { local: mine }),
    ...(theirs !== undefined && { remote: theirs }),
    result: decided,
    why: Array.isArray(why) ? reasons.filter((reason) => why.includes(reason)) : []
  }
}

function readVersion(value: unknown): ItemVersion | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { name, quantity, picture, removed } = value as Record<string, unknown>
  return {
    name: text(name),
    quantity: typeof quantity === 'number' && Number.isFinite(quantity) ? quantity : 0,
    removed: removed === true,
    ...(typeof picture === 'string' && { picture: picture.slice(0, 64) })
  }
}

function pair(value: unknown): readonly [string, string] {
  return Array.isArray(value) ? [text(value[0]), text(value[1])] : ['', '']
}

const text = (value: unknown): string => (typeof value === 'string' ? value.slice(0, 100) : '')

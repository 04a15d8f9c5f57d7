import { replicatorErrors } from '../errors.ts'
import { JsonText } from './json-text.ts'
import type { JsonMember, JsonNode } from './json-text.ts'
import { applyTextPatch, hasUtf8 } from './text-patch.ts'

/**
 * What a delta makes of a JSON object (delta.md §2). Everything that the delta does not touch is taken over as it is written. The result is not
 * larger than both together; whether it is a document that may be stored is for the caller to check.
 *
 * @throws ERR_REPL_DELTA_MALFORMED, ERR_REPL_DELTA_MISMATCH when the delta is not of this object, ERR_REPL_DELTA_LIMIT
 */
export function applyDelta(source: Uint8Array, delta: Uint8Array): Buffer {
  return new DeltaApplication(new JsonText(source), new JsonText(delta)).result()
}

/** An array's tail that is replaced: `"<n>-"`. */
const TAIL = /^(0|[1-9][0-9]{0,9})-$/
const INDEX = /^(0|[1-9][0-9]{0,9})$/

class DeltaApplication {
  readonly #source: JsonText
  readonly #delta: JsonText

  constructor(source: JsonText, delta: JsonText) {
    this.#source = source
    this.#delta = delta
  }

  result(): Buffer {
    const { root } = this.#delta
    if (!this.#delta.isContainer(root)) throw malformed('it is a bare value')
    const text = this.#apply(this.#source.root, root)
    if (text === undefined) throw mismatch('it deletes the whole document')
    return Buffer.from(text)
  }

  /** The new text of a value; undefined when it is deleted. `old` is undefined where there was none. */
  #apply(old: JsonNode | undefined, delta: JsonNode): string | undefined {
    switch (this.#delta.kind(delta)) {
      case '{':
        return this.#patch(old, delta)
      case '[':
        return this.#applyArray(old, delta)
      default:
        return this.#delta.raw(delta)
    }
  }

  #patch(old: JsonNode | undefined, delta: JsonNode): string {
    if (old === undefined) throw mismatch('it changes a value that is not there')
    const changes = this.#delta.members(delta)
    if (changes.size === 0) return this.#source.raw(old)
    const kind = this.#source.kind(old)
    if (kind === '{') return this.#patchObject(old, changes)
    if (kind === '[') return this.#patchArray(old, changes)
    throw mismatch('it changes members of a value that has none')
  }

  #patchObject(old: JsonNode, changes: ReadonlyMap<string, JsonMember>): string {
    const members = this.#source.members(old)
    const parts: string[] = []
    for (const [key, member] of members) {
      const change = changes.get(key)
      if (change === undefined) {
        parts.push(this.#source.rawMember(member))
        continue
      }
      const value = this.#apply(member.value, change.value)
      if (value !== undefined) parts.push(`${this.#source.rawKey(member)}:${value}`)
    }
    for (const [key, change] of changes) {
      if (!members.has(key)) parts.push(`${this.#delta.rawKey(change)}:${this.#apply(undefined, change.value) ?? ''}`)
    }
    return `{${parts.join(',')}}`
  }

  #patchArray(old: JsonNode, changes: ReadonlyMap<string, JsonMember>): string {
    const items = this.#source.items(old)
    let end = items.length
    let tail: JsonNode | undefined
    for (const [key, { value }] of changes) {
      const from = TAIL.exec(key)?.[1]
      if (from === undefined) continue
      if (tail !== undefined) throw malformed('an array has two new ends')
      if (this.#delta.kind(value) !== '[') throw malformed("an array's new end is no array")
      tail = value
      end = Number(from)
      if (end > items.length) throw mismatch(`an array of ${items.length} has no place ${end}`)
    }
    const values = items.slice(0, end).map((item) => this.#source.raw(item))
    for (const [key, { value }] of changes) {
      if (TAIL.test(key)) continue
      if (!INDEX.test(key)) throw malformed(`an array has no place ${JSON.stringify(key.slice(0, 80))}`)
      const index = Number(key)
      if (index >= end) throw mismatch(`an array of ${end} has no place ${index}`)
      const element = this.#apply(items[index], value)
      if (element === undefined) throw malformed('an element of an array is deleted')
      values[index] = element
    }
    if (tail !== undefined) for (const item of this.#delta.items(tail)) values.push(this.#delta.raw(item))
    return `[${values.join(',')}]`
  }

  /** A wrapped value, a deletion, a text patch, or one of the forms with the old value in it, which are only read. */
  #applyArray(old: JsonNode | undefined, delta: JsonNode): string | undefined {
    const items = this.#delta.items(delta)
    const [first, second, third] = items
    if (items.length === 1) return this.#delta.raw(first as JsonNode)
    if (items.length > 3) throw malformed('an array of it has more than three elements')
    if (old === undefined) throw mismatch('it changes or deletes a value that is not there')
    if (first === undefined) return undefined
    if (second !== undefined && third === undefined) return this.#delta.raw(second)
    const code = this.#delta.raw(third as JsonNode)
    if (this.#delta.raw(second as JsonNode) !== '0' || (code !== '0' && code !== '2')) throw malformed('it has an unknown operation')
    return code === '0' ? undefined : this.#patchText(old, first)
  }

  #patchText(old: JsonNode, patch: JsonNode): string {
    if (this.#source.kind(old) !== '"') throw mismatch('it patches the text of a value that is none')
    if (this.#delta.kind(patch) !== '"') throw malformed('a text patch is no string')
    const before = this.#source.string(old)
    const operations = this.#delta.string(patch)
    if (!hasUtf8(before) || !hasUtf8(operations)) throw mismatch('a text with half a character cannot be patched')
    return JSON.stringify(applyTextPatch(Buffer.from(before), Buffer.from(operations)).toString())
  }
}

const malformed = (why: string): Error => replicatorErrors.create('ERR_REPL_DELTA_MALFORMED', `A delta cannot be read: ${why}`)
const mismatch = (why: string): Error => replicatorErrors.create('ERR_REPL_DELTA_MISMATCH', `A delta does not fit the document: ${why}`)

import { isKithmeshError } from '@kithmesh/core'
import { JsonText } from './json-text.ts'
import type { JsonNode } from './json-text.ts'
import { commonPrefix, commonSuffix } from './common-ends.ts'
import { makeTextPatch } from './text-patch.ts'

/**
 * The delta that makes `after` of `before`, two JSON objects (delta.md §2, §3). Of the ways to say a change the shortest is taken; values are
 * compared and sent as they are written, so that no number is altered.
 *
 * @returns JSON bytes, `{}` when nothing differs; undefined when there is no exact delta between the two: an object has a key twice, or
 * they are larger than what `JsonText` takes.
 */
export function encodeDelta(before: Uint8Array, after: Uint8Array): Buffer | undefined {
  try {
    const encoder = new DeltaEncoder(new JsonText(before), new JsonText(after))
    return encoder.encode()
  } catch (error) {
    if (isKithmeshError(error)) return undefined
    throw error
  }
}

class DeltaEncoder {
  readonly #before: JsonText
  readonly #after: JsonText
  /** Up to here, and from there on, the two texts are the same: what lies within needs no comparing. */
  readonly #sameUpTo: number
  readonly #sameFrom: number
  readonly #shift: number

  constructor(before: JsonText, after: JsonText) {
    this.#before = before
    this.#after = after
    this.#sameUpTo = commonPrefix(before.text, after.text)
    this.#sameFrom = before.text.length - commonSuffix(before.text, after.text)
    this.#shift = after.text.length - before.text.length
  }

  encode(): Buffer | undefined {
    const { root: old } = this.#before
    const { root } = this.#after
    if (this.#before.kind(old) !== '{' || this.#after.kind(root) !== '{') return undefined
    return Buffer.from(this.#objectPatch(old, root) ?? '{}')
  }

  /** Undefined when nothing differs. */
  #delta(old: JsonNode, node: JsonNode): string | undefined {
    if (this.#isSame(old, node)) return undefined
    const before = this.#before.kind(old)
    const after = this.#after.kind(node)
    let patch: string | undefined
    if (before === '{' && after === '{') patch = this.#objectPatch(old, node)
    else if (before === '[' && after === '[') patch = this.#arrayPatch(old, node)
    else if (before === '{' || before === '[' || after === '{' || after === '[') return this.#replacement(node)
    else {
      const raw = this.#after.raw(node)
      if (this.#before.raw(old) === raw) return undefined
      return (before === '"' && after === '"' ? this.#textPatch(old, node) : undefined) ?? raw
    }
    if (patch === undefined) return undefined
    const replacement = this.#replacement(node)
    return replacement.length < patch.length ? replacement : patch
  }

  /** Whether two values certainly are the same, as cheaply as can be. */
  #isSame(old: JsonNode, node: JsonNode): boolean {
    const [start, end] = [this.#before.start(old), this.#before.end(old)]
    const shift = this.#after.start(node) - start
    if (this.#after.end(node) - end !== shift) return false
    return (shift === 0 && end <= this.#sameUpTo) || (shift === this.#shift && start >= this.#sameFrom)
  }

  /** A value put in the place of another, or of none. */
  #replacement(node: JsonNode): string {
    const raw = this.#after.raw(node)
    return this.#after.isContainer(node) ? `[${raw}]` : raw
  }

  #objectPatch(old: JsonNode, node: JsonNode): string | undefined {
    const before = this.#before.members(old)
    const after = this.#after.members(node)
    const parts: string[] = []
    for (const [key, member] of after) {
      const counterpart = before.get(key)
      const delta = counterpart === undefined ? this.#replacement(member.value) : this.#delta(counterpart.value, member.value)
      if (delta !== undefined) parts.push(`${this.#after.rawKey(member)}:${delta}`)
    }
    for (const [key, member] of before) if (!after.has(key)) parts.push(`${this.#before.rawKey(member)}:[]`)
    return parts.length === 0 ? undefined : `{${parts.join(',')}}`
  }

  /** Element by element, or all from the first difference on. */
  #arrayPatch(old: JsonNode, node: JsonNode): string | undefined {
    const before = this.#before.items(old)
    const after = this.#after.items(node)
    const common = Math.min(before.length, after.length)
    if (common === 0) return before.length === after.length ? undefined : this.#replacement(node)
    const parts: string[] = []
    let first = common
    for (let index = 0; index < common; index++) {
      const delta = this.#delta(before[index] as JsonNode, after[index] as JsonNode)
      if (delta === undefined) continue
      if (parts.length === 0) first = index
      parts.push(`"${index}":${delta}`)
    }
    if (before.length !== after.length) parts.push(this.#remainder(after, common))
    if (parts.length === 0) return undefined
    const patch = `{${parts.join(',')}}`
    if (first === common) return patch
    const cut = `{${this.#remainder(after, first)}}`
    return cut.length < patch.length ? cut : patch
  }

  #remainder(after: readonly JsonNode[], from: number): string {
    const values = after.slice(from).map((item) => this.#after.raw(item))
    return `"${from}-":[${values.join(',')}]`
  }

  #textPatch(old: JsonNode, node: JsonNode): string | undefined {
    const patch = makeTextPatch(this.#before.string(old), this.#after.string(node))
    return patch === undefined ? undefined : `[${JSON.stringify(patch)},0,2]`
  }
}

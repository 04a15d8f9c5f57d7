/** What one writer (one database of one device) did to an item, in all. Only that writer counts these up. */
export interface Contribution {
  /** Changes of any kind. */
  readonly edits: number
  /** Pieces added and taken away. */
  readonly plus: number
  readonly minus: number
}

/** A value that one writer replaces as a whole. `stamp` is `<n>-<writer>`, empty for what came with the sample or from another application. */
export interface Register<T> {
  readonly value: T
  readonly stamp: string
}

/** A blob as documents mention it (discovery of its bytes is the database's). */
export interface Picture {
  readonly '@type': 'blob'
  readonly digest: string
  readonly length: number
  readonly content_type?: string
}

/**
 * One thing of the list. Beside what is shown it has what a merge needs to know, so that changes made in different places add up
 * and the order in which they meet does not matter: {@link mergeItems}.
 */
export interface Item {
  readonly id: string
  readonly name: Register<string>
  readonly picture: Register<Picture | undefined>
  /** Pieces that no contribution accounts for: what it began with, or what an application without contributions made of it. */
  readonly offset: number
  readonly by: ReadonlyMap<string, Contribution>
  /** The edits of each writer that whoever removed it had seen; empty when it was never removed. */
  readonly removed: ReadonlyMap<string, number>
}

/** Pieces in stock. Below zero when people who could not see each other took more than there were. */
export function quantityOf(item: Item): number {
  let quantity = item.offset
  for (const { plus, minus } of item.by.values()) quantity += plus - minus
  return quantity
}

/** An item stays in the list as long as somebody changed it without having seen that it was removed. */
export function isListed(item: Item): boolean {
  if (item.removed.size === 0) return true
  for (const [writer, { edits }] of item.by) if (edits > (item.removed.get(writer) ?? 0)) return true
  return false
}

/** Which of two states has seen the other: by the edits of every writer. */
export function compareItems(a: Item, b: Item): 'equal' | 'before' | 'after' | 'concurrent' {
  let before = false
  let after = false
  for (const writer of new Set([...a.by.keys(), ...b.by.keys()])) {
    const difference = (a.by.get(writer)?.edits ?? 0) - (b.by.get(writer)?.edits ?? 0)
    if (difference < 0) before = true
    if (difference > 0) after = true
  }
  if (before && after) return 'concurrent'
  return before ? 'before' : after ? 'after' : 'equal'
}

/** The stamp for a new value in place of one with `stamp`. */
export function nextStamp(stamp: string, writer: string): string {
  return `${stampNumber(stamp) + 1}-${writer}`
}

/** @returns a positive number when `a` is the later of the two stamps, 0 when they are the same. */
export function compareStamps(a: string, b: string): number {
  const difference = stampNumber(a) - stampNumber(b)
  if (difference !== 0) return difference
  return a < b ? -1 : a > b ? 1 : 0
}

function stampNumber(stamp: string): number {
  return stamp === '' ? 0 : Number.parseInt(stamp, 10)
}

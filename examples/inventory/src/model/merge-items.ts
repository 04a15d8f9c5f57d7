import { type Contribution, type Item, type Picture, type Register, compareStamps } from './item.ts'

/**
 * Joins two states of one item: of every writer the most it ever said, of name and picture the later one. Commutative, associative
 * and idempotent, so all devices end with the same item, in whatever order and however often they meet.
 */
export function mergeItems(a: Item, b: Item): Item {
  return {
    id: a.id,
    name: later(a.name, b.name, compareText),
    picture: later(a.picture, b.picture, comparePictures),
    offset:
      Math.abs(a.offset) === Math.abs(b.offset)
        ? Math.max(a.offset, b.offset)
        : Math.abs(a.offset) > Math.abs(b.offset)
          ? a.offset
          : b.offset,
    by: join(a.by, b.by, mostOf),
    removed: join(a.removed, b.removed, Math.max)
  }
}

function join<T>(a: ReadonlyMap<string, T>, b: ReadonlyMap<string, T>, both: (a: T, b: T) => T): Map<string, T> {
  const joined = new Map(a)
  for (const [key, value] of b) {
    const other = joined.get(key)
    joined.set(key, other === undefined ? value : both(other, value))
  }
  return joined
}

const mostOf = (a: Contribution, b: Contribution): Contribution => ({
  edits: Math.max(a.edits, b.edits),
  plus: Math.max(a.plus, b.plus),
  minus: Math.max(a.minus, b.minus)
})

/** Equal stamps with different values come from applications that do not stamp; then any rule does that everybody follows. */
function later<T>(a: Register<T>, b: Register<T>, compareValues: (a: T, b: T) => number): Register<T> {
  const order = compareStamps(a.stamp, b.stamp) || compareValues(a.value, b.value)
  return order >= 0 ? a : b
}

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

const comparePictures = (a: Picture | undefined, b: Picture | undefined): number =>
  compareText(a?.digest ?? '', b?.digest ?? '') ||
  (a?.length ?? 0) - (b?.length ?? 0) ||
  compareText(a?.content_type ?? '', b?.content_type ?? '')

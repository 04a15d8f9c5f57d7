import { type Item, compareItems, isListed, quantityOf } from './item.ts'
import type { List } from './list-document.ts'
import { mergeItems } from './merge-items.ts'

/** An item as people see it in one of the versions of a conflict. */
export interface ItemVersion {
  readonly name: string
  readonly quantity: number
  /** Digest of the picture. */
  readonly picture?: string
  readonly removed: boolean
}

/** What became of one item that both versions have an opinion on. */
export interface Decision {
  readonly id: string
  readonly local?: ItemVersion
  readonly remote?: ItemVersion
  readonly result: ItemVersion
  readonly why: readonly Reason[]
}

/**
 * `taken-local`, `taken-remote`: one side had changed it and the other had not; `added-up`: both had changed the quantity;
 * `later-name`, `later-picture`: the later edit of two; `kept`: changed by one side and removed by the other, so it stays; `foreign`: the
 * sides differ without saying what was changed.
 */
export type Reason = 'taken-local' | 'taken-remote' | 'added-up' | 'later-name' | 'later-picture' | 'kept' | 'removed' | 'foreign'

/**
 * Whether anything had to be decided. When one version has seen all that is in the other, it only looks like a conflict: revision trees forget
 * that a merge came from both sides when it arrives where one of them was.
 */
export function isDecision(decisions: readonly Decision[]): boolean {
  const only = (reason: Reason): boolean => decisions.every(({ why }) => why.every((one) => one === reason))
  return !only('taken-local') && !only('taken-remote')
}

/** Merges two versions of the list item by item, and says what was decided about each item that differs. */
export function resolveLists(local: List, remote: List): { readonly merged: List; readonly decisions: readonly Decision[] } {
  const merged = new Map<string, Item>()
  const decisions: Decision[] = []
  for (const id of new Set([...local.keys(), ...remote.keys()])) {
    const mine = local.get(id)
    const theirs = remote.get(id)
    const result = mine === undefined ? theirs : theirs === undefined ? mine : mergeItems(mine, theirs)
    if (result === undefined) continue
    merged.set(id, result)
    const why = reasons(mine, theirs, result)
    if (why.length > 0)
      decisions.push({
        id,
        ...(mine !== undefined && { local: versionOf(mine) }),
        ...(theirs !== undefined && { remote: versionOf(theirs) }),
        result: versionOf(result),
        why
      })
  }
  return { merged, decisions }
}

function versionOf(item: Item): ItemVersion {
  const digest = item.picture.value?.digest
  return { name: item.name.value, quantity: quantityOf(item), removed: !isListed(item), ...(digest !== undefined && { picture: digest }) }
}

function reasons(mine: Item | undefined, theirs: Item | undefined, result: Item): Reason[] {
  if (mine === undefined) return ['taken-remote']
  if (theirs === undefined) return ['taken-local']
  const order = compareItems(mine, theirs)
  if (order === 'before') return ['taken-remote']
  if (order === 'after') return ['taken-local']
  const sameQuantity = quantityOf(mine) === quantityOf(theirs) && quantityOf(result) === quantityOf(mine)
  const found: Reason[] = []
  if (mine.name.value !== theirs.name.value) found.push('later-name')
  if (mine.picture.value?.digest !== theirs.picture.value?.digest) found.push('later-picture')
  if (order === 'equal') return found.length > 0 || !sameQuantity ? ['foreign'] : []
  if (!sameQuantity) found.push('added-up')
  if (!isListed(result)) found.push('removed')
  else if (isListed(mine) !== isListed(theirs)) found.push('kept')
  return found.length > 0 ? found : ['added-up']
}

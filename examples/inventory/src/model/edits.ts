import { type Contribution, type Item, type Picture, nextStamp, quantityOf } from './item.ts'
import { type List, MAX_NAME, MAX_QUANTITY } from './list-document.ts'

/** An edit that makes no sense; the message is for the person who asked for it. */
export class EditRefused extends Error {}

export interface NewItem {
  readonly id: string
  readonly name: string
  readonly quantity: number
  readonly picture?: Picture | undefined
}

/** Adds an item. @throws EditRefused for a name or a quantity that cannot be. */
export function addItem(list: List, writer: string, { id, name, quantity, picture }: NewItem): List {
  const pieces = checkedQuantity(quantity)
  const item: Item = {
    id,
    name: { value: checkedName(name), stamp: nextStamp('', writer) },
    picture: { value: picture, stamp: picture === undefined ? '' : nextStamp('', writer) },
    offset: 0,
    by: new Map([[writer, { edits: 1, plus: pieces, minus: 0 }]]),
    removed: new Map()
  }
  return new Map(list).set(id, item)
}

/** Adds pieces, or takes them away; never below none, as far as this list knows. */
export function changeQuantity(list: List, writer: string, id: string, change: number): List {
  if (!Number.isSafeInteger(change)) throw new EditRefused('A quantity is a whole number.')
  const item = found(list, id)
  const now = quantityOf(item)
  const next = checkedQuantity(Math.min(Math.max(now + change, Math.min(now, 0)), MAX_QUANTITY))
  return put(list, writer, item, {}, next - now)
}

export interface ItemEdit {
  readonly name?: string
  readonly quantity?: number
  readonly picture?: Picture
}

/** Changes what is given and leaves the rest. A quantity counts as the difference to what is there. */
export function editItem(list: List, writer: string, id: string, { name, quantity, picture }: ItemEdit): List {
  const item = found(list, id)
  const change = quantity === undefined ? 0 : checkedQuantity(quantity) - quantityOf(item)
  const renamed = name !== undefined && checkedName(name) !== item.name.value
  if (!renamed && picture === undefined && change === 0) return list
  return put(
    list,
    writer,
    item,
    {
      ...(renamed && { name: { value: checkedName(name), stamp: nextStamp(item.name.stamp, writer) } }),
      ...(picture !== undefined && { picture: { value: picture, stamp: nextStamp(item.picture.stamp, writer) } })
    },
    change
  )
}

/** Takes an item off the list, unless somebody changes it who has not seen this. */
export function removeItem(list: List, writer: string, id: string): List {
  const item = touched(found(list, id), writer, 0)
  return new Map(list).set(id, { ...item, removed: new Map([...item.by].map(([by, { edits }]) => [by, edits])) })
}

/** Puts a removed item back as it was. */
export function restoreItem(list: List, writer: string, id: string): List {
  return put(list, writer, found(list, id), {}, 0)
}

function put(list: List, writer: string, item: Item, change: Partial<Item>, pieces: number): List {
  return new Map(list).set(item.id, { ...touched(item, writer, pieces), ...change })
}

function touched(item: Item, writer: string, pieces: number): Item {
  const { edits, plus, minus }: Contribution = item.by.get(writer) ?? { edits: 0, plus: 0, minus: 0 }
  const mine = { edits: edits + 1, plus: plus + Math.max(0, pieces), minus: minus + Math.max(0, -pieces) }
  return { ...item, by: new Map(item.by).set(writer, mine) }
}

function found(list: List, id: string): Item {
  const item = list.get(id)
  if (item === undefined) throw new EditRefused('That item is not in the list any more.')
  return item
}

function checkedName(name: string): string {
  const trimmed = name.trim()
  if (trimmed === '') throw new EditRefused('An item needs a name.')
  if (trimmed.length > MAX_NAME) throw new EditRefused(`A name has at most ${MAX_NAME} characters.`)
  return trimmed
}

function checkedQuantity(quantity: number): number {
  if (!Number.isSafeInteger(quantity)) throw new EditRefused('A quantity is a whole number.')
  if (quantity > MAX_QUANTITY) throw new EditRefused(`A quantity is at most ${MAX_QUANTITY}.`)
  return quantity
}

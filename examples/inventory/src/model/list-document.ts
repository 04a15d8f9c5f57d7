import { type Contribution, type Item, type Picture, type Register, isListed, quantityOf } from './item.ts'
import { mergeItems } from './merge-items.ts'

/** Longest name of an item, in characters. */
export const MAX_NAME = 80
/** Most that can be in stock of one thing; also what one writer can add in all. */
export const MAX_QUANTITY = 1_000_000_000
const MAX_ITEMS = 2_000
/** Removed items are kept so that whoever changed them meanwhile can bring them back. */
const MAX_REMOVED = 500
const MAX_WRITERS = 256

/** The list, by item id: those shown and those removed. */
export type List = ReadonlyMap<string, Item>

/**
 * Reads a document of the type `list` (data model of the inventory sample: `key`, `value`, `image`). Everything in it may come from
 * anybody: what does not fit is left out, nothing throws.
 */
export function readList(body: Readonly<Record<string, unknown>>): List {
  const items = new Map<string, Item>()
  const entries = [...array(body['list']).slice(0, MAX_ITEMS), ...array(body['removed']).slice(0, MAX_REMOVED)]
  for (const entry of entries) {
    const item = readItem(entry)
    if (item === undefined) continue
    const other = items.get(item.id)
    items.set(item.id, other === undefined ? item : mergeItems(other, item))
  }
  return items
}

/** The document for a list. Equal lists give equal documents, whoever writes them; keys that are not ours stay as they are in `body`. */
export function writeList(list: List, body: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  const sorted = [...list.values()].sort((a, b) => (a.id < b.id ? -1 : 1))
  const listed = sorted.filter(isListed).map(writeItem)
  const removed = sorted.filter((item) => !isListed(item)).slice(-MAX_REMOVED)
  const { list: _list, removed: _removed, type: _type, ...rest } = body
  return { ...rest, type: 'list', list: listed, ...(removed.length > 0 && { removed: removed.map(writeItem) }) }
}

/** The items that are shown, by name. */
export function listedItems(list: List): Item[] {
  return [...list.values()].filter(isListed).sort((a, b) => a.name.value.localeCompare(b.name.value, 'en') || (a.id < b.id ? -1 : 1))
}

function writeItem(item: Item): Record<string, unknown> {
  const by = [...item.by].sort(([a], [b]) => (a < b ? -1 : 1))
  const removed = [...item.removed].sort(([a], [b]) => (a < b ? -1 : 1))
  return {
    id: item.id,
    key: item.name.value,
    value: quantityOf(item),
    ...(item.picture.value !== undefined && { image: item.picture.value }),
    ...(item.name.stamp !== '' && { keyStamp: item.name.stamp }),
    ...(item.picture.stamp !== '' && { imageStamp: item.picture.stamp }),
    ...(by.length > 0 && { by: Object.fromEntries(by) }),
    ...(removed.length > 0 && { seenWhenRemoved: Object.fromEntries(removed) })
  }
}

function readItem(entry: unknown): Item | undefined {
  if (!isObject(entry)) return undefined
  const name = typeof entry['key'] === 'string' ? entry['key'].slice(0, MAX_NAME) : ''
  if (name === '') return undefined
  const id = typeof entry['id'] === 'string' && /^[\w:.-]{1,64}$/.test(entry['id']) ? entry['id'] : idOf(name)
  const by = new Map<string, Contribution>()
  for (const [writer, value] of writersOf(entry['by'])) {
    if (!isObject(value)) continue
    by.set(writer, { edits: count(value['edits']), plus: count(value['plus']), minus: count(value['minus']) })
  }
  const removed = new Map<string, number>()
  for (const [writer, value] of writersOf(entry['seenWhenRemoved'])) removed.set(writer, count(value))
  const item: Item = {
    id,
    name: register(name, entry['keyStamp']),
    picture: register(readPicture(entry['image']), entry['imageStamp']),
    offset: 0,
    by,
    removed
  }
  return { ...item, offset: whole(entry['value'], quantityOf(item)) - quantityOf(item) }
}

/** An item that another application made has no id; its name has to do. */
function idOf(name: string): string {
  return `key:${Buffer.from(name.slice(0, 40)).toString('base64url')}`.slice(0, 64)
}

function register<T>(value: T, stamp: unknown): Register<T> {
  return { value, stamp: typeof stamp === 'string' && /^[1-9]\d{0,14}-[0-9a-f]{8}$/.test(stamp) ? stamp : '' }
}

function readPicture(value: unknown): Picture | undefined {
  if (!isObject(value) || value['@type'] !== 'blob') return undefined
  const { digest, length, content_type: type } = value
  if (typeof digest !== 'string' || !/^sha1-[A-Za-z0-9+/]{27}=$/.test(digest)) return undefined
  return { '@type': 'blob', digest, length: count(length), ...(typeof type === 'string' && { content_type: type.slice(0, 100) }) }
}

function writersOf(value: unknown): [string, unknown][] {
  if (!isObject(value)) return []
  return Object.entries(value)
    .filter(([writer]) => /^[0-9a-f]{8}$/.test(writer))
    .slice(0, MAX_WRITERS)
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)
const array = (value: unknown): unknown[] => (Array.isArray(value) ? value : [])
const count = (value: unknown): number => Math.max(0, whole(value, 0))
/** A whole number within bounds, so that sums stay exact. */
const whole = (value: unknown, otherwise: number): number =>
  typeof value === 'number' && Number.isFinite(value) ? Math.max(-MAX_QUANTITY, Math.min(MAX_QUANTITY, Math.trunc(value))) : otherwise

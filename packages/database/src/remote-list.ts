import { asciiOf } from './bytes.ts'
import { TREE_PREFIX } from './contracts/storage.ts'

/**
 * What remotes are known to have as their current revision of a document, kept in front of its stored history so that it is written and read
 * with it: a list in a table of its own costs a page write per document, because document ids come in no order.
 * Stored: {@link TREE_PREFIX}, 16-bit length, then ASCII `number` (has our winning revision) or `number=revId`, joined by commas.
 */
const NOTHING = new Uint8Array(0)
const COMMA = 0x2c
const EQUALS = 0x3d

/** Remotes remembered per document. Forgetting one costs an extra round trip at its next proposal, nothing else. */
const MAX_REMOTES = 256

/** The tree bytes without the list. */
export function historyPart(tree: Uint8Array): Uint8Array {
  return tree[0] === TREE_PREFIX ? tree.subarray(listEnd(tree)) : tree
}

/** The list as stored text; empty when there is none. */
export function remotePart(tree: Uint8Array): string {
  return tree[0] === TREE_PREFIX ? asciiOf(tree, 3, listEnd(tree)) : ''
}

/** Tree bytes with a list in front of a history. */
export function withRemotes(remotes: string, history: Uint8Array): Uint8Array {
  if (remotes === '') return history
  const bytes = Buffer.allocUnsafe(3 + remotes.length + history.length)
  bytes[0] = TREE_PREFIX
  bytes[1] = remotes.length >> 8
  bytes[2] = remotes.length & 255
  bytes.write(remotes, 3, 'latin1')
  bytes.set(history, 3 + remotes.length)
  return bytes
}

/** What {@link withRemotes} puts in front of the history of a document of which one remote has the winning revision, and none another. */
export function firstRemote(remote: number): Uint8Array {
  return withRemotes(String(remote), NOTHING)
}

/** The revision that `remote` has, if known. */
export function findRemote(remotes: string, remote: number, winner: string): string | undefined {
  const at = positionOf(remotes, String(remote))
  if (at < 0) return undefined
  const entry = remotes.slice(at, entryEnd(remotes, at))
  const equals = entry.indexOf('=')
  return equals < 0 ? winner : entry.slice(equals + 1)
}

/** Where the entry of the remote begins, or -1. */
function positionOf(remotes: string, name: string): number {
  for (let at = remotes.indexOf(name); at >= 0; at = remotes.indexOf(name, at + 1)) {
    const next = remotes.charCodeAt(at + name.length)
    if ((at === 0 || remotes.charCodeAt(at - 1) === COMMA) && (next === COMMA || next === EQUALS || at + name.length === remotes.length))
      return at
  }
  return -1
}

function entryEnd(remotes: string, start: number): number {
  const comma = remotes.indexOf(',', start)
  return comma < 0 ? remotes.length : comma
}

/** All revisions that any remote has. */
export function allRemoteRevisions(remotes: string, winner: string): Set<string> {
  return new Set(
    remotes === '' ? [] : remotes.split(',').map((entry) => (entry.includes('=') ? entry.slice(entry.indexOf('=') + 1) : winner))
  )
}

/** Whether some remote has the winner. */
export function isKnownElsewhere(remotes: string): boolean {
  if (remotes === '' || !remotes.includes('=')) return remotes !== ''
  return remotes.split(',').some((entry) => !entry.includes('='))
}

/** The list after the winner changed from `before` to `after`. */
export function rebaseRemotes(remotes: string, before: string, after: string): string {
  if (remotes === '' || before === after) return remotes
  return clip(
    remotes.split(',').map((entry) => {
      if (!entry.includes('=')) return `${entry}=${before}`
      return entry.slice(entry.indexOf('=') + 1) === after ? entry.slice(0, entry.indexOf('=')) : entry
    })
  )
}

/** The list after `remote` was found to have `revId`. */
export function setRemote(remotes: string, remote: number, revId: string, winner: string): string {
  const name = String(remote)
  const entry = revId === winner ? name : `${name}=${revId}`
  if (remotes === '' || remotes === entry) return entry
  // Almost every list is short, and nobody is in it twice.
  if (remotes.length < MAX_REMOTES && positionOf(remotes, name) < 0) return `${entry},${remotes}`
  return clip([entry, ...remotes.split(',').filter((other) => other !== name && !other.startsWith(`${name}=`))])
}

function clip(entries: string[]): string {
  let kept = entries.slice(0, MAX_REMOTES)
  while (kept.length > 1 && kept.reduce((sum, entry) => sum + entry.length + 1, 0) > 0xffff) kept = kept.slice(0, kept.length >> 1)
  return kept.join(',')
}

function listEnd(tree: Uint8Array): number {
  return 3 + ((tree[1] as number) << 8) + (tree[2] as number)
}

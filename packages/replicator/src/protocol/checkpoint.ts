import { sequenceBefore } from './sequences.ts'
import type { RemoteSequence } from './sequences.ts'

/** Half-open ranges `[start, end)`, ascending, not touching. */
export type Ranges = readonly (readonly [number, number])[]

/**
 * What one side of a replication has finished (cbmobile.md §4): local sequences that were pushed, and the remote sequence
 * everything up to which was pulled.
 */
export interface Checkpoint {
  readonly completed: Ranges
  readonly remote?: RemoteSequence
}

export const EMPTY_CHECKPOINT: Checkpoint = { completed: [] }

/** The greatest sequence up to which everything is completed, 0 for none. */
export function completedUpTo(ranges: Ranges): number {
  const first = ranges[0]
  return first === undefined || first[0] > 1 ? 0 : Math.max(0, first[1] - 1)
}

/** Whether a sequence lies in the ranges. */
export function rangesInclude(ranges: Ranges, sequence: number): boolean {
  let low = 0
  let high = ranges.length
  while (low < high) {
    const middle = (low + high) >> 1
    const range = ranges[middle] as readonly [number, number]
    if (sequence < range[0]) high = middle
    else if (sequence >= range[1]) low = middle + 1
    else return true
  }
  return false
}

/** Sequences in both. */
export function intersectRanges(a: Ranges, b: Ranges): Ranges {
  const result: [number, number][] = []
  let i = 0
  let j = 0
  while (i < a.length && j < b.length) {
    const x = a[i] as readonly [number, number]
    const y = b[j] as readonly [number, number]
    const start = Math.max(x[0], y[0])
    const end = Math.min(x[1], y[1])
    if (start < end) result.push([start, end])
    if (x[1] < y[1]) i++
    else j++
  }
  return result
}

/** `[0, upTo]` without the given sequences (ascending), followed by what `beyond` has above it. */
export function rangesWithout(upTo: number, pending: Iterable<number>, beyond: Ranges): Ranges {
  const result: [number, number][] = []
  let start = 0
  for (const sequence of pending) {
    if (sequence > start) result.push([start, sequence])
    start = sequence + 1
  }
  if (start <= upTo) result.push([start, upTo + 1])
  for (const [from, to] of beyond) {
    const clipped = Math.max(from, upTo + 1)
    if (clipped >= to) continue
    const last = result.at(-1)
    if (last !== undefined && last[1] === clipped) last[1] = to
    else result.push([clipped, to])
  }
  return result
}

/** The body to store at either side: `{"time":…,"local":…,"localCompleted":[…],"remote":…}`. */
export function encodeCheckpoint(checkpoint: Checkpoint, timeSeconds: number): Buffer {
  const parts = [`"time":${timeSeconds}`]
  const upTo = completedUpTo(checkpoint.completed)
  if (upTo > 0) parts.push(`"local":${upTo}`)
  if (checkpoint.completed.length > 1) {
    parts.push(`"localCompleted":[${checkpoint.completed.map(([start, end]) => `${start},${end - start}`).join(',')}]`)
  }
  if (checkpoint.remote !== undefined) parts.push(`"remote":${checkpoint.remote}`)
  return Buffer.from(`{${parts.join(',')}}`)
}

const isCount = (value: unknown): value is number => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0

/** Reads a stored or received checkpoint; whatever is malformed counts as nothing done. */
export function decodeCheckpoint(body: Uint8Array | undefined): Checkpoint {
  if (body === undefined || body.length === 0) return EMPTY_CHECKPOINT
  try {
    return checkpointFrom(JSON.parse(Buffer.from(body).toString()))
  } catch {
    return EMPTY_CHECKPOINT
  }
}

/** The same from a parsed value, such as an element of the `getCollections` reply. */
export function checkpointFrom(value: unknown): Checkpoint {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return EMPTY_CHECKPOINT
  const { local, localCompleted, remote } = value as Record<string, unknown>
  const completed = rangesFrom(localCompleted) ?? (isCount(local) && local > 0 ? [[0, local + 1] as const] : [])
  const sequence = typeof remote === 'number' || typeof remote === 'string' ? JSON.stringify(remote) : undefined
  return sequence === undefined ? { completed } : { completed, remote: sequence }
}

function rangesFrom(value: unknown): Ranges | undefined {
  if (!Array.isArray(value) || value.length === 0 || value.length % 2 !== 0) return undefined
  const result: (readonly [number, number])[] = []
  for (let i = 0; i < value.length; i += 2) {
    const start: unknown = value[i]
    const length: unknown = value[i + 1]
    const last = result.at(-1)
    if (!isCount(start) || !isCount(length) || length === 0 || (last !== undefined && start <= last[1])) return undefined
    result.push([start, start + length])
  }
  return result
}

/**
 * Where to start when both sides kept a checkpoint (cbmobile.md §4, "Validation at start"): only what both say was pushed counts,
 * and the earlier remote sequence. A peer that lost its checkpoint makes everything start again, which is slow and harmless.
 */
export function reconcile(local: Checkpoint, remote: Checkpoint): Checkpoint {
  const completed = intersectRanges(local.completed, remote.completed)
  const sequence = reconcileRemote(local.remote, remote.remote)
  return sequence === undefined ? { completed } : { completed, remote: sequence }
}

/** Whether the remote still says of everything that we think was pushed that it was: otherwise it is not what it was. */
export function confirms(remote: Checkpoint, local: Checkpoint): boolean {
  const both = intersectRanges(local.completed, remote.completed)
  return (
    both.length === local.completed.length &&
    local.completed.every(([start, end], index) => both[index]?.[0] === start && both[index]?.[1] === end)
  )
}

function reconcileRemote(local: RemoteSequence | undefined, remote: RemoteSequence | undefined): RemoteSequence | undefined {
  if (local === remote || local === undefined || remote === undefined) return local === remote ? local : undefined
  const earlier = sequenceBefore(remote, local)
  return earlier === undefined ? undefined : earlier ? remote : local
}

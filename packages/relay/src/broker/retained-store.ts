import type { RelayLimits } from '../limits.ts'

/** What is kept of a message. */
export interface Retained {
  readonly topic: string
  readonly payload: Buffer
  readonly qos: 0 | 1 | 2
}

interface Entry {
  readonly message: Retained
  readonly bytes: number
  readonly at: number
}

/** The last message of each topic, for those who come later; bounded in number, bytes and time. */
export class RetainedStore {
  readonly #limits: Pick<RelayLimits, 'retained' | 'retainedBytes' | 'retainedMs'>
  /** By what is in front of the last level, so that the presence of one group is found without looking at all others. */
  readonly #groups = new Map<string, Map<string, Entry>>()
  #count = 0
  #bytes = 0

  constructor(limits: Pick<RelayLimits, 'retained' | 'retainedBytes' | 'retainedMs'>) {
    this.#limits = limits
  }

  get size(): number {
    return this.#count
  }

  has(topic: string): boolean {
    const [group, node] = split(topic)
    return this.#groups.get(group)?.has(node) ?? false
  }

  /** Whether there is room for a message in place of the one that is there. */
  fits(topic: string, bytes: number): boolean {
    const [group, node] = split(topic)
    const old = this.#groups.get(group)?.get(node)
    const size = topic.length + bytes
    return (
      this.#count + (old === undefined ? 1 : 0) <= this.#limits.retained &&
      this.#bytes - (old?.bytes ?? 0) + size <= this.#limits.retainedBytes
    )
  }

  /** An empty message removes the one that is there (MQTT 3.1.1 §3.3.1.3). What does not fit is left out. */
  store(message: Retained, now: number): void {
    const [group, node] = split(message.topic)
    if (message.payload.length === 0) {
      this.#remove(group, node)
      return
    }
    if (!this.fits(message.topic, message.payload.length)) return
    this.#remove(group, node)
    const nodes = this.#groups.get(group) ?? new Map<string, Entry>()
    this.#groups.set(group, nodes)
    const bytes = message.topic.length + message.payload.length
    // A copy: what came may be a view into a much larger chunk.
    nodes.set(node, { message: { ...message, payload: Buffer.from(message.payload) }, bytes, at: now })
    this.#count++
    this.#bytes += bytes
  }

  /** Messages that a filter matches whose last level may be `+`. */
  match(filter: string): Retained[] {
    const [group, node] = split(filter)
    const nodes = this.#groups.get(group)
    if (nodes === undefined) return []
    if (node === '+') return [...nodes.values()].map(({ message }) => message)
    const found = nodes.get(node)
    return found === undefined ? [] : [found.message]
  }

  /** Forgets what is too old. */
  sweep(now: number): void {
    for (const [group, nodes] of this.#groups)
      for (const [node, { at }] of nodes) if (now - at >= this.#limits.retainedMs) this.#remove(group, node)
  }

  #remove(group: string, node: string): void {
    const nodes = this.#groups.get(group)
    const entry = nodes?.get(node)
    if (nodes === undefined || entry === undefined) return
    nodes.delete(node)
    if (nodes.size === 0) this.#groups.delete(group)
    this.#count--
    this.#bytes -= entry.bytes
  }
}

function split(topic: string): [group: string, node: string] {
  const at = topic.lastIndexOf('/')
  return [topic.slice(0, at), topic.slice(at + 1)]
}

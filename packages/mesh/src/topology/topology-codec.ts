import { type TopologyRecord, readRecord } from './topology-record.ts'

/** What neighbours tell each other of the topology. */
export interface TopologyMessage {
  /** Whether the sender wants the link over which the message comes; undefined: as it said before. */
  readonly wanted: boolean | undefined
  readonly records: readonly TopologyRecord[]
}

/** Longest message, in bytes; more to say makes more messages. */
export const mostBytes = 60_000

/**
 * Messages as JSON: `{"w": true, "r": [[id, epoch, version, [neighbour, …], wanted], …]}`, both members optional, others ignored. Ids are hexadecimal, those of
 * neighbours cut to 16 digits; `wanted` has bit n set when the link with neighbour n is wanted. Stateless.
 */
export class TopologyCodec {
  readonly #encoded: WeakMap<Uint8Array, TopologyMessage> | undefined

  /** `shared`: one codec serves many peers in one process, between which bodies travel by reference: what it encoded it need not parse. */
  constructor({ shared = false }: { readonly shared?: boolean } = {}) {
    this.#encoded = shared ? new WeakMap() : undefined
  }

  encode(message: TopologyMessage): Uint8Array {
    const { wanted, records } = message
    const flag = wanted === undefined ? '' : `"w":${String(wanted)}`
    const list = records.length === 0 ? '' : `"r":[${records.map(({ text }) => text).join(',')}]`
    const body = Buffer.from(`{${flag}${flag !== '' && list !== '' ? ',' : ''}${list}}`, 'latin1')
    this.#encoded?.set(body, message)
    return body
  }

  /** Undefined when the message is not well formed in any part. */
  decode(body: Uint8Array): TopologyMessage | undefined {
    const known = this.#encoded?.get(body)
    if (known !== undefined) return known
    if (body.length > 2 * mostBytes) return undefined
    let value: unknown
    try {
      value = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('latin1'))
    } catch {
      return undefined
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
    const { w: wanted, r: list = [] } = value as { readonly w?: unknown; readonly r?: unknown }
    if ((wanted !== undefined && typeof wanted !== 'boolean') || !Array.isArray(list)) return undefined
    const records: TopologyRecord[] = []
    for (const item of list) {
      const record = readRecord(item)
      if (record === undefined) return undefined
      records.push(record)
    }
    return { wanted, records }
  }
}

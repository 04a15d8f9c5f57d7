/** The methods this package speaks. */
export type StunMethod =
  | 'binding'
  | 'allocate'
  | 'refresh'
  | 'send'
  | 'data'
  | 'createPermission'
  | 'channelBind'
  | 'connect'
  | 'connectionBind'
  | 'connectionAttempt'

/** STUN methods by name (RFC 8489 §18.2, RFC 8656 §17, RFC 6062 §6.1). */
const STUN_METHODS: Readonly<Record<StunMethod, number>> = Object.freeze({
  binding: 0x001,
  allocate: 0x003,
  refresh: 0x004,
  send: 0x006,
  data: 0x007,
  createPermission: 0x008,
  channelBind: 0x009,
  connect: 0x00a,
  connectionBind: 0x00b,
  connectionAttempt: 0x00c
})

/** What a message is: the two class bits (RFC 8489 §5). */
export type StunClass = 'request' | 'indication' | 'success' | 'error'

const classes: readonly StunClass[] = ['request', 'indication', 'success', 'error']
const names: ReadonlyMap<number, StunMethod> = new Map(Object.entries(STUN_METHODS).map(([name, number]) => [number, name as StunMethod]))

/** The 14 bits of a message type: method bits with the class bits C1 and C0 in between (RFC 8489 §5, figure 3). */
export function encodeMessageType(method: StunMethod, messageClass: StunClass): number {
  const bits = STUN_METHODS[method]
  const classBits = classes.indexOf(messageClass)
  return ((bits & 0xf80) << 2) | ((bits & 0x070) << 1) | (bits & 0x00f) | ((classBits & 2) << 7) | ((classBits & 1) << 4)
}

/** Undefined when the method is none of ours. */
export function decodeMessageType(type: number): { readonly method: StunMethod; readonly messageClass: StunClass } | undefined {
  const method = names.get(((type & 0x3e00) >> 2) | ((type & 0x00e0) >> 1) | (type & 0x000f))
  return method === undefined ? undefined : { method, messageClass: classes[((type & 0x100) >> 7) | ((type & 0x010) >> 4)]! }
}

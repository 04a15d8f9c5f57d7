import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'

/** The side whose `attempt` it is, and the side that answered it. */
export type PunchRole = 'initiator' | 'responder'

/** `hello`: a nonce; `echo`: the other's nonce came back; `nominate`: this connection is the one, of all that came about. */
export type HelloKind = 'hello' | 'echo' | 'nominate'

/** What a frame says: who speaks, on which pair, with both nonces as far as they are known. */
export interface HelloFacts {
  readonly kind: HelloKind
  readonly role: PunchRole
  readonly pair: number
  /** 16 random bytes of the speaker, new for each connection. */
  readonly own: Buffer
  /** 16 bytes of the other side; zeros in a `hello`. */
  readonly other: Buffer
}

export const NONCE_BYTES = 16
const HEADER_BYTES = 4
const MAC_BYTES = 32
/** kind, role, pair, version; the nonce of the speaker; the code. The other's nonce is in the code only. */
export const FRAME_BYTES = HEADER_BYTES + NONCE_BYTES + MAC_BYTES

const VERSION = 1
const KINDS: readonly HelloKind[] = ['hello', 'echo', 'nominate']
const ROLES: readonly PunchRole[] = ['initiator', 'responder']

/** The key of one attempt, known only to who could read both sealed messages. */
export function attemptKey(attempt: Buffer, initiator: { id: string; secret: Buffer }, responder: { id: string; secret: Buffer }): Buffer {
  const secrets = Buffer.concat([initiator.secret, responder.secret])
  return Buffer.from(hkdfSync('sha256', secrets, attempt, `kithmesh hole punch ${initiator.id} ${responder.id}`, 32))
}

export function encodeHello(key: Buffer, facts: HelloFacts): Buffer {
  const header = Buffer.from([KINDS.indexOf(facts.kind), ROLES.indexOf(facts.role), facts.pair, VERSION])
  return Buffer.concat([header, facts.own, code(key, header, facts)])
}

/** Whether a frame is what the other side would send here; the nonce of a `hello` is taken from the frame. */
export function verifyHello(
  key: Buffer,
  frame: Buffer,
  expected: Omit<HelloFacts, 'own'> & { readonly own: Buffer | undefined }
): Buffer | undefined {
  if (frame.length !== FRAME_BYTES) return undefined
  const nonce = frame.subarray(HEADER_BYTES, HEADER_BYTES + NONCE_BYTES)
  if (expected.own !== undefined && !nonce.equals(expected.own)) return undefined
  const wanted = encodeHello(key, { ...expected, own: nonce })
  return timingSafeEqual(wanted, frame) ? Buffer.from(nonce) : undefined
}

function code(key: Buffer, header: Buffer, { own, other }: HelloFacts): Buffer {
  return createHmac('sha256', key).update(header).update(own).update(other).digest()
}

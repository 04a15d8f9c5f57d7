import { createHash, createHmac, hkdfSync } from 'node:crypto'
import { p256 } from '@noble/curves/nist.js'

const { Point } = p256
type Point = InstanceType<typeof Point>

/** RFC 9382 §6: nobody knows their discrete logarithms, as they are hashes of texts. */
const M = Point.fromHex('02886e2f97ace46e55ba9dd7242579f2993b64e16ef3dcab95afd497333d8fa12f')
const N = Point.fromHex('03d8bbd6c639c62937b04d997f38c3770719c629d7014d49a24b4f98baa1292b49')
const SCALAR_BYTES = 32

/** Length of a share, an uncompressed point of P-256 (SEC 1 §2.3.3). */
export const SHARE_BYTES = 65
/** Length of a key confirmation. */
export const CONFIRMATION_BYTES = 32

/** What both sides of a run of SPAKE2 have in common. */
export interface Spake2Settings {
  /** The secret as a number, see {@link scalarOf}. */
  readonly w: bigint
  /** Who A and who B is. */
  readonly identities: { readonly a: Uint8Array; readonly b: Uint8Array }
  /** Further data that both must have alike for the confirmations to match (RFC 9382 §4, AAD). */
  readonly aad: Uint8Array
}

/** What the two shares give. */
export interface Spake2Result {
  /** To be sent: proves that we know the secret. */
  readonly confirmation: Buffer
  /** What the other side must send. */
  readonly expected: Buffer
  /** Ke, 16 bytes; both have it alike when the confirmations match. */
  readonly key: Buffer
}

/**
 * One side of SPAKE2 with P-256, SHA-256, HKDF and HMAC (RFC 9382): two who know a password find out that they do, without anybody learning
 * more than whether one guess was right. Pure but for the ephemeral secret, which must be random and of this run alone.
 */
export class Spake2 {
  readonly #isA: boolean
  readonly #settings: Spake2Settings
  readonly #secret: bigint
  /** To be sent. */
  readonly share: Uint8Array

  /** @param secret from {@link randomScalar} */
  constructor(side: 'A' | 'B', settings: Spake2Settings, secret: bigint) {
    this.#isA = side === 'A'
    this.#settings = settings
    this.#secret = secret
    this.share = Point.BASE.multiply(secret)
      .add((this.#isA ? M : N).multiply(settings.w))
      .toBytes(false)
  }

  /** Undefined when the other share is no point of the curve, or one that would give no secret. */
  finish(theirs: Uint8Array): Spake2Result | undefined {
    const { w, identities, aad } = this.#settings
    const point = theirs.length === SHARE_BYTES && theirs[0] === 4 ? pointOf(theirs) : undefined
    if (point === undefined) return undefined
    const unmasked = point.subtract((this.#isA ? N : M).multiply(w))
    // P-256 has cofactor 1: every point but the neutral one has the full order.
    if (unmasked.is0()) return undefined
    const shares = this.#isA ? [this.share, theirs] : [theirs, this.share]
    const transcript = Buffer.concat(
      [identities.a, identities.b, ...shares, unmasked.multiply(this.#secret).toBytes(false), scalarBytes(w)].flatMap((part) => [
        lengthOf(part),
        part
      ])
    )
    const hash = createHash('sha256').update(transcript).digest()
    const keys = Buffer.from(
      hkdfSync('sha256', hash.subarray(16), Buffer.alloc(0), Buffer.concat([Buffer.from('ConfirmationKeys'), aad]), 32)
    )
    const [ofA, ofB] = [keys.subarray(0, 16), keys.subarray(16)].map((key) => createHmac('sha256', key).update(transcript).digest()) as [
      Buffer,
      Buffer
    ]
    return { confirmation: this.#isA ? ofA : ofB, expected: this.#isA ? ofB : ofA, key: hash.subarray(0, 16) }
  }
}

/** A secret of one run, uniform and not zero. */
export function randomScalar(): bigint {
  return Point.Fn.fromBytes(p256.utils.randomSecretKey())
}

/** Bytes of a password hash, 40 or more, as the number that SPAKE2 works with (RFC 9382 §3.2); never zero. */
export function scalarOf(bytes: Uint8Array): bigint {
  if (bytes.length < SCALAR_BYTES + 8) throw new TypeError('a uniform scalar needs 40 bytes')
  return (BigInt(`0x${Buffer.from(bytes).toString('hex')}`) % (Point.Fn.ORDER - 1n)) + 1n
}

function pointOf(bytes: Uint8Array): Point | undefined {
  try {
    return Point.fromBytes(bytes)
  } catch {
    return undefined
  }
}

function scalarBytes(value: bigint): Buffer {
  return Buffer.from(value.toString(16).padStart(SCALAR_BYTES * 2, '0'), 'hex')
}

/** RFC 9382 §3.3: eight bytes, little-endian. */
function lengthOf(part: Uint8Array): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(part.length))
  return bytes
}

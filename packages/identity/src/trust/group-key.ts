import { createHmac, hkdfSync, randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import type { Authenticator } from '../authenticators.ts'
import type { TrustExchange, TrustProtocol, TrustVerdict } from '@kithmesh/core'
import { NotTrusted, converse } from './conversation.ts'
import { contextOf, joinParts } from './transcript.ts'

const NAME = 'group-key/1'
const NONCE_BYTES = 32
const MAC_BYTES = 32
const MAX_SECRETS = 4
const MIN_BYTES = 16
const MIN_CHARACTERS = 12

/** A secret that all devices of a group have: 16 random bytes or more, or text of 12 characters or more, which is stretched by scrypt. */
export type GroupSecret = string | Uint8Array

/** A new secret for {@link groupKey}: 32 random bytes as text of 43 characters (base64url). */
export function generateGroupKey(): string {
  return randomBytes(32).toString('base64url')
}

/**
 * Trusts every device that has the group's secret. Certificates may be any; the secret is proven on the open connection and never sent.
 *
 * Several secrets serve to change one: a device trusts whoever has any of them. Give all devices `[old, new]`, then all of them `[new]`.
 *
 * The protocol `group-key/1`, four messages:
 * 1. initiator: 32 random bytes
 * 2. responder: 32 random bytes
 * 3. initiator: for each of its secrets HMAC-SHA256(key, "initiator", protocol, both peer ids, binding of the connection, both nonces)
 * 4. responder: the same with "responder", by the secret that matched
 *
 * What others learn: a listener nothing, as all of it is inside TLS. Whoever relays between two devices, replays a run or sends ours back gets
 * nowhere, as peer ids, roles, nonces and connection are in each proof. A stranger who connects to us learns that we want a group key. A stranger whom we
 * connect to also gets our proof of message 3, with which guesses can be tried without us, at the price of scrypt for each: a secret from {@link generateGroupKey} cannot be
 * guessed, a sentence may be. For what people choose and remember, take {@link sharedPassword}.
 *
 * Who has the secret cannot be told apart from others who have it: to shut out one device change the secret, or block its id.
 * @throws TypeError for secrets that are too short, or more than four
 */
export function groupKey(secrets: GroupSecret | readonly GroupSecret[]): Authenticator & { readonly protocols: readonly TrustProtocol[] } {
  const given = (typeof secrets === 'string' || secrets instanceof Uint8Array ? [secrets] : [...secrets]).map(checked)
  if (given.length === 0 || given.length > MAX_SECRETS) throw new TypeError(`a group key has 1 to ${MAX_SECRETS} secrets`)
  let keys: Promise<readonly Buffer[]> | undefined
  return {
    name: 'group key',
    check: () => 'prove',
    protocols: [{ name: NAME, run: async (exchange) => await prove(exchange, await (keys ??= Promise.all(given.map(deriveKey)))) }]
  }
}

function checked(secret: GroupSecret): GroupSecret {
  if (typeof secret === 'string') {
    if ([...secret].length < MIN_CHARACTERS)
      throw new TypeError(
        `the text of a group key must have at least ${MIN_CHARACTERS} characters; for a shorter one there is sharedPassword()`
      )
    return secret.normalize('NFC')
  }
  if (secret.length < MIN_BYTES) throw new TypeError(`a group key must have at least ${MIN_BYTES} bytes`)
  return Uint8Array.from(secret)
}

/** A key for this protocol alone; the same secret may serve elsewhere, e.g. to encrypt what lies on brokers. */
async function deriveKey(secret: GroupSecret): Promise<Buffer> {
  const salt = `kithmesh ${NAME}`
  const stretched =
    typeof secret === 'string'
      ? await new Promise<Buffer>((resolve, reject) => {
          scrypt(secret, salt, 32, { N: 32_768, r: 8, p: 1, maxmem: 2 ** 26 }, (error, key) => {
            if (error === null) resolve(key)
            else reject(error)
          })
        })
      : secret
  return Buffer.from(hkdfSync('sha256', stretched, salt, 'proofs', 32))
}

function prove(exchange: TrustExchange, keys: readonly Buffer[]): Promise<TrustVerdict> {
  return converse(exchange, async (talk) => {
    const context = contextOf(NAME, exchange)
    const initiates = exchange.role === 'initiator'
    const own = randomBytes(NONCE_BYTES)
    const exactly = (size: number): { readonly min: number; readonly max: number } => ({ min: size, max: size })
    const mac = (key: Buffer, role: TrustExchange['role'], nonces: Buffer): Buffer =>
      createHmac('sha256', key)
        .update(joinParts(role, context, nonces))
        .digest()

    if (initiates) {
      talk.send(1, own)
      const nonces = Buffer.concat([own, await talk.receive(2, exactly(NONCE_BYTES))])
      talk.send(3, ...keys.map((key) => mac(key, 'initiator', nonces)))
      const answer = await talk.receive(4, exactly(MAC_BYTES))
      if (!keys.some((key) => timingSafeEqual(answer, mac(key, 'responder', nonces))))
        throw new NotTrusted('it does not have the group key')
      return { trusted: true }
    }
    const nonces = Buffer.concat([await talk.receive(1, exactly(NONCE_BYTES)), own])
    talk.send(2, own)
    const proofs = await talk.receive(3, { min: MAC_BYTES, max: MAX_SECRETS * MAC_BYTES })
    if (proofs.length % MAC_BYTES !== 0) throw new NotTrusted('the other device sent a message of the wrong length')
    const shared = keys.find((key) => includesMac(proofs, mac(key, 'initiator', nonces)))
    if (shared === undefined) throw new NotTrusted('it does not have the group key')
    talk.send(4, mac(shared, 'responder', nonces))
    return { trusted: true }
  })
}

function includesMac(proofs: Buffer, expected: Buffer): boolean {
  for (let at = 0; at < proofs.length; at += MAC_BYTES) if (timingSafeEqual(proofs.subarray(at, at + MAC_BYTES), expected)) return true
  return false
}

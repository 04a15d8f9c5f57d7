import { scrypt, timingSafeEqual } from 'node:crypto'
import { type Clock, type Rate, systemClock } from '@kithmesh/core'
import type { Authenticator } from '../authenticators.ts'
import type { TrustExchange, TrustProtocol, TrustVerdict } from '@kithmesh/core'
import { NotTrusted, converse } from './conversation.ts'
import { TryLimit } from './try-limit.ts'
import { endsOf, joinParts } from './transcript.ts'

const NAME = 'password/1'

/** Only those who use passwords need the curve: loading it takes 25 ms and 8 MB. */
const loadSpake2 = (): Promise<typeof import('./spake2.ts')> => import('./spake2.ts')

export interface SharedPasswordOptions {
  /** Wrong tries of one peer. @default 5 at once, then one in five minutes */
  readonly triesPerPeer?: Rate
  /** Wrong tries of all peers that never knew it, together. @default 30 at once, then one in two minutes */
  readonly triesInAll?: Rate
  readonly clock?: Clock
}

/**
 * Trusts every device whose user gave the same password. Nobody can try passwords without one of us: each guess needs a run with a
 * device that knows it, and those are limited. So a password that people remember will do, four random words for instance; of six digits a
 * persistent stranger gets through half in two years.
 *
 * The protocol `password/1` is SPAKE2 (RFC 9382, P-256, SHA-256) with key confirmation, the initiator being A. The password goes through scrypt once, the peer ids are
 * its identities, and the connection's binding is part of the confirmation keys. Four messages: share of A, share of B, confirmation of A, confirmation of B.
 *
 * What others learn: a listener nothing. A stranger who takes part learns whether *one* guess was right, and is heard again as the limits allow. Who passes messages on
 * between two of us gets nowhere, as ids and connections differ. Strangers can use up the tries of all, which delays devices that come
 * for the first time, and none that proved themselves since the start.
 *
 * Text counts as equal after Unicode normalisation (NFC).
 * @throws TypeError for an empty password or rates out of range
 */
export function sharedPassword(
  password: string,
  options: SharedPasswordOptions = {}
): Authenticator & { readonly protocols: readonly TrustProtocol[] } {
  if (typeof password !== 'string' || password === '') throw new TypeError('the password must not be empty')
  const {
    triesPerPeer: perPeer = { burst: 5, perMinute: 0.2 },
    triesInAll: total = { burst: 30, perMinute: 0.5 },
    clock = systemClock
  } = options
  const tries = new TryLimit({ perPeer, total }, clock)
  let w: Promise<bigint> | undefined
  return {
    name: 'password',
    check: () => 'prove',
    protocols: [{ name: NAME, run: async (exchange) => await prove(exchange, await (w ??= stretch(password.normalize('NFC'))), tries) }]
  }
}

async function stretch(password: string): Promise<bigint> {
  const stretched = new Promise<Buffer>((resolve, reject) => {
    scrypt(password, `kithmesh ${NAME}`, 40, { N: 32_768, r: 8, p: 1, maxmem: 2 ** 26 }, (error, bytes) => {
      if (error === null) resolve(bytes)
      else reject(error)
    })
  })
  const [bytes, { scalarOf }] = await Promise.all([stretched, loadSpake2()])
  return scalarOf(bytes)
}

function prove(exchange: TrustExchange, w: bigint, tries: TryLimit): Promise<TrustVerdict> {
  const { remotePeerId, role } = exchange
  return converse(exchange, async (talk) => {
    const { CONFIRMATION_BYTES, SHARE_BYTES, Spake2, randomScalar } = await loadSpake2()
    const objection = tries.objection(remotePeerId)
    if (objection !== undefined) throw new NotTrusted(objection)
    const { initiator, responder } = endsOf(exchange)
    const identities = { a: Buffer.from(initiator), b: Buffer.from(responder) }
    const aad = joinParts(`kithmesh ${NAME}`, exchange.binding)
    const share = { min: SHARE_BYTES, max: SHARE_BYTES }
    const confirmation = { min: CONFIRMATION_BYTES, max: CONFIRMATION_BYTES }
    const side = new Spake2(role === 'initiator' ? 'A' : 'B', { w, identities, aad }, randomScalar())

    /** From here on the other side learns whether its guess was right, so that the try is spent whatever it does next. */
    const guess = (): (() => void) => {
      const right = tries.spend(remotePeerId)
      if (right === undefined) throw new NotTrusted(tries.objection(remotePeerId) ?? 'too many tries in vain')
      return right
    }
    const finish = (theirs: Uint8Array): { readonly confirmation: Buffer; readonly expected: Buffer } => {
      const result = side.finish(theirs)
      if (result === undefined) throw new NotTrusted('the other device sent an invalid point')
      return result
    }

    if (role === 'initiator') {
      talk.send(1, side.share)
      const { confirmation: own, expected } = finish(await talk.receive(2, share))
      const right = guess()
      talk.send(3, own)
      if (!timingSafeEqual(await talk.receive(4, confirmation), expected)) throw new NotTrusted('it has another password')
      right()
      return { trusted: true }
    }
    const { confirmation: own, expected } = finish(await talk.receive(1, share))
    talk.send(2, side.share)
    const theirs = await talk.receive(3, confirmation)
    const right = guess()
    if (!timingSafeEqual(theirs, expected)) throw new NotTrusted('it has another password')
    right()
    talk.send(4, own)
    return { trusted: true }
  })
}

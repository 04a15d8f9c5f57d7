import { randomBytes, timingSafeEqual } from 'node:crypto'
import {
  type Clock,
  type KnownPeer,
  type Rate,
  type TrustExchange,
  type TrustLevel,
  type TrustProtocol,
  type TrustVerdict,
  systemClock
} from '@kithmesh/core'
import { checkPositive, joinSignals, unlessAborted } from '@kithmesh/core/plugin'
import type { Authenticator, PeerCertificate } from '../authenticators.ts'
import { NotTrusted, converse } from './conversation.ts'
import { contextOf, joinParts, sha256 } from './transcript.ts'
import { TryLimit } from './try-limit.ts'

const NAME = 'pairing/1'
const NONCE_BYTES = 32
const HASH_BYTES = 32
const CONFIRMED = 4
const MAX_NAMES = 256

/** Where pairing looks up and remembers peers; `KnownPeers` of core is one. */
export interface PairedPeers {
  get(peerId: string): KnownPeer | undefined | Promise<KnownPeer | undefined>
  /** Resolves once it is stored. */
  remember(peer: { readonly peerId: string; readonly name: string; readonly level: TrustLevel; readonly how: string }): void | Promise<void>
}

/** The device that wants to be paired, for the person who decides. */
export interface PairingPeer {
  /** Proven. */
  readonly peerId: string
  /** What it calls itself; anybody can call themselves anything, with any characters. */
  readonly name: string
  /** Whether it is trusted here already: it was paired before, and has forgotten this device. */
  readonly known: boolean
}

export interface PairingOptions {
  /** Shared with whoever else remembers peers, so that all see the same. */
  readonly known: PairedPeers
  /**
   * Shows the six digits to a person, who compares them with those that the other device shows, and resolves with whether they are equal. One pair of devices at a time.
   * @param options.signal aborts when the answer no longer matters: the other side said no, the connection ended, the time is over
   */
  readonly confirm: (code: string, peer: PairingPeer, options: { readonly signal: AbortSignal }) => boolean | Promise<boolean>
  /** Whether unknown devices may ask now. Without it they always may, one at a time; a program with a button for it answers false until the button is pressed. */
  readonly open?: () => boolean
  /** For comparing. @default 120000 */
  readonly timeLimitMs?: number
  /** Runs with one peer that were not confirmed on both sides. @default 5 at once, then one in five minutes */
  readonly triesPerPeer?: Rate
  /** Such runs with all peers that were never paired, together. @default 20 at once, then one in a minute */
  readonly triesInAll?: Rate
  readonly clock?: Clock
}

/**
 * Trusts devices that a person has compared a code with, once: two devices that do not know each other show the same six digits, a person at each
 * says that they are equal, and both remember the other by its certificate. Peers that are known as trusted are trusted by their certificate alone; blocked ones are refused.
 *
 * The protocol `pairing/1`, commit and reveal:
 * 1. responder: SHA-256 over the protocol, both peer ids, the binding of the connection and 32 random bytes, which stay secret
 * 2. initiator: 32 random bytes
 * 3. responder: its random bytes; the initiator checks them against message 1
 * 4. each, once its person has confirmed: "confirmed". Nobody is remembered before both have.
 *
 * The code is SHA-256 over all of that, as a number of six digits. Neither side can choose its bytes after it knows the other's, so that somebody between
 * the two, who has a run with each, gets equal codes with a chance of 1 in 1,000,000 for each run, and runs that come to nothing are limited.
 *
 * What others learn: a listener nothing, a stranger that pairing is on, and the code, which is of no use afterwards. What a stranger can do is ask: one
 * at a time is shown, others are refused meanwhile. It is the comparison that protects; who confirms without looking lets anybody in.
 * @throws TypeError for a time or a rate that makes no sense
 */
export function pairing(options: PairingOptions): Authenticator & { readonly protocols: readonly TrustProtocol[] } {
  const { known, confirm, open = () => true, timeLimitMs = 120_000, clock = systemClock } = options
  const { triesPerPeer: perPeer = { burst: 5, perMinute: 0.2 }, triesInAll: total = { burst: 20, perMinute: 1 } } = options
  checkPositive(options, 'timeLimitMs')
  const tries = new TryLimit({ perPeer, total }, clock)
  /** What those call themselves who are about to prove themselves. */
  const names = new Map<string, string>()
  let asking = false

  const ask = async (code: string, peerId: string, signal: AbortSignal): Promise<boolean> => {
    if (asking) throw new NotTrusted('another device is being paired at this moment')
    asking = true
    try {
      const peer = { peerId, name: names.get(peerId) ?? '', known: (await known.get(peerId))?.level === 'trusted' }
      return (await unlessAborted(signal, async () => await confirm(code, peer, { signal }))) === true
    } finally {
      asking = false
    }
  }

  const protocol: TrustProtocol = {
    name: NAME,
    timeLimitMs,
    run: async (exchange) => {
      const { remotePeerId } = exchange
      const verdict = await pair(exchange, tries, (code, signal) => ask(code, remotePeerId, signal))
      if (verdict.trusted) await known.remember({ peerId: remotePeerId, name: names.get(remotePeerId) ?? '', level: 'trusted', how: NAME })
      return verdict
    }
  }

  return {
    name: 'pairing',
    protocols: [protocol],
    check: async ({ peerId, commonName }: PeerCertificate) => {
      names.delete(peerId)
      names.set(peerId, commonName.slice(0, 255))
      if (names.size > MAX_NAMES) names.delete(names.keys().next().value as string)
      const level = (await known.get(peerId))?.level
      switch (level) {
        case 'trusted':
          return true
        case 'blocked':
          throw new Error('it is blocked')
        default:
          if (!open()) throw new Error('it is not paired, and new devices are not paired at present')
          return 'prove'
      }
    }
  }
}

type Ask = (code: string, signal: AbortSignal) => Promise<boolean>

function pair(exchange: TrustExchange, tries: TryLimit, ask: Ask): Promise<TrustVerdict> {
  return converse(exchange, async (talk) => {
    const context = contextOf(NAME, exchange)
    const exactly = (size: number): { readonly min: number; readonly max: number } => ({ min: size, max: size })
    const commitmentTo = (nonce: Buffer): Buffer => sha256(joinParts('commitment', context, nonce))
    const own = randomBytes(NONCE_BYTES)
    /** Spent before the other side can know the code, so that nobody tries until codes happen to be equal. */
    const begin = (): (() => void) => {
      const good = tries.spend(exchange.remotePeerId)
      if (good === undefined) throw new NotTrusted(tries.objection(exchange.remotePeerId) ?? 'too many tries')
      return good
    }
    let good: () => void
    let code: string
    if (exchange.role === 'initiator') {
      const commitment = await talk.receive(1, exactly(HASH_BYTES))
      good = begin()
      talk.send(2, own)
      const theirs = await talk.receive(3, exactly(NONCE_BYTES))
      if (!timingSafeEqual(commitmentTo(theirs), commitment))
        throw new NotTrusted('the other device changed what it had committed itself to')
      code = pairingCode(context, own, theirs)
    } else {
      talk.send(1, commitmentTo(own))
      const theirs = await talk.receive(2, exactly(NONCE_BYTES))
      good = begin()
      talk.send(3, own)
      code = pairingCode(context, theirs, own)
    }

    const noLonger = joinSignals(exchange.signal)
    const theirs = talk.receive(CONFIRMED, exactly(0))
    theirs.catch((error: unknown) => {
      noLonger.abort(error)
    })
    try {
      if (!(await ask(code, noLonger.signal))) throw new NotTrusted('the codes were not confirmed here')
    } catch (error) {
      // What the other side did wrong meanwhile is the reason, rather than that the question was withdrawn.
      throw noLonger.signal.aborted ? noLonger.signal.reason : error
    } finally {
      noLonger.release()
    }
    talk.send(CONFIRMED)
    await theirs
    good()
    return { trusted: true, remember: true }
  })
}

/** Six digits, each code as likely as any other but for 1 in 10¹³. */
export function pairingCode(context: Uint8Array, ofInitiator: Uint8Array, ofResponder: Uint8Array): string {
  const hash = sha256(joinParts('code', context, ofInitiator, ofResponder))
  return String(hash.readBigUInt64BE() % 1_000_000n).padStart(6, '0')
}

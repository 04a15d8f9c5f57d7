import { limitedSignal, unlessAborted } from '@kithmesh/core/plugin'
import type { Clock, IncomingTrustPolicy, Logger, TrustLevel, TrustProtocol, TrustVerdict } from '@kithmesh/core'
import type { ChannelTrustOptions, HandshakeVerdict } from '../contracts.ts'
import { channelErrors } from '../errors.ts'
import type { Hello } from './hello.ts'
import { ProofInbox, proofExchange } from './proof-exchange.ts'

const PROTOCOL_TIME_MS = 30_000
const HANDSHAKE_TIME_MS = 30_000

/** What this side makes of the peer on one connection. */
export interface Standing {
  readonly level: TrustLevel
  readonly settled: boolean
}

export interface NegotiationOptions {
  readonly role: 'initiator' | 'responder'
  readonly localPeerId: string
  readonly peerId: string
  readonly binding: Uint8Array
  readonly standing: 'trusted' | 'prove'
  readonly protocols: readonly TrustProtocol[]
  readonly policy: IncomingTrustPolicy
  readonly trust: ChannelTrustOptions
  readonly clock: Clock
  readonly logger: Logger
  /** Whether the peer has proven itself to this channel before: TLS proves its id anew on each connection. */
  readonly proven: boolean
  /** Runs the program's handshake. */
  readonly runHandshake: (signal: AbortSignal) => Promise<HandshakeVerdict>
  readonly sendProof: (protocol: string, message: Uint8Array) => void
  /** The outcome changed. */
  readonly changed: () => void
  readonly proved: () => void
  /** The program's handshake said no. */
  readonly handshakeFailed: () => void
}

/** Decides on one connection whether the peer is trusted: by its certificate, a trust protocol or the program's handshake. */
export class Negotiation {
  readonly #options: NegotiationOptions
  readonly inbox = new ProofInbox()
  #outcome: 'pending' | 'trusted' | 'restricted'
  #run: AbortController | undefined
  #handshaking = false
  #elevated = false
  /** Why the peer is not trusted. */
  refusal: unknown

  constructor(options: NegotiationOptions) {
    this.#options = options
    this.#outcome = options.standing === 'trusted' || options.proven ? 'trusted' : 'pending'
  }

  get standing(): Standing {
    return {
      level: this.#outcome === 'trusted' || this.#elevated ? 'trusted' : 'restricted',
      settled: this.#outcome !== 'pending'
    }
  }

  /** Whether the program's handshake runs: what it elevates or demotes holds until its end. */
  get handshaking(): boolean {
    return this.#handshaking
  }

  /** Whether this side asks for proof. */
  get needsProof(): boolean {
    return this.#outcome === 'pending' && this.#runs
  }

  get protocolNames(): readonly string[] {
    return this.#runs && this.#options.trust.handshake === undefined ? this.#options.protocols.slice(0, 16).map(({ name }) => name) : []
  }

  /** How long the verdict may take; undefined when the program decides by itself. */
  get timeLimitMs(): number | undefined {
    if (!this.#runs) return this.#outcome === 'pending' ? undefined : 0
    if (this.#options.trust.handshake !== undefined) return this.#handshakeMs
    return this.#options.protocols.reduce((longest, { timeLimitMs }) => Math.max(longest, timeLimitMs ?? PROTOCOL_TIME_MS), 0)
  }

  elevate(elevated: boolean): void {
    this.#elevated = elevated
    this.#options.changed()
  }

  /** Both hellos are known: runs what has to be run. */
  begin(remote: Hello, askedForProof: boolean): void {
    if (!this.#runs || !(askedForProof || remote.proof)) return
    if (this.#options.trust.handshake !== undefined) {
      void this.#handshake()
      return
    }
    const protocol = this.#choose(remote)
    if (protocol !== undefined) void this.#prove(protocol)
    else if (askedForProof) {
      const names = this.protocolNames.join(', ') || 'none'
      this.#refuse(`no trust protocol in common: ours are ${names}, the peer's ${remote.protocols.join(', ') || 'none'}`)
    }
  }

  /** The peer trusts us, or does not: a run is over that was for its sake, or in vain. */
  heard(trustsUs: boolean): void {
    if (trustsUs && this.#outcome === 'pending') return
    if (trustsUs && this.#handshaking) return
    this.#run?.abort(
      trustsUs
        ? channelErrors.create('ERR_CHANNEL_DISCONNECTED', 'The peer needs no more proof')
        : channelErrors.create('ERR_CHANNEL_NOT_TRUSTED', 'The peer does not trust this side')
    )
  }

  /** The peer knows no channels: the certificate decides. */
  foreign(): void {
    if (this.#outcome === 'pending')
      this.#refuse(channelErrors.create('ERR_CHANNEL_FOREIGN', 'The peer was asked to prove itself and knows no channels'))
  }

  end(reason: Error): void {
    this.inbox.end()
    this.#run?.abort(reason)
  }

  get #runs(): boolean {
    return this.#options.policy.runDefaultTrustProtocol ?? true
  }

  get #handshakeMs(): number {
    return this.#options.trust.handshakeTimeLimitMs ?? HANDSHAKE_TIME_MS
  }

  /** The first protocol in the initiator's order that both know. */
  #choose(remote: Hello): TrustProtocol | undefined {
    const { role, protocols } = this.#options
    const ours = this.protocolNames
    const name =
      role === 'initiator' ? ours.find((own) => remote.protocols.includes(own)) : remote.protocols.find((own) => ours.includes(own))
    return protocols.find((protocol) => protocol.name === name)
  }

  async #prove(protocol: TrustProtocol): Promise<void> {
    const { role, localPeerId, peerId, binding, sendProof } = this.#options
    const limit = protocol.timeLimitMs ?? PROTOCOL_TIME_MS
    const verdict = await this.#judge(limit, `The trust protocol ${protocol.name}`, (signal) =>
      protocol.run(
        proofExchange({ role, localPeerId, remotePeerId: peerId, binding }, signal, this.inbox, (message) => {
          sendProof(protocol.name, message)
        })
      )
    )
    this.inbox.end()
    this.#conclude(verdict, protocol.name)
  }

  async #handshake(): Promise<void> {
    this.#handshaking = true
    const verdict = await this.#judge(this.#handshakeMs, 'The trust handshake', async (signal) => {
      const result = await this.#options.runHandshake(signal)
      if (typeof result !== 'boolean') return result
      return result ? { trusted: true } : { trusted: false, reason: 'the handshake said no' }
    })
    this.#handshaking = false
    this.#elevated = false
    this.#conclude(verdict, 'handshake')
    if (!verdict.trusted) this.#options.handshakeFailed()
  }

  /** What `run` found; a failure or no answer in time is a no, with its cause. */
  async #judge(
    limitMs: number,
    what: string,
    run: (signal: AbortSignal) => Promise<TrustVerdict>
  ): Promise<TrustVerdict & { cause?: unknown }> {
    const running = new AbortController()
    const late = (): Error => channelErrors.create('ERR_CHANNEL_TIMEOUT', `${what} took longer than ${limitMs} ms`)
    const limit = limitedSignal(this.#options.clock, limitMs, late, running.signal)
    this.#run = running
    try {
      return await unlessAborted(limit.signal, () => run(limit.signal))
    } catch (cause) {
      return { trusted: false, reason: cause instanceof Error ? cause.message : String(cause), cause }
    } finally {
      // Nothing of it may go on after its end.
      running.abort(channelErrors.create('ERR_CHANNEL_DISCONNECTED', `${what} is over`))
      limit.release()
      this.#run = undefined
    }
  }

  #conclude(verdict: TrustVerdict & { cause?: unknown }, how: string): void {
    const { logger, trust, peerId, proved } = this.#options
    if (this.#outcome !== 'pending') {
      logger.debug('A trust protocol ran for the sake of the peer', { peer: peerId, how, trusted: verdict.trusted })
      this.#options.changed()
      return
    }
    try {
      trust.onVerdict?.(verdict, how)
    } catch (error) {
      logger.error('The receiver of verdicts about trust failed', { error })
    }
    if (!verdict.trusted) {
      this.#refuse(verdict.cause ?? verdict.reason)
      return
    }
    this.#outcome = 'trusted'
    proved()
    this.#options.changed()
  }

  #refuse(reason: unknown): void {
    const { logger, peerId } = this.#options
    this.#outcome = 'restricted'
    this.refusal = reason
    logger.warn('A peer is not trusted', { peer: peerId, reason: reason instanceof Error ? reason.message : reason })
    this.#options.changed()
  }
}

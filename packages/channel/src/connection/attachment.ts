import type { BlipPeer, IncomingRequest } from '@kithmesh/blip'
import { type SocketCloseInfo, isKithmeshError } from '@kithmesh/core'
import { Deferred, TokenBucket } from '@kithmesh/core/plugin'
import type { AttachOptions, ChannelAttachment, ControlBody, ControlHandler, RemoteHello, TrustWord } from '../contracts.ts'
import { channelErrors } from '../errors.ts'
import { WORD_RATE } from '../limits.ts'
import { CHANNEL_DOMAIN, CONTROL, DISCONNECT, HELLO, PACKET, PROOF, PULL, TRUST } from '../profiles.ts'
import type { AttachmentOwner } from './attachment-owner.ts'
import { Controls } from './controls.ts'
import { Greeting } from './greeting.ts'
import type { Hello } from './hello.ts'
import { Negotiation, type Standing } from './negotiation.ts'
import { mutualTrust } from './mutual-trust.ts'
import { encodeWord, kindsAllowed, parseWord } from './trust-word.ts'

/** WebSocket close codes: of a violation (RFC 6455 §7.4.1), and of an end that another try would not change (blip.md §12). */
const PROTOCOL_ERROR = 1002
const FOREIGN = 'foreign'
export const PERMANENT = 4002

/** One connection of a channel: hellos, trust, control messages, and the way in for packets. */
export class Attachment implements ChannelAttachment {
  readonly blip: BlipPeer
  readonly #owner: AttachmentOwner
  readonly #greeting: Greeting
  readonly #askedForProof: boolean
  readonly #negotiation: Negotiation
  readonly #controls: Controls
  readonly #words: TokenBucket
  readonly #hello = new Deferred<RemoteHello | 'foreign'>()
  readonly #trusted = new Deferred<void>()
  #told: string | undefined
  #cancelDeadline: (() => void) | undefined
  word: TrustWord | undefined
  ended = false

  constructor(owner: AttachmentOwner, options: AttachOptions) {
    this.#owner = owner
    this.blip = options.blip
    // Whoever wants to know asks; nobody has to.
    this.#hello.promise.catch(() => {})
    this.#trusted.promise.catch(() => {})
    const { localPeerId, peerId, session, policy, trust, limits, clock, logger } = owner.settings
    this.#negotiation = new Negotiation({
      role: options.role,
      binding: options.binding,
      standing: options.standing,
      protocols: options.protocols ?? [],
      localPeerId,
      peerId,
      policy,
      trust,
      clock,
      logger,
      proven: owner.proven,
      runHandshake: (signal) => owner.runHandshake(signal),
      sendProof: (protocol, message) => {
        if (!this.ended) this.blip.request({ profile: PROOF, properties: { Protocol: protocol }, body: message, noReply: true })
      },
      changed: () => {
        this.standingChanged()
      },
      proved: () => {
        owner.proved()
      },
      handshakeFailed: () => {
        this.leave('not trusted')
      }
    })
    this.#words = new TokenBucket(WORD_RATE, clock)
    this.#askedForProof = owner.decision === undefined && this.#negotiation.needsProof
    this.#greeting = new Greeting({
      blip: options.blip,
      limits,
      program: options.hello ?? {},
      own: {
        session,
        ...owner.continuation(),
        proof: this.#askedForProof,
        protocols: this.#negotiation.protocolNames,
        trustMs: this.#negotiation.timeLimitMs
      },
      met: (remote) => {
        this.#meet(remote)
      },
      foreign: () => {
        this.#isForeign()
      },
      failed: (error) => {
        this.fail(error)
      }
    })
    const accepting = (): boolean => this.standing.level === 'trusted' && this.remote !== undefined
    this.#controls = new Controls({
      blip: options.blip,
      limits,
      clock,
      logger,
      dropped: () => {
        owner.droppedControl()
      },
      get accepting() {
        return accepting()
      }
    })
  }

  /** Takes the connection over and says hello. @throws TypeError when the program's hello is too long */
  begin(): void {
    const { blip } = this
    this.#greeting.send()
    this.#on(HELLO, (request) => {
      this.#greeting.receive(request)
    })
    this.#on(TRUST, (request) => {
      this.#receiveWord(request)
    })
    this.#on(PROOF, (request) => {
      this.#negotiation.inbox.push(request.body)
    })
    this.#on(CONTROL, (request) => {
      this.#controls.receive(request)
    })
    this.#on(PACKET, (request) => {
      this.#owner.packet(this, request)
    })
    this.#on(PULL, (request) => {
      this.#owner.pull(this, request)
    })
    this.#on(DISCONNECT, (request) => {
      this.#owner.disconnecting(this, request)
    })
    blip.onClosed((info) => {
      this.#closed(info)
    })
    this.#deadline(this.#owner.settings.limits.helloWithinMs, 'say hello')
  }

  get hello(): Promise<RemoteHello | 'foreign'> {
    return this.#hello.promise
  }

  get trusted(): Promise<void> {
    return this.#trusted.promise
  }

  /** The peer's hello, once ours was answered too. */
  get remote(): Hello | undefined {
    return this.#greeting.remote
  }

  get standing(): Standing {
    if (this.#negotiation.handshaking) return this.#negotiation.standing
    return this.#owner.decision ?? this.#negotiation.standing
  }

  get trusts(): boolean {
    return this.standing.level === 'trusted'
  }

  get mutual(): boolean {
    const { level, settled } = this.standing
    return !this.ended && settled && level === 'trusted' && this.word?.settled === true && this.word.level === 'trusted'
  }

  get handshaking(): boolean {
    return this.#negotiation.handshaking
  }

  elevateForHandshake(elevated: boolean): void {
    this.#negotiation.elevate(elevated)
  }

  onControl(name: string, handler: ControlHandler): void {
    this.#controls.on(name, handler)
  }

  control(name: string, body: ControlBody): boolean {
    if (this.ended || this.remote === undefined) return false
    return this.#controls.send(name, body)
  }

  /** What this side makes of the peer has changed: tells it, and whoever waits. */
  standingChanged(): void {
    if (this.ended) return
    this.#tell()
    this.#judge()
    this.#owner.changed(this)
  }

  /** Tells the peer that we go, for that reason, and closes the connection. */
  leave(reason: string, code?: number): void {
    if (this.ended) return
    if (this.remote !== undefined) this.blip.request({ profile: DISCONNECT, body: Buffer.from(JSON.stringify({ reason })), noReply: true })
    this.blip.close(code ?? 1000, reason)
  }

  /** The peer broke the protocol: the connection is closed. */
  fail(error: Error): void {
    if (this.ended) return
    this.#owner.settings.logger.warn('A peer broke the channel protocol', { peer: this.#owner.settings.peerId, error })
    this.#hello.reject(error)
    this.#trusted.reject(error)
    this.#owner.violated(error)
    this.blip.close(PROTOCOL_ERROR, error.message)
  }

  /** Registers a handler; what it throws because of the peer ends the connection. */
  #on(profile: string, handler: (request: IncomingRequest) => void): void {
    this.blip.handle(profile, (request) => {
      if (this.ended) return
      try {
        handler(request)
      } catch (error) {
        if (!isKithmeshError(error, 'ERR_CHANNEL_PROTOCOL')) throw error
        request.respondError(CHANNEL_DOMAIN, 400, error.message)
        this.fail(error)
      }
    })
  }

  #meet(remote: Hello): void {
    if (this.ended) return
    this.#cancelDeadline?.()
    const continued = this.#owner.met(this, remote)
    this.#hello.resolve({ version: remote.version, session: remote.session, continued, hello: remote.hello })
    if (remote.trustMs !== undefined)
      this.#deadline(remote.trustMs + this.#owner.settings.limits.wordWithinMs, 'say whether it trusts this side')
    this.#negotiation.begin(remote, this.#askedForProof)
    this.standingChanged()
  }

  #isForeign(): void {
    if (this.ended) return
    this.#cancelDeadline?.()
    this.#negotiation.foreign()
    this.#hello.resolve(FOREIGN)
    this.#judge()
    this.#owner.changed(this)
  }

  #receiveWord(request: IncomingRequest): void {
    if (this.remote === undefined) throw channelErrors.create('ERR_CHANNEL_PROTOCOL', 'The peer spoke of trust before it said hello')
    if (!this.#words.take()) throw channelErrors.create('ERR_CHANNEL_PROTOCOL', 'The peer changes its mind about trust too often')
    const word = parseWord(request.body)
    request.respond()
    this.word = word
    if (word.settled) this.#cancelDeadline?.()
    this.#judge()
    if (word.settled) this.#negotiation.heard(word.level === 'trusted')
    if (!this.ended) this.#owner.changed(this)
  }

  #tell(): void {
    if (this.remote === undefined) return
    const { level, settled } = this.standing
    const { decision, decisionReason, settings } = this.#owner
    const reason = decision !== undefined && level !== 'trusted' && !this.handshaking ? decisionReason : undefined
    const word = encodeWord({ level, settled, allows: kindsAllowed(level, settings.policy), ...(reason === undefined ? {} : { reason }) })
    const text = word.toString()
    if (text === this.#told) return
    this.#told = text
    this.blip.request({ profile: TRUST, body: word, noReply: true })
  }

  /** Settles `trusted` as soon as it is known. */
  #judge(): void {
    if (this.#trusted.settled) return
    const { standing, word } = this
    const { decision, decisionReason } = this.#owner
    const refusal = decision === undefined ? this.#negotiation.refusal : decisionReason
    const outcome = mutualTrust({ standing, refusal, word, foreign: this.#greeting.isForeign })
    if (outcome === 'trusted') this.#trusted.resolve()
    else if (outcome !== 'open') this.#trusted.reject(outcome)
  }

  #deadline(ms: number, what: string): void {
    this.#cancelDeadline?.()
    this.#cancelDeadline = this.#owner.settings.clock.after(ms, () => {
      const error = channelErrors.create('ERR_CHANNEL_TIMEOUT', `The peer did not ${what} within ${ms} ms`)
      this.#hello.reject(error)
      this.#trusted.reject(error)
      // It is not known to be hostile: who waits for it decides what becomes of the connection.
      this.#owner.settings.logger.info('A peer is late', { peer: this.#owner.settings.peerId, error })
    })
  }

  #closed(info: SocketCloseInfo): void {
    if (this.ended) return
    this.ended = true
    this.#cancelDeadline?.()
    const error = channelErrors.create('ERR_CHANNEL_DISCONNECTED', `The connection ended: ${info.code} ${info.reason}`.trimEnd(), {
      cause: info.error
    })
    this.#hello.reject(error)
    this.#trusted.reject(error)
    this.#negotiation.end(error)
    this.#owner.ended(this)
  }
}

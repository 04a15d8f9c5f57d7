import type { Duplex } from 'node:stream'
import { type Clock, type Logger, checkInteger } from '@kithmesh/core/plugin'
import { limitError, lostError, protocolError, refusedError, timeoutError } from './channel-errors.ts'
import { L2capChannel, type ChannelHost, type ChannelTerms } from './channel.ts'
import { MIN_MTU, channelLimits, type ChannelLimits } from './channel-limits.ts'
import { ChannelTable, isDynamicCid } from './channel-table.ts'
import {
  RESULT_CID_IN_USE,
  RESULT_INVALID_CID,
  RESULT_NO_RESOURCES,
  RESULT_PSM_NOT_SUPPORTED,
  RESULT_SUCCESS,
  RESULT_UNACCEPTABLE_PARAMETERS
} from './connection-result.ts'
import type { FrameCarrier } from './frame-carrier.ts'
import { Opening } from './opening.ts'
import { REJECT_INVALID_CID, REJECT_NOT_UNDERSTOOD, SIGNALLING_CID, decodeSignal, encodeSignal, type Signal } from './signal-codec.ts'
import { SendQueue } from './send-queue.ts'
import { SignalRequests } from './signal-requests.ts'

type ConnectionRequest = Extract<Signal, { kind: 'connectionRequest' }>
type ConnectionResponse = Extract<Signal, { kind: 'connectionResponse' }>

/** Answers that may pile up in the carrier's queue: who asks on without letting them through is cut off. */
const MAX_WAITING_ANSWERS = 256

export interface ChannelManagerOptions {
  /** Its `onDrained` is the manager's. */
  readonly carrier: FrameCarrier
  readonly clock: Clock
  readonly logger: Logger
  /**
   * Who takes channels to a PSM; undefined when nobody does, and then they are refused. Called for every request; the result once per open
   * channel, in the same turn, and the channel belongs to it from then on.
   */
  readonly accept: (psm: number) => ((channel: Duplex) => void) | undefined
  readonly limits?: Partial<ChannelLimits>
}

/**
 * The LE credit-based channels of one link (Core Specification, vol. 3, part A, §4.22–4.24, §10.1), whoever connected it. Nothing that
 * comes in throws: a channel whose rules are broken is closed, with ERR_BLE_PROTOCOL on this side. One file because both sides open and end channels with the same
 * few commands over one table of identifiers.
 *
 * @example
 * const channels = new ChannelManager({ carrier, clock, logger, accept: (psm) => (psm === 0x80 ? onChannel : undefined) })
 * link.onFrame = (cid, payload) => { if (!channels.receive(cid, payload)) library.receive(cid, payload) }
 * link.onClosed = (error) => { channels.closed(error) }
 * const channel = await channels.open(0x80, { signal })
 */
export class ChannelManager {
  readonly #carrier: FrameCarrier
  readonly #logger: Logger
  readonly #accept: ChannelManagerOptions['accept']
  readonly #limits: ChannelLimits
  readonly #requests: SignalRequests
  readonly #sending: SendQueue
  readonly #host: ChannelHost
  readonly #channels: ChannelTable
  /** Requests for channels that were not answered, nor forgotten. */
  readonly #openings = new Set<Opening>()
  /** Identifiers of the requests that end channels, by the channel identifiers of this side. */
  readonly #endings = new Map<number, number>()
  #closed: Error | undefined

  /** @throws TypeError for limits that make no sense */
  constructor({ carrier, clock, logger, accept, limits }: ChannelManagerOptions) {
    this.#carrier = carrier
    this.#logger = logger
    this.#accept = accept
    this.#limits = channelLimits(limits)
    this.#channels = new ChannelTable(this.#limits.channels)
    this.#requests = new SignalRequests(clock)
    this.#sending = new SendQueue(carrier, this.#limits.queuedFrames)
    carrier.onDrained = () => {
      this.#sending.run()
    }
    this.#host = {
      wake: (channel) => {
        this.#sending.add(channel)
      },
      sendCredits: (channel, credits) => {
        this.#send(this.#requests.identifier(), { kind: 'credit', cid: channel.localCid, credits })
      },
      disconnect: (channel) => {
        if (this.#closed === undefined) this.#disconnect(channel.localCid, channel.remoteCid, channel)
      },
      afterLinger: (run) => clock.after(this.#limits.lingerMs, run)
    }
  }

  /** Channels that are open or ending. */
  get count(): number {
    return this.#channels.count
  }

  /**
   * Takes the payload of one frame of the link, which belongs to the callee. Never throws: an exception of who reads a channel, or accepts
   * one, is thrown in a microtask of its own, where it is the program's as with any stream.
   * @returns false when it is not for channels, as Connection Parameter Updates: then it is for the library
   */
  receive(cid: number, payload: Buffer): boolean {
    try {
      return this.#receive(cid, payload)
    } catch (error) {
      queueMicrotask(() => {
        throw error
      })
      return true
    }
  }

  #receive(cid: number, payload: Buffer): boolean {
    if (cid === SIGNALLING_CID) return this.#receiveSignal(payload)
    if (!isDynamicCid(cid)) return false
    // Frames may still be on their way to a channel that was closed.
    const channel = this.#channels.local(cid)
    const violation = channel?.receiveFrame(payload)
    if (violation !== undefined) this.#violated(channel as L2capChannel, violation)
    return true
  }

  /**
   * Opens a channel to a PSM of the other side.
   * @param signal gives up until it is open; a channel that the other side opens nevertheless is closed
   * @throws ERR_BLE_CHANNEL_REFUSED with `details.result` (§4.23; 2 as well when the other side does not know such channels at all),
   * ERR_BLE_TIMEOUT, ERR_BLE_LINK_LOST, ERR_BLE_LIMIT, ERR_BLE_PROTOCOL, the signal's reason; TypeError for a PSM that is not 1–255
   */
  async open(psm: number, { signal }: { readonly signal: AbortSignal }): Promise<Duplex> {
    checkInteger('The PSM', psm, 1, 0xff)
    signal.throwIfAborted()
    if (this.#closed !== undefined) throw this.#closed
    if (this.#channels.full || this.#openings.size >= this.#limits.pendingOpens)
      throw limitError({ channels: this.#channels.count, pendingOpens: this.#openings.size })
    const opening = new Opening(psm, this.#channels.reserve(), signal)
    this.#openings.add(opening)
    this.#request(opening)
    return await opening.channel
  }

  /** The link is gone: channels and requests fail. Channels that had ended before can still be read. Idempotent. */
  closed(error: Error): void {
    if (this.#closed !== undefined) return
    this.#closed = lostError(error)
    this.#carrier.onDrained = undefined
    this.#requests.clear()
    this.#sending.clear()
    this.#endings.clear()
    const channels = this.#channels.clear()
    for (const opening of this.#openings) opening.fail(this.#closed)
    this.#openings.clear()
    for (const channel of channels) channel.fail(this.#closed)
  }

  #request(opening: Opening): void {
    const { psm, localCid } = opening
    const { mtu, mps, credits, openMs } = this.#limits
    const identifier = this.#requests.add({
      withinMs: openMs,
      late: () => {
        opening.fail(timeoutError(`No answer to the request for a channel to PSM ${psm} in ${openMs} ms`))
      },
      // An answer may come yet, and then the other side has a channel: until then the identifier is not used again.
      forgotten: () => {
        this.#openings.delete(opening)
        this.#channels.release(localCid)
      },
      answered: (answer) => {
        if (answer.kind !== 'connectionResponse' && answer.kind !== 'reject') return false
        this.#openings.delete(opening)
        if (answer.kind === 'connectionResponse' && answer.result === RESULT_SUCCESS) this.#opened(opening, answer)
        else this.#refused(opening, answer)
        return true
      }
    })
    this.#send(identifier, { kind: 'connectionRequest', psm, scid: localCid, mtu, mps, credits })
  }

  #opened(opening: Opening, response: ConnectionResponse): void {
    const { localCid } = opening
    const { dcid } = response
    if (!isDynamicCid(dcid) || this.#channels.remote(dcid) !== undefined) {
      // There is no channel that could be closed.
      this.#channels.release(localCid)
      opening.fail(protocolError(`a channel was opened with CID 0x${dcid.toString(16)}`))
      return
    }
    if (response.mtu < MIN_MTU || response.mps < MIN_MTU)
      opening.fail(protocolError(`a channel was opened with MTU ${response.mtu} and MPS ${response.mps}`))
    if (opening.wanted) opening.succeed(this.#add(localCid, dcid, response))
    else this.#disconnect(localCid, dcid, undefined)
  }

  #refused(opening: Opening, answer: ConnectionResponse | Extract<Signal, { kind: 'reject' }>): void {
    this.#channels.release(opening.localCid)
    // Who does not know such channels at all rejects the command.
    const result = answer.kind === 'reject' ? RESULT_PSM_NOT_SUPPORTED : answer.result
    opening.fail(refusedError(opening.psm, result, answer.kind === 'reject' ? `the command was rejected, ${answer.reason}` : undefined))
  }

  #receiveSignal(frame: Buffer): boolean {
    const decoded = decodeSignal(frame)
    if (decoded.signal === 'parameterUpdate') return false
    if (this.#closed !== undefined || decoded.signal === 'ignored') return true
    const { identifier, signal } = decoded
    if (signal === 'unknown') this.#answer(identifier, { kind: 'reject', reason: REJECT_NOT_UNDERSTOOD })
    else if (signal.kind === 'connectionRequest') this.#connect(identifier, signal)
    else if (signal.kind === 'disconnectionRequest') this.#disconnectByPeer(identifier, signal)
    else if (signal.kind === 'credit') this.#grant(signal.cid, signal.credits)
    // A rejection of a command of the library's is the library's.
    else return this.#requests.answer(identifier, signal) || signal.kind !== 'reject'
    return true
  }

  #connect(identifier: number, request: ConnectionRequest): void {
    const handler = this.#accept(request.psm)
    const result = this.#judge(request, handler !== undefined)
    if (result !== RESULT_SUCCESS || handler === undefined) {
      this.#answer(identifier, { kind: 'connectionResponse', dcid: 0, mtu: 0, mps: 0, credits: 0, result })
      return
    }
    const { mtu, mps, credits } = this.#limits
    const localCid = this.#channels.reserve()
    this.#answer(identifier, { kind: 'connectionResponse', dcid: localCid, mtu, mps, credits, result })
    handler(this.#add(localCid, request.scid, request))
  }

  /** The result that a request for a channel is answered with. */
  #judge({ scid, mtu, mps }: ConnectionRequest, supported: boolean): number {
    if (!supported) return RESULT_PSM_NOT_SUPPORTED
    if (!isDynamicCid(scid)) return RESULT_INVALID_CID
    if (this.#channels.remote(scid) !== undefined) return RESULT_CID_IN_USE
    if (mtu < MIN_MTU || mps < MIN_MTU) return RESULT_UNACCEPTABLE_PARAMETERS
    return this.#channels.full ? RESULT_NO_RESOURCES : RESULT_SUCCESS
  }

  #grant(remoteCid: number, credits: number): void {
    const channel = this.#channels.remote(remoteCid)
    const violation = channel?.grant(credits)
    if (violation !== undefined) this.#violated(channel as L2capChannel, violation)
  }

  #disconnectByPeer(identifier: number, { dcid, scid }: { readonly dcid: number; readonly scid: number }): void {
    const channel = this.#channels.local(dcid)
    if (channel === undefined) {
      this.#answer(identifier, { kind: 'reject', reason: REJECT_INVALID_CID, cids: [dcid, scid] })
      return
    }
    // §4.6: a request that names another channel of the sender's is discarded.
    if (channel.remoteCid !== scid) return
    this.#answer(identifier, { kind: 'disconnectionResponse', dcid, scid })
    this.#remove(channel)
    channel.disconnectedByPeer()
  }

  /** Asks the other side to close a channel; without one, what it opened and nobody wants. */
  #disconnect(localCid: number, remoteCid: number, channel: L2capChannel | undefined): void {
    const over = (): void => {
      if (channel === undefined) this.#channels.release(localCid)
      else {
        this.#remove(channel)
        channel.disconnected()
      }
    }
    const identifier = this.#requests.add({
      withinMs: this.#limits.disconnectMs,
      late: () => {
        this.#logger.debug('The end of a channel was not confirmed', { localCid, remoteCid })
        channel?.fail(timeoutError('The other side did not confirm the end of a channel'))
        over()
      },
      answered: (answer) => {
        // §4.7: an answer for another channel is discarded.
        const matches = answer.kind === 'disconnectionResponse' && answer.dcid === remoteCid && answer.scid === localCid
        if (!matches && answer.kind !== 'reject') return false
        over()
        return true
      }
    })
    if (channel !== undefined) this.#endings.set(localCid, identifier)
    this.#send(identifier, { kind: 'disconnectionRequest', dcid: remoteCid, scid: localCid })
  }

  #add(localCid: number, remoteCid: number, theirs: ChannelTerms): L2capChannel {
    const channel = new L2capChannel(this.#host, { local: localCid, remote: remoteCid }, this.#limits, theirs)
    this.#channels.add(channel)
    return channel
  }

  #remove(channel: L2capChannel): void {
    this.#channels.remove(channel)
    const ending = this.#endings.get(channel.localCid)
    this.#endings.delete(channel.localCid)
    // Both sides asked for the end at once: there may be no answer to this one.
    if (ending !== undefined) this.#requests.drop(ending)
  }

  #violated(channel: L2capChannel, rule: string): void {
    this.#logger.debug('A channel is closed because the other side broke its rules', { cid: channel.localCid, rule })
    channel.destroy(protocolError(rule))
  }

  #answer(identifier: number, signal: Signal): void {
    if (this.#carrier.queuedFrames > this.#limits.queuedFrames + MAX_WAITING_ANSWERS)
      this.#carrier.fail(protocolError('commands without end, whose answers are not taken'))
    else this.#send(identifier, signal)
  }

  #send(identifier: number, signal: Signal): void {
    this.#carrier.send(SIGNALLING_CID, [encodeSignal({ identifier, signal })])
  }
}

import { Duplex } from 'node:stream'
import { closedError } from './channel-errors.ts'
import type { FrameCarrier } from './frame-carrier.ts'
import { InboundFlow } from './inbound-flow.ts'
import { OutboundFlow } from './outbound-flow.ts'

const WRITE_BYTES = 65_536

type Done = (error?: Error | null) => void

/** What a channel asks of its link. */
export interface ChannelHost {
  /** The channel has frames and credits for them. */
  wake(channel: L2capChannel): void
  sendCredits(channel: L2capChannel, credits: number): void
  /** Sends a Disconnection Request. {@link L2capChannel.disconnected} follows, unless the link is lost. */
  disconnect(channel: L2capChannel): void
  /** Calls back when a reader has had long enough to see the end of a channel. @returns cancels it */
  afterLinger(run: () => void): () => void
}

/** One side's terms of a channel, as the Connection Request and its Response tell them. */
export interface ChannelTerms {
  readonly mtu: number
  readonly mps: number
  readonly credits: number
}

/**
 * A byte stream over an LE credit-based channel. The bounds of SDUs mean nothing.
 *
 * L2CAP cannot end one direction alone. `end()` waits until everything written is in frames, then asks the other side to disconnect; that
 * request travels behind the frames, so `finish` means that the other side has got everything. What arrives until then can be read, and
 * then comes the end, whether the other side had more to send or not. The side that is asked reads everything that was received, then the
 * end; what it had still to send is lost, and the stream then fails with ERR_BLE_CHANNEL_CLOSED. `destroy()` disconnects without waiting
 * for anything; the other side cannot tell this from an end, except within an SDU: then it fails with ERR_BLE_CHANNEL_CLOSED as well.
 *
 * Nothing is granted to the other side while nobody reads.
 */
export class L2capChannel extends Duplex {
  readonly localCid: number
  readonly remoteCid: number
  readonly #host: ChannelHost
  readonly #outbound: OutboundFlow
  readonly #inbound: InboundFlow
  #state: 'open' | 'disconnecting' | 'closed' = 'open'
  /** The reader takes more. */
  #wanted = false
  /** The other side has disconnected, and this one had not. */
  #endedByPeer = false
  #written: Done | undefined
  #finished: Done | undefined
  #cancelHold: (() => void) | undefined
  /** Bytes written before the other side disconnected were not sent. */
  #lost = false
  /** In the list of channels that want to send: the link's own note. */
  queued = false

  constructor(host: ChannelHost, cids: { readonly local: number; readonly remote: number }, ours: ChannelTerms, theirs: ChannelTerms) {
    // Without a buffer of its own the stream asks only for what is read at once: credits are granted for nothing else.
    super({ allowHalfOpen: false, readableHighWaterMark: 0, writableHighWaterMark: WRITE_BYTES })
    this.#host = host
    this.localCid = cids.local
    this.remoteCid = cids.remote
    this.#inbound = new InboundFlow(ours)
    this.#outbound = new OutboundFlow(theirs)
    // Nobody may be listening between the moment it is open and the moment its owner has it: the next write tells.
    this.on('error', () => {})
  }

  /** It has a frame, and a credit for it. */
  get sendable(): boolean {
    return this.#state === 'open' && this.#outbound.sendable
  }

  /** Sends one frame. To be called only while {@link L2capChannel.sendable}. */
  sendFrame(carrier: FrameCarrier): void {
    carrier.send(this.remoteCid, this.#outbound.nextFrame(carrier.maxFrameBytes))
    if (this.#outbound.queuedBytes > 0) return
    const done = this.#written
    this.#written = undefined
    done?.()
  }

  /** The other side grants credits. @returns the rule that this breaks */
  grant(credits: number): string | undefined {
    if (this.#state !== 'open') return undefined
    if (!this.#outbound.addCredits(credits)) return `${credits} credits more than ${this.#outbound.credits}`
    if (this.#outbound.sendable) this.#host.wake(this)
    return undefined
  }

  /** A frame came. @returns the rule that it breaks */
  receiveFrame(frame: Buffer): string | undefined {
    if (this.destroyed || this.#state === 'closed') return undefined
    const violation = this.#inbound.receive(frame)
    if (violation === undefined && this.#wanted) this.#deliver()
    return violation
  }

  /** Our Disconnection Request was answered, or crossed the other side's. */
  disconnected(): void {
    this.#close()
  }

  /** The other side has sent a Disconnection Request. */
  disconnectedByPeer(): void {
    this.#endedByPeer = this.#state === 'open'
    this.#lost = this.#written !== undefined
    this.#close()
    if (this.#lost) this.#hold()
  }

  /** The link is lost, or the channel's rules were broken: nothing more can be sent on it. */
  fail(error: Error): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.destroy(error)
  }

  override _read(): void {
    this.#wanted = true
    this.#deliver()
  }

  override _write(chunk: Buffer, _encoding: string, done: Done): void {
    this.#outbound.queue(chunk)
    this.#send(done)
  }

  override _writev(chunks: ReadonlyArray<{ readonly chunk: Buffer }>, done: Done): void {
    for (const { chunk } of chunks) this.#outbound.queue(chunk)
    this.#send(done)
  }

  override _final(done: Done): void {
    if (this.#state === 'closed') {
      done()
      return
    }
    this.#finished = done
    this.#state = 'disconnecting'
    this.#host.disconnect(this)
  }

  override _destroy(error: Error | null, done: Done): void {
    this.#cancelHold?.()
    if (this.#state === 'open') {
      this.#state = 'disconnecting'
      this.#host.disconnect(this)
    }
    this.#outbound.clear()
    this.#inbound.clear()
    this.#finished = undefined
    const written = this.#written
    this.#written = undefined
    written?.(error ?? closedError('it was destroyed here'))
    done(error)
  }

  #send(done: Done): void {
    if (this.#outbound.queuedBytes === 0) {
      done()
      return
    }
    this.#written = done
    if (this.#state === 'closed') this.#hold()
    else if (this.#outbound.sendable) this.#host.wake(this)
  }

  /** Hands out what the reader takes; then grants more, or tells the end. */
  #deliver(): void {
    while (this.#wanted) {
      const sdu = this.#inbound.take()
      if (sdu === undefined) break
      this.#wanted = this.push(sdu)
    }
    if (this.destroyed) return
    if (this.#state === 'closed') this.#tellEnd()
    else if (this.#wanted && this.#state === 'open') {
      const credits = this.#inbound.replenish()
      if (credits > 0) this.#host.sendCredits(this, credits)
    }
  }

  #close(): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    const done = this.#finished
    this.#finished = undefined
    done?.()
    if (!this.destroyed) this.#deliver()
  }

  #tellEnd(): void {
    if (this.#inbound.pending) return
    if (!this.#endedByPeer || !this.#inbound.partial) this.push(null)
    else if (this.#wanted || this.readableLength === 0) this.destroy(closedError('the other side cut it within an SDU'))
  }

  /** Writes after the other side has disconnected wait until the reader has seen the end, so that what was received is not lost with them. */
  #hold(): void {
    const nobodyReads = this.readableFlowing === null && !this.#wanted && !this.#inbound.pending && this.readableLength === 0
    if (this.readableEnded || (this.#lost && nobodyReads)) {
      this.#settleWrites()
      return
    }
    if (this.#cancelHold !== undefined) return
    this.once('end', () => {
      this.#settleWrites()
    })
    this.#cancelHold = this.#host.afterLinger(() => {
      this.#lost = true
      this.#settleWrites()
    })
  }

  /** An answer to the end itself, as TLS gives, may be dropped; anything else is a loss. */
  #settleWrites(): void {
    this.#cancelHold?.()
    if (this.#lost) {
      this.destroy(closedError('the other side ended it'))
      return
    }
    this.#outbound.clear()
    const done = this.#written
    this.#written = undefined
    done?.()
  }
}

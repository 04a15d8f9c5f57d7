import type { Duplex } from 'node:stream'
import { bleErrors } from '../errors.ts'
import type { ChannelManager } from '../l2cap/channel-manager.ts'
import type { FrameCarrier } from '../l2cap/frame-carrier.ts'
import { AclReassembly, PDU_PAYLOAD } from './acl-reassembly.ts'
import type { AclQueue, PduOwner } from './acl-sender.ts'
import type { AclLink, BleAddress } from './hci-host.ts'
import { LinkLibraries } from './link-libraries.ts'
import type { LinkOwner } from './link-owner.ts'
import { CID, SIGNAL, STATUS } from './opcodes.ts'
import type { ConnectionComplete } from './packet-codec.ts'
import { judge } from './pdu-guard.ts'

/** Commands of the security manager on one link: several pairings' worth, and no more. */
const MOST_SMP = 128
/** PDUs for ATT, signalling and security manager; the longest that libraries and peers here have reason to send is 517. */
const FIXED_BYTES = 1024

/** One connection of the controller: who uses it, what travels over it, and how it ends. */
export class HciLink implements AclLink, FrameCarrier {
  readonly handle: number
  readonly peer: BleAddress
  readonly role: 'central' | 'peripheral'
  /** @internal who here uses it with ATT and the like */
  readonly libraries: LinkLibraries
  readonly #owner: LinkOwner
  readonly #queue: AclQueue
  readonly #reassembly: AclReassembly
  readonly #listeners = new Set<(error: Error) => void>()
  readonly #frames: PduOwner
  #channels: ChannelManager | undefined
  #opening = 0
  #holds = 0
  #state: 'open' | 'closing' | 'closed' = 'open'
  #smp = 0
  #queuedFrames = 0
  #drained = false
  /** When it began, or the peer last sent something to a library. */
  #heardAt: number
  #error: Error | undefined
  onDrained: (() => void) | undefined

  constructor(began: ConnectionComplete, peer: BleAddress, dynamicBytes: number, owner: LinkOwner) {
    this.handle = began.handle
    this.peer = peer
    this.role = began.role === 0 ? 'central' : 'peripheral'
    this.#owner = owner
    this.#heardAt = owner.now()
    this.#queue = owner.sender.add(this.handle)
    this.libraries = new LinkLibraries({ link: this, began, owner, queue: this.#queue, mostBytes: FIXED_BYTES })
    this.#reassembly = new AclReassembly(
      { fixedBytes: FIXED_BYTES, dynamicBytes },
      {
        pdu: (cid, packet) => {
          this.#received(cid, packet)
        },
        violation: (what) => {
          this.offend(`ACL: ${what}`)
        }
      }
    )
    this.#frames = {
      sent: () => {
        this.#queuedFrames--
        this.#drained = true
      },
      completed: () => {}
    }
  }

  get closed(): boolean {
    return this.#state !== 'open'
  }

  /** Channels that are open, ending or being opened, and what else {@link hold | holds} it. */
  get streams(): number {
    return this.#opening + (this.#channels?.count ?? 0) + this.#holds
  }

  /** Packets that the controller holds, and how many it has got rid of. */
  get packets(): { readonly held: number; readonly completed: number } {
    return { held: this.#queue.held.length, completed: this.#queue.completed }
  }

  /** @internal */
  useChannels(channels: ChannelManager): void {
    this.#channels = channels
  }

  onClosed(listener: (error: Error) => void): () => void {
    if (this.#state === 'closed') listener(this.#error!)
    else this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  disconnect(): void {
    this.cut(STATUS.remoteUserTerminated, bleErrors.create('ERR_BLE_LINK_LOST', `The connection to ${this.peer.id} was ended here`))
  }

  hold(): () => void {
    let held = true
    this.#holds++
    return () => {
      if (held) this.#holds--
      held = false
    }
  }

  async openChannel(psm: number, options: { readonly signal: AbortSignal }): Promise<Duplex> {
    options.signal.throwIfAborted()
    if (this.#channels === undefined) {
      throw bleErrors.create('ERR_BLE_UNSUPPORTED', 'The adapter is shared with the system, which keeps L2CAP to itself')
    }
    if (this.#state !== 'open') throw this.#lost()
    this.#opening++
    try {
      return await this.#channels.open(psm, options)
    } finally {
      this.#opening--
    }
  }

  // What L2CAP frames travel over

  readonly maxFrameBytes = 65_531

  get queuedFrames(): number {
    return this.#queuedFrames
  }

  send(cid: number, parts: readonly Uint8Array[]): void {
    if (this.#state !== 'open') return
    this.#queuedFrames++
    this.#owner.sender.queue(this.#queue, cid, parts, this.#frames)
  }

  fail(error: Error): void {
    this.offend(error.message, error)
  }

  /** @internal tells the channels once that frames were taken since the last time */
  tellDrained(): void {
    if (!this.#drained) return
    this.#drained = false
    this.onDrained?.()
  }

  /** For how long it has been of no use: nothing came for a library, there is no stream, and nobody here connected. Milliseconds. */
  get uselessMs(): number {
    if (this.role === 'central' || this.libraries.client !== undefined || this.streams > 0) return 0
    return this.#owner.now() - this.#heardAt
  }

  // From the controller

  /** An ACL packet that came in. */
  receive(packet: Buffer): void {
    if (this.#state === 'open') this.#reassembly.packet(packet)
  }

  /** Cuts the link: its channels end now, its libraries when the controller says so. */
  cut(reason: number, error: Error): void {
    if (this.#state !== 'open') return
    this.#state = 'closing'
    this.#error = error
    this.#channels?.closed(error)
    this.#owner.disconnect(this, reason)
  }

  /** The rules were broken from the other side, or a library failed over what it sent. Once per link. */
  offend(what: string, cause?: unknown): void {
    if (this.#state !== 'open') return
    this.#owner.offence(this, what, cause)
    this.cut(
      STATUS.remoteUserTerminated,
      bleErrors.create('ERR_BLE_PROTOCOL', `${this.peer.id} broke a rule: ${what}`, cause === undefined ? {} : { cause })
    )
  }

  /** The controller has no such link any more. */
  gone(reason: number, error: Error): void {
    if (this.#state === 'closed') return
    const ended = this.#error ?? error
    this.#state = 'closed'
    this.#error = ended
    this.#owner.sender.remove(this.handle)
    this.#channels?.closed(ended)
    this.onDrained = undefined
    this.libraries.end(reason)
    const listeners = [...this.#listeners]
    this.#listeners.clear()
    for (const listener of listeners) this.#owner.tell(listener, ended)
  }

  #lost(): Error {
    return this.#error ?? bleErrors.create('ERR_BLE_LINK_LOST', `The connection to ${this.peer.id} is gone`)
  }

  #received(cid: number, packet: Buffer): void {
    const payload = packet.subarray(PDU_PAYLOAD)
    if (cid >= CID.firstDynamic) {
      this.#channels?.receive(cid, payload)
      return
    }
    const verdict = judge(cid, payload)
    if (typeof verdict === 'object') {
      this.offend(verdict.violation)
      return
    }
    if (verdict === 'drop') return
    if (cid === CID.att) {
      if (this.libraries.attribute(payload, packet)) this.#heardAt = this.#owner.now()
      return
    }
    this.#heardAt = this.#owner.now()
    if (cid === CID.signalling) this.#signal(payload, packet)
    else if (++this.#smp > MOST_SMP) this.offend('security manager commands without end')
    else this.libraries.security(packet)
  }

  #signal(payload: Buffer, packet: Buffer): void {
    const code = payload[0]
    if (code !== SIGNAL.parameterUpdateRequest && code !== SIGNAL.parameterUpdateResponse) {
      this.#channels?.receive(CID.signalling, payload)
      return
    }
    if (code === SIGNAL.parameterUpdateRequest) this.#owner.parameterRequest(this, payload)
    this.libraries.parameterUpdate(packet)
  }
}

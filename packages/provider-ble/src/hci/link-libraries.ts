import type { HciLink } from './acl-link.ts'
import { markWhole, PDU_PAYLOAD } from './acl-reassembly.ts'
import type { AclQueue } from './acl-sender.ts'
import { AttLedger } from './att-ledger.ts'
import type { ControllerView } from './library-stack.ts'
import type { LinkOwner } from './link-owner.ts'
import { LinkUser } from './link-user.ts'
import { CID, SIGNAL } from './opcodes.ts'
import { connectionComplete, disconnectionComplete } from './packet-codec.ts'
import type { ConnectionComplete } from './packet-codec.ts'
import { isToServer } from './pdu-guard.ts'

/** Packets of a peer that wait for a library: one request, and commands, which nobody waits for. */
const MOST_HELD = 16
const MTU_RESPONSE = 0x03
const ERROR_RESPONSE = 0x01
const INSUFFICIENT_RESOURCES = 0x11

export interface LinkLibrariesOptions {
  readonly link: HciLink
  /** The event that the link began with, for libraries that come later. */
  readonly began: ConnectionComplete
  readonly owner: LinkOwner
  readonly queue: AclQueue
  /** Of a PDU for ATT, signalling and security manager. */
  readonly mostBytes: number
}

/** The libraries on one link: which is the client, which the server, and which of them is told what the peer sends. */
export class LinkLibraries {
  readonly #link: HciLink
  readonly #began: ConnectionComplete
  readonly #owner: LinkOwner
  readonly #queue: AclQueue
  readonly #mostBytes: number
  readonly #ledger = new AttLedger()
  #client: LinkUser | undefined
  #server: LinkUser | undefined
  /** What the peer asked while there was no library to answer. */
  #held: Buffer[] | undefined
  #asked = false

  constructor({ link, began, owner, queue, mostBytes }: LinkLibrariesOptions) {
    this.#link = link
    this.#began = began
    this.#owner = owner
    this.#queue = queue
    this.#mostBytes = mostBytes
  }

  /** The one that acts as a GATT client. */
  get client(): ControllerView | undefined {
    return this.#client?.view
  }

  get server(): ControllerView | undefined {
    return this.#server?.view
  }

  /** A library takes part: it is told of the connection as if it were its own. */
  attach(view: ControllerView, as: 'client' | 'server'): void {
    const user: LinkUser = new LinkUser(view, this.#link.handle, this.#mostBytes, (cid, payload) => {
      this.#written(user, cid, payload)
    })
    if (as === 'client') {
      this.#ledger.forgetClient()
      this.#client = user
    } else this.#server = user
    view.deliver(connectionComplete({ ...this.#began, role: as === 'client' ? 0 : 1 }))
    const mtuRequest = as === 'server' ? this.#ledger.answeredMtuRequest : undefined
    if (mtuRequest !== undefined) {
      user.answersMtu = true
      this.#deliverFromHere(user, mtuRequest)
    }
  }

  /** What waited for a library to serve it gets one, or is answered that there is no room. @returns whether the library has the link now */
  serve(view: ControllerView | undefined): boolean {
    const held = this.#held ?? []
    this.#held = undefined
    if (this.#link.closed) return false
    const takes = view !== undefined && this.#server === undefined
    if (takes) this.attach(view, 'server')
    for (const packet of held) {
      if (this.#server !== undefined) this.#deliver(this.#server, packet)
      else this.#refuse(packet[PDU_PAYLOAD]!)
    }
    return takes
  }

  /** Answers a request of the peer in place of a library (vol. 3, part F, §3.4.1.1). Commands are not answered. */
  #refuse(opcode: number): void {
    if ((opcode & 0x40) !== 0) return
    const error = Buffer.from([ERROR_RESPONSE, opcode, 0, 0, INSUFFICIENT_RESOURCES])
    this.#ledger.outgoing(error)
    this.#owner.sender.queue(this.#queue, CID.att, [error], undefined)
  }

  /** A library leaves, and is told that the connection ended. The link stays. */
  detach(view: ControllerView, reason: number): void {
    if (this.#client?.view === view) {
      this.#ledger.forgetClient()
      this.#client = undefined
    }
    if (this.#server?.view === view) this.#server = undefined
    view.deliverLater(disconnectionComplete(this.#link.handle, reason))
  }

  /** Whether the peer asked something of us since the last call. */
  takeActivity(): boolean {
    const asked = this.#asked
    this.#asked = false
    return asked
  }

  uses(view: ControllerView): boolean {
    return this.#client?.view === view || this.#server?.view === view
  }

  /** Passes an event on to every library here. */
  tell(packet: Buffer): void {
    for (const user of [this.#client, this.#server]) if (user !== undefined) this.#deliver(user, packet)
  }

  /** An ACL packet that a library wrote. */
  write(view: ControllerView, packet: Buffer): void {
    const user = this.#client?.view === view ? this.#client : this.#server?.view === view ? this.#server : undefined
    if (user === undefined || this.#link.closed) return
    user.write(packet)
  }

  /** A command of the peer's security manager. The one of the central role speaks with the one of the peripheral role. */
  security(packet: Buffer): void {
    const user = this.#link.role === 'central' ? this.#client : this.#server
    if (user !== undefined) this.#deliver(user, this.#whole(packet))
  }

  /** A connection parameter update, which concerns who connected. */
  parameterUpdate(packet: Buffer): void {
    if (this.#client !== undefined && this.#link.role === 'central') this.#deliver(this.#client, this.#whole(packet))
  }

  /** The link is gone: everybody is told. */
  end(reason: number): void {
    for (const user of [this.#client, this.#server]) user?.view.deliverLater(disconnectionComplete(this.#link.handle, reason))
    this.#client = this.#server = undefined
  }

  /** A PDU for ATT that is well formed. @returns whether it was one that may come */
  attribute(payload: Buffer, packet: Buffer): boolean {
    const verdict = this.#ledger.incoming(payload)
    if (typeof verdict === 'object') this.#link.offend(verdict.violation)
    else if (verdict !== 'drop') {
      this.#attribute(payload, packet)
      return true
    }
    return false
  }

  #attribute(payload: Buffer, packet: Buffer): void {
    if (!isToServer(payload[0]!)) {
      if (this.#client !== undefined) this.#deliver(this.#client, this.#whole(packet))
      return
    }
    this.#asked = true
    if (this.#held !== undefined) {
      if (this.#held.length < MOST_HELD) this.#held.push(this.#whole(packet))
      return
    }
    if (this.#server === undefined) {
      const view = this.#owner.serverFor()
      if (view !== undefined) this.attach(view, 'server')
      else if (this.#owner.awaitServer(this.#link)) {
        this.#held = [this.#whole(packet)]
        return
      }
    }
    // Without a server the client answers that it is none.
    const user = this.#server ?? this.#client
    if (user !== undefined) this.#deliver(user, this.#whole(packet))
  }

  #deliver(user: LinkUser, packet: Buffer): void {
    user.view.deliver(packet, (error) => {
      this.#link.offend('a library failed over what it sent', error)
    })
  }

  /** A whole PDU that a library wrote. */
  #written(user: LinkUser, cid: number, payload: Buffer): void {
    if (cid === CID.att && user.answersMtu && payload[0] === MTU_RESPONSE) {
      user.answersMtu = false
      return
    }
    if (cid === CID.att) {
      const answer = this.#ledger.outgoing(payload)
      if (answer !== undefined) {
        this.#deliverFromHere(user, answer)
        return
      }
    }
    if (cid === CID.signalling && payload[0] === SIGNAL.parameterUpdateResponse) this.#owner.parameterResponse(this.#link, payload)
    const waiting = user.take()
    if (waiting !== undefined) this.#owner.sender.queue(this.#queue, cid, [payload], waiting)
  }

  #deliverFromHere(user: LinkUser, pdu: Buffer): void {
    const packet = Buffer.alloc(PDU_PAYLOAD + pdu.length)
    packet.writeUInt16LE(pdu.length, 5)
    packet.writeUInt16LE(CID.att, 7)
    pdu.copy(packet, PDU_PAYLOAD)
    this.#deliver(user, this.#whole(packet))
  }

  #whole(packet: Buffer): Buffer {
    return markWhole(packet, this.#link.handle)
  }
}

import { PACKET } from './opcodes.ts'
import { ACL_HEADER, L2CAP_HEADER } from './packet-codec.ts'

/** Whose PDU it is. */
export interface PduOwner {
  /** The controller was given the last packet of it. */
  sent(): void
  /** The controller got rid of the last packet of it. */
  completed(): void
}

interface Outgoing {
  readonly packet: Buffer
  /** Of the last packet of a PDU: whom to tell. */
  readonly owner: PduOwner | undefined
}

/** What waits on one link, and what the controller holds of it. */
export class AclQueue {
  readonly handle: number
  /** @internal packets not yet sent, from `head` on */
  readonly packets: Outgoing[] = []
  /** @internal */
  head = 0
  /** @internal whom to tell, per packet that the controller holds, oldest first */
  readonly held: (PduOwner | undefined)[] = []
  /** @internal how many the controller has got rid of */
  completed = 0

  constructor(handle: number) {
    this.handle = handle
  }

  /** Packets that wait here. */
  get waiting(): number {
    return this.packets.length - this.head
  }
}

/** A controller that claims endless buffers would make its queue ours. */
const MOST_BUFFERS = 64

/**
 * Sends PDUs on all links through the controller's buffers (Core Specification, vol. 4, part E, §4.1): fragments them to its packet length,
 * gives every link its turn, and never lets one that does not get rid of its packets keep the others from theirs.
 */
export class AclSender {
  readonly #send: (packet: Buffer) => void
  readonly #packetBytes: number
  readonly #buffers: number
  readonly #links = new Map<number, AclQueue>()
  /** Links with something to send, in turn. */
  readonly #ready: AclQueue[] = []
  #free: number

  /**
   * @param packetBytes the longest data of an ACL packet that the controller takes
   * @param buffers how many packets it holds
   */
  constructor(packetBytes: number, buffers: number, send: (packet: Buffer) => void) {
    this.#packetBytes = packetBytes
    this.#buffers = Math.min(buffers, MOST_BUFFERS)
    this.#free = this.#buffers
    this.#send = send
  }

  /** A new link. One of the same handle that was not removed is. */
  add(handle: number): AclQueue {
    this.remove(handle)
    const queue = new AclQueue(handle)
    this.#links.set(handle, queue)
    return queue
  }

  /** The link is gone: what waits is dropped, and the buffers it held are free again (vol. 4, part E, §4.3). */
  remove(handle: number): void {
    const queue = this.#links.get(handle)
    if (queue === undefined) return
    this.#links.delete(handle)
    this.#free += queue.held.length
    queue.held.length = 0
    queue.packets.length = 0
    queue.head = 0
    const turn = this.#ready.indexOf(queue)
    if (turn >= 0) this.#ready.splice(turn, 1)
    this.#pump()
  }

  /**
   * Queues a PDU, which is copied here, once.
   * @param parts its payload, joined
   */
  queue(queue: AclQueue, cid: number, parts: readonly Uint8Array[], owner: PduOwner | undefined): void {
    let length = 0
    for (const part of parts) length += part.length
    const total = L2CAP_HEADER + length
    let partIndex = 0
    let partOffset = 0
    for (let offset = 0; offset < total; ) {
      const size = Math.min(this.#packetBytes, total - offset)
      const packet = Buffer.allocUnsafe(ACL_HEADER + size)
      packet[0] = PACKET.acl
      packet[1] = queue.handle & 0xff
      packet[2] = (queue.handle >> 8) | (offset === 0 ? 0x00 : 0x10)
      packet[3] = size & 0xff
      packet[4] = size >> 8
      let at = ACL_HEADER
      if (offset === 0) {
        packet[5] = length & 0xff
        packet[6] = length >> 8
        packet[7] = cid & 0xff
        packet[8] = cid >> 8
        at += L2CAP_HEADER
      }
      while (at < packet.length) {
        const part = parts[partIndex]!
        const bytes = Math.min(part.length - partOffset, packet.length - at)
        packet.set(partOffset === 0 && bytes === part.length ? part : part.subarray(partOffset, partOffset + bytes), at)
        at += bytes
        partOffset += bytes
        if (partOffset === part.length) {
          partIndex++
          partOffset = 0
        }
      }
      offset += size
      queue.packets.push({ packet, owner: offset === total ? owner : undefined })
    }
    if (this.#links.get(queue.handle) !== queue) {
      queue.packets.length = 0
      return
    }
    if (!this.#ready.includes(queue)) this.#ready.push(queue)
    this.#pump()
  }

  /**
   * The controller got rid of packets. Counts and handles that cannot be are cut to what can.
   * @returns false when the count was impossible
   */
  completed(handle: number, count: number): boolean {
    const queue = this.#links.get(handle)
    if (queue === undefined) return false
    const done = Math.min(count, queue.held.length)
    this.#free += done
    queue.completed += done
    for (const owner of queue.held.splice(0, done)) owner?.completed()
    return done === count
  }

  /** The controller is gone, or given back: nothing is sent any more. */
  close(): void {
    this.#ready.length = 0
    this.#links.clear()
  }

  /** To be called after the counts of an event were told. */
  pump(): void {
    this.#pump()
  }

  /**
   * Whether a link that the controller holds packets of may have another buffer: not the ones kept for links that have none, so that links that
   * went out of range leave room for the others; and no more than its share while others want to send.
   */
  #mayTake(queue: AclQueue): boolean {
    if (queue.held.length === 0) return true
    let idle = 0
    for (const other of this.#links.values()) if (other.held.length === 0) idle++
    if (this.#free <= Math.min(idle, this.#buffers >> 1)) return false
    return this.#ready.length === 0 || queue.held.length < Math.ceil(this.#buffers / (this.#ready.length + 1))
  }

  #pump(): void {
    if (this.#ready.length === 0 || this.#free === 0) return
    let passed = 0
    while (this.#free > 0 && passed < this.#ready.length) {
      const queue = this.#ready.shift()!
      if (!this.#mayTake(queue)) {
        this.#ready.push(queue)
        passed++
        continue
      }
      passed = 0
      const { packet, owner } = queue.packets[queue.head++]!
      queue.held.push(owner)
      this.#free--
      if (queue.head === queue.packets.length) {
        queue.packets.length = 0
        queue.head = 0
      } else {
        if (queue.head >= 64) {
          queue.packets.splice(0, queue.head)
          queue.head = 0
        }
        this.#ready.push(queue)
      }
      this.#send(packet)
      owner?.sent()
    }
  }
}

import { AclReassembly, PDU_PAYLOAD } from './acl-reassembly.ts'
import type { PduOwner } from './acl-sender.ts'
import type { ControllerView } from './library-stack.ts'
import { completedPackets } from './packet-codec.ts'

/**
 * PDUs of a library on one link that are taken from it before the controller got rid of them. A library counts what is under way on all its
 * links together, so a link that stands still must not use up that count.
 */
const TAKEN_AT_ONCE = 128
/** Beyond that a library waits, so there are never as many unless it does not count. */
const MOST_PDUS = 256

/** A library on a link: what it writes, and what it is told of where that is. */
export class LinkUser {
  readonly view: ControllerView
  /** It is about to answer an Exchange MTU Request that the peer has an answer to. */
  answersMtu = false
  readonly #outgoing: AclReassembly
  /** Of PDUs that the library was told to be completed already, and of those that it waits for. */
  readonly #early: PduOwner
  readonly #late: PduOwner
  readonly #taken: () => void
  #waiting = 0
  #waitsForLast = false

  /**
   * @param mostBytes of a PDU
   * @param written told of every whole PDU; calls {@link take} for those that are sent
   */
  constructor(view: ControllerView, handle: number, mostBytes: number, written: (cid: number, payload: Buffer) => void) {
    this.view = view
    this.#taken = () => {
      view.deliver(completedPackets(handle, 1))
    }
    this.#outgoing = new AclReassembly(
      { fixedBytes: mostBytes, dynamicBytes: 0 },
      {
        pdu: (cid, packet) => {
          written(cid, packet.subarray(PDU_PAYLOAD))
        },
        violation: () => {}
      }
    )
    this.#early = {
      sent: () => {},
      completed: () => {
        this.#waiting--
      }
    }
    this.#late = {
      sent: () => {},
      completed: () => {
        this.#waiting--
        this.#taken()
      }
    }
  }

  /** An ACL packet of the library. It is told that it was taken, at once unless too much waits. */
  write(packet: Buffer): void {
    this.#waitsForLast = false
    this.#outgoing.packet(packet)
    if (!this.#waitsForLast) this.#taken()
  }

  /** Counts a PDU that is to be sent; undefined when it is not to be, as there are far too many. */
  take(): PduOwner | undefined {
    if (this.#waiting >= MOST_PDUS) return undefined
    this.#waitsForLast = ++this.#waiting > TAKEN_AT_ONCE
    return this.#waitsForLast ? this.#late : this.#early
  }
}

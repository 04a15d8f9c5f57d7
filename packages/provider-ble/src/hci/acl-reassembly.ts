import { ACL_HEADER, L2CAP_HEADER } from './packet-codec.ts'
import { CID, PACKET } from './opcodes.ts'

/** Where the payload of a PDU begins in what {@link AclReassembly} hands over: an ACL header and an L2CAP header are in front of it. */
export const PDU_PAYLOAD = ACL_HEADER + L2CAP_HEADER

/** What is wrong with what came in. */
export type AclViolation = 'fragment without a start' | 'more bytes than declared' | 'PDU too long' | 'PDU interrupted'

export interface AclReassemblyHandlers {
  /** One whole PDU behind room for its headers, see {@link PDU_PAYLOAD}. The bytes belong to the receiver. */
  pdu(cid: number, packet: Buffer): void
  violation(what: AclViolation): void
}

/** The longest PDU of each kind of channel: what is declared beyond is not stored. */
export interface AclLimits {
  /** ATT, signalling and security manager. */
  readonly fixedBytes: number
  /** Frames of credit-based channels; 0 when they are not for us. */
  readonly dynamicBytes: number
}

/**
 * Puts the L2CAP PDUs of one direction of one link together from their fragments (Core Specification, vol. 4, part E, §5.4.2). Holds one PDU
 * at most, of bounded length; one that came in a single packet is handed on as it is. PDUs of channels that nobody here has are skipped
 * without being stored.
 */
export class AclReassembly {
  readonly #limits: AclLimits
  readonly #handlers: AclReassemblyHandlers
  readonly #header = Buffer.alloc(L2CAP_HEADER)
  #headerBytes = 0
  #cid = 0
  #pdu: Buffer | undefined
  #filled = 0
  /** Bytes of a PDU for nobody that are still to come. */
  #skip = 0

  constructor(limits: AclLimits, handlers: AclReassemblyHandlers) {
    this.#limits = limits
    this.#handlers = handlers
  }

  /** Bytes stored for a PDU that is not whole. */
  get stored(): number {
    return this.#pdu?.length ?? 0
  }

  /** Takes one H4 ACL packet whose declared length was compared with its real one. */
  packet(packet: Buffer): void {
    // Boundary flags 00 and 10 start a PDU, 01 continues one; 11 does not exist on LE.
    const boundary = (packet[2]! >> 4) & 0x03
    if (boundary === 1) this.#continue(packet.subarray(ACL_HEADER))
    else if (boundary === 3) this.#violation('fragment without a start')
    else this.#start(packet)
  }

  #start(packet: Buffer): void {
    if (this.#unfinished) {
      this.#reset()
      this.#violation('PDU interrupted')
      return
    }
    if (packet.length >= PDU_PAYLOAD) {
      const length = packet.readUInt16LE(ACL_HEADER)
      if (packet.length - PDU_PAYLOAD === length) {
        const cid = packet.readUInt16LE(ACL_HEADER + 2)
        const limit = this.#limit(cid)
        if (length <= limit) this.#handlers.pdu(cid, packet)
        else if (limit > 0) this.#violation('PDU too long')
        return
      }
    }
    this.#continue(packet.subarray(ACL_HEADER), true)
  }

  #continue(bytes: Buffer, first = false): void {
    if (!first && !this.#unfinished) {
      this.#violation('fragment without a start')
      return
    }
    let rest = bytes
    if (this.#pdu === undefined && this.#skip === 0) {
      const taken = Math.min(L2CAP_HEADER - this.#headerBytes, rest.length)
      rest.copy(this.#header, this.#headerBytes, 0, taken)
      this.#headerBytes += taken
      rest = rest.subarray(taken)
      if (this.#headerBytes < L2CAP_HEADER || !this.#begin()) return
    }
    if (this.#pdu === undefined) {
      if (rest.length > this.#skip) this.#overrun()
      else this.#skip -= rest.length
      return
    }
    if (rest.length > this.#pdu.length - this.#filled) {
      this.#overrun()
      return
    }
    rest.copy(this.#pdu, this.#filled)
    this.#filled += rest.length
    if (this.#filled === this.#pdu.length) this.#finish(this.#pdu)
  }

  /** The header is whole: makes room for the PDU. False when it ended there. */
  #begin(): boolean {
    const length = this.#header.readUInt16LE(0)
    this.#cid = this.#header.readUInt16LE(2)
    this.#headerBytes = 0
    const limit = this.#limit(this.#cid)
    if (limit === 0) {
      this.#skip = length
      return length > 0
    }
    if (length > limit) {
      this.#violation('PDU too long')
      return false
    }
    this.#pdu = Buffer.allocUnsafe(PDU_PAYLOAD + length)
    this.#header.copy(this.#pdu, ACL_HEADER)
    this.#filled = PDU_PAYLOAD
    return true
  }

  #finish(pdu: Buffer): void {
    this.#pdu = undefined
    this.#handlers.pdu(this.#cid, pdu)
  }

  get #unfinished(): boolean {
    return this.#headerBytes > 0 || this.#pdu !== undefined || this.#skip > 0
  }

  #overrun(): void {
    this.#reset()
    this.#violation('more bytes than declared')
  }

  #reset(): void {
    this.#headerBytes = 0
    this.#pdu = undefined
    this.#skip = 0
  }

  #limit(cid: number): number {
    if (cid === CID.att || cid === CID.signalling || cid === CID.smp) return this.#limits.fixedBytes
    return cid >= CID.firstDynamic && cid <= CID.lastDynamic ? this.#limits.dynamicBytes : 0
  }

  #violation(what: AclViolation): void {
    this.#handlers.violation(what)
  }
}

/** Writes the ACL header of a whole PDU as a controller would deliver it: boundary flags 10, the only start that the libraries take. */
export function markWhole(packet: Buffer, handle: number): Buffer {
  packet[0] = PACKET.acl
  packet.writeUInt16LE((handle & 0x0fff) | 0x2000, 1)
  packet.writeUInt16LE(packet.length - ACL_HEADER, 3)
  return packet
}

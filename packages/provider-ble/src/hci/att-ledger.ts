import { LONGEST_VALUE } from '../gatt/longest-value.ts'
import { isToServer } from './pdu-guard.ts'
import type { Verdict } from './pdu-guard.ts'

/** Requests that a peer may have open although ATT allows one: some stacks are early, none is that early. */
const MOST_OPEN_REQUESTS = 4
const MOST_OPEN_INDICATIONS = 4
/** The MTU beyond which noble cuts long reads short (ble.md §6.3). */
const MOST_MTU = 256

const ERROR = 0x01
const MTU_REQUEST = 0x02
const MTU_RESPONSE = 0x03
const NOTIFICATION = 0x1b
const INDICATION = 0x1d
const CONFIRMATION = 0x1e
const FIND_INFORMATION = 0x04
const READ_BY_TYPE = 0x08
const READ_BLOB = 0x0c
const READ_BY_GROUP_TYPE = 0x10

const INVALID_OFFSET = 0x07

/** GATT's type of the declaration of a characteristic (vol. 3, part G, §3.3.1). */
const CHARACTERISTIC = 0x2803

interface Asked {
  readonly opcode: number
  /** The first handle it asked about. */
  readonly from: number
  /** It lists characteristics. */
  readonly characteristics: boolean
}

/**
 * What is open between the two ATT sides of a link (Core Specification, vol. 3, part F, §3.3.2): a response that nobody asked for does not
 * reach a library, listings go forward and so end, and who asks without waiting for answers is found out before the answers fill the memory.
 */
export class AttLedger {
  /** Our library's request that waits for its response. */
  #asked: Asked | undefined
  #openRequests = 0
  #openIndications = 0
  #mtuAgreed: number | undefined
  /** What the peer asked for as a client, and whether it was answered. */
  #peerMtu: number | undefined
  #peerMtuAnswered = false

  /** Told of every PDU that a library sends. @returns a PDU that answers it in place of the peer */
  outgoing(pdu: Uint8Array): Buffer | undefined {
    const opcode = pdu[0]
    if (opcode === undefined) return undefined
    if (!isToServer(opcode)) {
      if (opcode !== NOTIFICATION && opcode !== INDICATION && this.#openRequests > 0) this.#openRequests--
      if (opcode === MTU_RESPONSE) this.#peerMtuAnswered = true
      return undefined
    }
    if (opcode === CONFIRMATION) {
      if (this.#openIndications > 0) this.#openIndications--
      return undefined
    }
    if ((opcode & 0x40) !== 0) return undefined
    // The MTU is exchanged once per link; a library that came to a link in use asks again (vol. 3, part F, §3.4.2).
    if (opcode === MTU_REQUEST && this.#mtuAgreed !== undefined)
      return Buffer.from([MTU_RESPONSE, this.#mtuAgreed & 0xff, this.#mtuAgreed >> 8])
    // A library that asks for more than there can be is being led on.
    if (opcode === READ_BLOB && pdu.length >= 5 && (pdu[3]! | (pdu[4]! << 8)) > LONGEST_VALUE) {
      return Buffer.from([ERROR, opcode, pdu[1]!, pdu[2]!, INVALID_OFFSET])
    }
    const listing = opcode === FIND_INFORMATION || opcode === READ_BY_TYPE || opcode === READ_BY_GROUP_TYPE
    this.#asked = {
      opcode,
      from: listing && pdu.length >= 3 ? pdu[1]! | (pdu[2]! << 8) : 0,
      characteristics: opcode === READ_BY_TYPE && pdu.length === 7 && (pdu[5]! | (pdu[6]! << 8)) === CHARACTERISTIC
    }
    return undefined
  }

  /**
   * The peer's Exchange MTU Request, if it was answered: a library that serves from now on has to know of it, or it would cut values to the
   * smallest MTU, which the peer takes for their end.
   */
  get answeredMtuRequest(): Buffer | undefined {
    if (this.#peerMtu === undefined || !this.#peerMtuAnswered) return undefined
    return Buffer.from([MTU_REQUEST, this.#peerMtu & 0xff, this.#peerMtu >> 8])
  }

  /** The library on the client's side is gone, and with it what it asked. */
  forgetClient(): void {
    this.#asked = undefined
    this.#openIndications = 0
  }

  /** Judges a PDU of good form that came from the peer; rewrites an MTU that is too large for the libraries. */
  incoming(pdu: Buffer): Verdict {
    const opcode = pdu[0]!
    if (isToServer(opcode)) {
      if (opcode === CONFIRMATION || (opcode & 0x40) !== 0) return 'deliver'
      if (opcode === MTU_REQUEST) this.#peerMtu = pdu.readUInt16LE(1)
      return ++this.#openRequests > MOST_OPEN_REQUESTS ? { violation: 'requests without waiting for responses' } : 'deliver'
    }
    if (opcode === NOTIFICATION) return 'deliver'
    if (opcode === INDICATION) {
      return ++this.#openIndications > MOST_OPEN_INDICATIONS ? { violation: 'indications without waiting for confirmations' } : 'deliver'
    }
    const asked = this.#asked
    if (asked === undefined) return 'drop'
    if (opcode === ERROR) {
      if (pdu[1] !== asked.opcode) return 'drop'
      this.#asked = undefined
      return 'deliver'
    }
    if (opcode !== asked.opcode + 1) return { violation: `response ${opcode} to request ${asked.opcode}` }
    this.#asked = undefined
    if (opcode === MTU_RESPONSE) this.#clamp(pdu)
    return goesForward(opcode, asked, pdu) ? 'deliver' : { violation: 'a listing that does not go forward' }
  }

  #clamp(pdu: Buffer): void {
    const mtu = Math.max(23, Math.min(pdu.readUInt16LE(1), MOST_MTU))
    pdu.writeUInt16LE(mtu, 1)
    this.#mtuAgreed = mtu
  }
}

/** Handles of a listing rise, from the one that was asked about on; otherwise a library would ask for ever. */
function goesForward(opcode: number, { from, characteristics }: Asked, pdu: Buffer): boolean {
  if (opcode !== FIND_INFORMATION + 1 && opcode !== READ_BY_TYPE + 1 && opcode !== READ_BY_GROUP_TYPE + 1) return true
  const entry = opcode === FIND_INFORMATION + 1 ? (pdu[1] === 1 ? 4 : 18) : pdu[1]!
  let last = from - 1
  for (let offset = 2; offset + entry <= pdu.length; offset += entry) {
    const handle = pdu.readUInt16LE(offset)
    const end = opcode === READ_BY_GROUP_TYPE + 1 ? pdu.readUInt16LE(offset + 2) : handle
    if (handle <= last || end < handle) return false
    // A declaration has its properties, the handle of the value, which comes after it, and the UUID.
    if (characteristics && ((entry !== 7 && entry !== 21) || pdu.readUInt16LE(offset + 3) <= handle)) return false
    last = end
  }
  return true
}

import { EVENT, LE_EVENT, PACKET } from './opcodes.ts'

/** The start of an HCI command: `01 opcode16 length8`. */
export const COMMAND_HEADER = 4
/** The start of an ACL packet: `02 handle12+flags4 length16`. */
export const ACL_HEADER = 5
/** The basic L2CAP header: `length16 channel16`. */
export const L2CAP_HEADER = 4

/** Builds an H4 command packet. */
export function commandPacket(opcode: number, parameters: Uint8Array = new Uint8Array(0)): Buffer {
  const packet = Buffer.allocUnsafe(COMMAND_HEADER + parameters.length)
  packet[0] = PACKET.command
  packet.writeUInt16LE(opcode, 1)
  packet[3] = parameters.length
  packet.set(parameters, COMMAND_HEADER)
  return packet
}

/** Builds an H4 event packet. */
function eventPacket(code: number, parameters: Uint8Array): Buffer {
  const packet = Buffer.allocUnsafe(3 + parameters.length)
  packet[0] = PACKET.event
  packet[1] = code
  packet[2] = parameters.length
  packet.set(parameters, 3)
  return packet
}

/** The answer to a command, with its status and return parameters. */
export function commandComplete(opcode: number, status: number, result: Uint8Array = new Uint8Array(0)): Buffer {
  return eventPacket(EVENT.commandComplete, Buffer.concat([Buffer.from([1, opcode & 0xff, opcode >> 8, status]), result]))
}

/** The answer to a command that ends with an event of its own. */
export function commandStatus(opcode: number, status: number): Buffer {
  return eventPacket(EVENT.commandStatus, Buffer.from([status, 1, opcode & 0xff, opcode >> 8]))
}

export function disconnectionComplete(handle: number, reason: number): Buffer {
  return eventPacket(EVENT.disconnectionComplete, Buffer.from([0, handle & 0xff, handle >> 8, reason]))
}

/** Number Of Completed Packets for one handle. */
export function completedPackets(handle: number, count: number): Buffer {
  return eventPacket(EVENT.numberOfCompletedPackets, Buffer.from([1, handle & 0xff, handle >> 8, count & 0xff, count >> 8]))
}

/** What a Connection Complete event says, in either of its forms. */
export interface ConnectionComplete {
  readonly status: number
  readonly handle: number
  readonly role: number
  readonly peerAddressType: number
  /** Six bytes, least significant first, as on the air. */
  readonly peerAddress: Buffer
  /** Interval, latency and supervision time-out (two bytes each) and clock accuracy, unread. */
  readonly timing: Buffer
}

const NO_ADDRESS = Buffer.alloc(6)
const NO_TIMING = Buffer.alloc(7)

/** Reads LE (Enhanced) Connection Complete; undefined when it is too short. */
export function readConnectionComplete(packet: Buffer): ConnectionComplete | undefined {
  const enhanced = packet[3] === LE_EVENT.enhancedConnectionComplete
  if (packet.length < (enhanced ? 34 : 22)) return undefined
  const timing = enhanced ? 27 : 15
  return {
    status: packet[4]!,
    handle: packet.readUInt16LE(5) & 0x0fff,
    role: packet[7]!,
    peerAddressType: packet[8]!,
    peerAddress: packet.subarray(9, 15),
    timing: packet.subarray(timing, timing + 7)
  }
}

/** Builds LE Connection Complete, the form that every library understands. */
export function connectionComplete({
  status,
  handle = 0,
  role = 0,
  peerAddressType = 0,
  peerAddress = NO_ADDRESS,
  timing = NO_TIMING
}: Partial<ConnectionComplete> & { readonly status: number }): Buffer {
  return eventPacket(
    EVENT.leMeta,
    Buffer.concat([
      Buffer.from([LE_EVENT.connectionComplete, status, handle & 0xff, handle >> 8, role, peerAddressType]),
      peerAddress,
      timing
    ])
  )
}

/** `c0ffee000001` from six bytes, least significant first. */
export function addressId(bytes: Uint8Array): string {
  return Buffer.from(bytes).reverse().toString('hex')
}

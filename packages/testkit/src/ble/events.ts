import type { WireAddress } from './device-address.ts'
import { Event, H4, LeEvent } from './codes.ts'

/** An event packet (Core Specification, vol. 4, part E, §5.4.4) whose parameters are to be written from offset 3. */
export function eventPacket(code: number, parameterBytes: number): Buffer {
  const packet = Buffer.allocUnsafe(3 + parameterBytes)
  packet[0] = H4.event
  packet[1] = code
  packet[2] = parameterBytes
  return packet
}

/** An LE Meta event whose parameters are to be written from offset 4. */
function leEventPacket(subevent: number, parameterBytes: number): Buffer {
  const packet = eventPacket(Event.leMeta, parameterBytes + 1)
  packet[3] = subevent
  return packet
}

/** Command Complete (§7.7.14). */
export function commandComplete(opcode: number, returned: Uint8Array): Buffer {
  const packet = eventPacket(Event.commandComplete, 3 + returned.length)
  packet[3] = 1
  packet.writeUInt16LE(opcode, 4)
  packet.set(returned, 6)
  return packet
}

/** Command Status (§7.7.15). */
export function commandStatus(opcode: number, status: number): Buffer {
  const packet = eventPacket(Event.commandStatus, 4)
  packet[3] = status
  packet[4] = 1
  packet.writeUInt16LE(opcode, 5)
  return packet
}

/** Disconnection Complete (§7.7.5). */
export function disconnectionComplete(handle: number, reason: number): Buffer {
  const packet = eventPacket(Event.disconnectionComplete, 4)
  packet[3] = 0
  packet.writeUInt16LE(handle, 4)
  packet[6] = reason
  return packet
}

/** Encryption Change (§7.7.8). */
export function encryptionChange(status: number, handle: number, enabled: boolean): Buffer {
  const packet = eventPacket(Event.encryptionChange, 4)
  packet[3] = status
  packet.writeUInt16LE(handle, 4)
  packet[6] = enabled ? 1 : 0
  return packet
}

/** Number Of Completed Packets (§7.7.19). */
export function completedPackets(counts: ReadonlyMap<number, number>): Buffer {
  const packet = eventPacket(Event.completedPackets, 1 + 4 * counts.size)
  packet[3] = counts.size
  let offset = 4
  for (const [handle, count] of counts) {
    packet.writeUInt16LE(handle, offset)
    packet.writeUInt16LE(count, offset + 2)
    offset += 4
  }
  return packet
}

/** Data Buffer Overflow of ACL data (§7.7.26). */
export function bufferOverflow(): Buffer {
  const packet = eventPacket(Event.bufferOverflow, 1)
  packet[3] = 0x01
  return packet
}

/** What both sides of a link agreed on; times in the units of the commands. */
export interface LinkParameters {
  /** 1.25 ms. */
  readonly interval: number
  /** Connection events that the peripheral may skip. */
  readonly latency: number
  /** 10 ms. */
  readonly timeout: number
}

/** LE Connection Complete (§7.7.65.1). */
export function connectionComplete(
  status: number,
  handle: number,
  role: number,
  peer: WireAddress | undefined,
  parameters: LinkParameters
): Buffer {
  const packet = leEventPacket(LeEvent.connectionComplete, 18)
  packet[4] = status
  packet.writeUInt16LE(handle, 5)
  packet[7] = role
  packet[8] = peer?.typeNumber ?? 0
  packet.fill(0, 9, 15)
  if (peer !== undefined) packet.set(peer.bytes, 9)
  writeParameters(packet, 15, parameters)
  packet[21] = 0
  return packet
}

/** LE Connection Update Complete (§7.7.65.3). */
export function connectionUpdate(status: number, handle: number, parameters: LinkParameters): Buffer {
  const packet = leEventPacket(LeEvent.connectionUpdate, 9)
  packet[4] = status
  packet.writeUInt16LE(handle, 5)
  writeParameters(packet, 7, parameters)
  return packet
}

function writeParameters(packet: Buffer, offset: number, { interval, latency, timeout }: LinkParameters): void {
  packet.writeUInt16LE(interval, offset)
  packet.writeUInt16LE(latency, offset + 2)
  packet.writeUInt16LE(timeout, offset + 4)
}

/** LE Advertising Report with one report (§7.7.65.2). */
export function advertisingReport(type: number, from: WireAddress, data: Uint8Array, rssi: number): Buffer {
  const packet = leEventPacket(LeEvent.advertisingReport, 11 + data.length)
  packet[4] = 1
  packet[5] = type
  packet[6] = from.typeNumber
  packet.set(from.bytes, 7)
  packet[13] = data.length
  packet.set(data, 14)
  packet.writeInt8(rssi, 14 + data.length)
  return packet
}

/** LE Read Remote Features Complete (§7.7.65.4). */
export function remoteFeatures(handle: number, features: Uint8Array): Buffer {
  const packet = leEventPacket(LeEvent.remoteFeatures, 11)
  packet[4] = 0
  packet.writeUInt16LE(handle, 5)
  packet.set(features, 7)
  return packet
}

/** LE Long Term Key Request (§7.7.65.5). @param random eight bytes of Random_Number and two of Encrypted_Diversifier */
export function longTermKeyRequest(handle: number, random: Uint8Array): Buffer {
  const packet = leEventPacket(LeEvent.longTermKeyRequest, 12)
  packet.writeUInt16LE(handle, 4)
  packet.set(random, 6)
  return packet
}

/** Octets that one data PDU of a link may have, each way. */
export interface DataLengths {
  readonly sent: number
  readonly received: number
}

/** LE Data Length Change (§7.7.65.7). Times are those of the 1M PHY. */
export function dataLengthChange(handle: number, { sent, received }: DataLengths): Buffer {
  const packet = leEventPacket(LeEvent.dataLengthChange, 10)
  packet.writeUInt16LE(handle, 4)
  packet.writeUInt16LE(sent, 6)
  packet.writeUInt16LE(airTime(sent), 8)
  packet.writeUInt16LE(received, 10)
  packet.writeUInt16LE(airTime(received), 12)
  return packet
}

/** Microseconds that a data PDU takes on the 1M PHY: preamble, access address, header, MIC and CRC are 14 bytes (vol. 6, part B, §2.1). */
export function airTime(octets: number): number {
  return (octets + 14) * 8
}

/** LE PHY Update Complete (§7.7.65.12). */
export function phyUpdate(handle: number, sent: number, received: number): Buffer {
  const packet = leEventPacket(LeEvent.phyUpdate, 5)
  packet[4] = 0
  packet.writeUInt16LE(handle, 5)
  packet[7] = sent
  packet[8] = received
  return packet
}

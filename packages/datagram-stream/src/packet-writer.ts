import { ACK, type Acknowledgement, DATA, DATA_HEADER_BYTES, FIN, HEADER_BYTES, ackBytes, writeAck, writeHeader } from './packet.ts'
import type { SendBuffer, StreamPart } from './send-buffer.ts'

/** What a packet of one direction begins with. */
export interface PacketHead {
  readonly connectionId: Buffer
  readonly number: number
  readonly ack: Acknowledgement | undefined
}

/** Bytes of a packet with data that are none. @param ranges of its acknowledgement; undefined for none */
export function dataOverhead(ranges: number | undefined): number {
  return HEADER_BYTES + DATA_HEADER_BYTES + (ranges === undefined ? 0 : ackBytes(ranges))
}

/** A packet with a part of the stream. */
export function writeData(head: PacketHead, { start, end, fin }: StreamPart, send: SendBuffer): Buffer {
  const bytes = end - start - (fin ? 1 : 0)
  const datagram = Buffer.allocUnsafe(dataOverhead(ranges(head)) + bytes)
  const at = datagram.writeUIntBE(start, begin(datagram, head, DATA | (fin ? FIN : 0)), 6)
  send.copy(start, bytes, datagram, at)
  return datagram.subarray(0, at + bytes)
}

/** A packet without data. @param reason of a reset */
export function writeControl(head: PacketHead, flags: number, reason: Buffer): Buffer {
  const known = ranges(head)
  const datagram = Buffer.allocUnsafe(HEADER_BYTES + (known === undefined ? 0 : ackBytes(known)) + reason.length)
  const at = begin(datagram, head, flags)
  return datagram.subarray(0, at + reason.copy(datagram, at))
}

function begin(datagram: Buffer, { connectionId, number, ack }: PacketHead, flags: number): number {
  const at = writeHeader(datagram, connectionId, ack === undefined ? flags : flags | ACK, number)
  return ack === undefined ? at : writeAck(datagram, at, ack)
}

function ranges({ ack }: PacketHead): number | undefined {
  return ack === undefined ? undefined : ack.ranges.length / 2
}

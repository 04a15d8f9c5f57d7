/** Spreads questions and records over packets that fit a link. Pure. */
import type { Buffer } from 'node:buffer'
import { recordKey } from './rdata.ts'
import { MessageWriter } from './dns-message.ts'
import type { Question, ResourceRecord } from './dns-message.ts'

/** What a packet may take on a link with an MTU of 1,500 (and of 1,480 and the like, through tunnels). */
export const packetBytes = 1400
/** A record that is larger than a packet goes alone in one of up to this size (RFC 6762 §17). */
export const largePacketBytes = 8900

/** What belongs together: an answer with its additional records, or a probe's question with the records it proposes. */
export interface PacketGroup {
  readonly questions?: readonly Question[]
  readonly answers?: readonly ResourceRecord[]
  readonly authorities?: readonly ResourceRecord[]
  readonly additionals?: readonly ResourceRecord[]
}

export interface PacketHeader {
  readonly response: boolean
  readonly id?: number
}

function build(groups: readonly PacketGroup[], header: PacketHeader, limit: number): Buffer | undefined {
  const writer = new MessageWriter(limit)
  const asked = new Set<string>()
  for (const group of groups) {
    for (const question of group.questions ?? []) {
      const key = `${question.name}|${question.type}`
      if (asked.has(key)) continue
      asked.add(key)
      if (!writer.addQuestion(question)) return undefined
    }
  }
  const written = new Set<string>()
  for (const section of ['answers', 'authorities', 'additionals'] as const) {
    for (const group of groups) {
      for (const record of group[section] ?? []) {
        const key = recordKey(record)
        if (written.has(key)) continue
        written.add(key)
        if (!writer.add(section, record)) return undefined
      }
    }
  }
  return writer.finish(header)
}

/**
 * Packs groups into as few packets as is easy. A group that does not fit alone loses its additional records
 * (they can be asked for), then gets a larger packet; what does not even fit there is left out.
 */
export function packGroups(groups: readonly PacketGroup[], header: PacketHeader, limit = packetBytes): Buffer[] {
  const packets: Buffer[] = []
  let guess = 16
  for (let at = 0; at < groups.length; ) {
    let count = Math.min(groups.length - at, guess)
    let packet = build(groups.slice(at, at + count), header, limit)
    while (packet === undefined && count > 1) {
      count = Math.max(1, Math.floor(count * 0.8))
      packet = build(groups.slice(at, at + count), header, limit)
    }
    if (packet === undefined) {
      const { additionals: _dropped, ...bare } = groups[at] as PacketGroup
      packet = build([bare], header, limit) ?? build([bare], header, largePacketBytes)
    }
    if (packet !== undefined) packets.push(packet)
    at += count
    guess = count + 2
  }
  return packets
}

/**
 * Packs a query. Known answers that do not fit follow in packets without questions, and all but the last
 * packet carry the TC bit (RFC 6762 §7.2). Questions that do not fit go ahead in packets of their own.
 * @param id of the packets when there are several with known answers; zero otherwise (RFC 6762 §18.1)
 */
export function packQuery(
  questions: readonly Question[],
  knownAnswers: readonly ResourceRecord[] = [],
  id = 0,
  limit = packetBytes
): Buffer[] {
  const packets: Buffer[] = []
  let several = false
  let writer = new MessageWriter(limit)
  for (const question of questions) {
    if (writer.addQuestion(question)) continue
    if (!writer.empty) packets.push(writer.finish({ response: false }))
    writer = new MessageWriter(limit)
    writer.addQuestion(question)
  }
  for (const record of knownAnswers) {
    if (writer.add('answers', record)) continue
    packets.push(writer.finish({ id, response: false, truncated: true }))
    several = true
    writer = new MessageWriter(limit)
    writer.add('answers', record)
  }
  if (!writer.empty) packets.push(writer.finish({ id: several ? id : 0, response: false }))
  return packets
}

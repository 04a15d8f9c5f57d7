import type { IncomingRequest } from '@kithmesh/blip'
import type { PacketKind } from '@kithmesh/core'
import { channelErrors } from '../errors.ts'

/** The kinds of packets that are numbered and arrive exactly once. */
export type SequencedKind = Exclude<PacketKind, 'disconnect'>

const KINDS: readonly string[] = ['message', 'identity', 'peer-group', 'data']

/** A packet without its number. */
export interface Packet {
  readonly kind: SequencedKind
  /** What the kind means by it: `event`, `request`, `offer`, … Empty for the plain one. */
  readonly role: string
  /** Of an event or a request. */
  readonly name: string
  /** What belongs together: a request and its answer, an offer and its end. */
  readonly id: string
  readonly form: 'text' | 'json' | 'binary'
  readonly body: Uint8Array
}

export interface ReceivedPacket extends Packet {
  readonly sequence: number
  readonly body: Buffer
}

/** The properties of a packet in its BLIP request; what is empty is left out. */
export function packetProperties(packet: Packet, sequence: number): Record<string, string> {
  const { kind, role, name, id, form } = packet
  const properties: Record<string, string> = { Sequence: String(sequence), Kind: kind, Form: form }
  if (role !== '') properties['Role'] = role
  if (name !== '') properties['Name'] = name
  if (id !== '') properties['Id'] = id
  return properties
}

/** @throws ERR_CHANNEL_PROTOCOL */
export function parsePacket({ properties, body }: IncomingRequest): ReceivedPacket {
  const { Sequence = '', Kind = '', Form = '', Role = '', Name = '', Id = '' } = properties
  const sequence = /^[1-9][0-9]{0,15}$/.test(Sequence) ? Number(Sequence) : Number.NaN
  if (!Number.isSafeInteger(sequence)) throw malformed('number')
  if (!KINDS.includes(Kind)) throw malformed('kind')
  if (Form !== 'text' && Form !== 'json' && Form !== 'binary') throw malformed('form')
  if (Role.length > 32 || Name.length > 256 || Id.length > 64) throw malformed('role, name or id')
  return { sequence, kind: Kind as SequencedKind, role: Role, name: Name, id: Id, form: Form, body }
}

function malformed(what: string): Error {
  return channelErrors.create('ERR_CHANNEL_PROTOCOL', `A packet has no valid ${what}`)
}

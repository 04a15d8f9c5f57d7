/** What a device says of itself on its presence topic: that it is here, or that it is gone. Signed with the key of its certificate. */
import { decodeTxt, deviceIdFromMetadata, encodeTxt } from '@kithmesh/core'
import type { Metadata, NetworkFacts, PeerNetwork } from '@kithmesh/core'
import { peerIdOf } from '@kithmesh/identity'
import { ByteReader, ByteWriter } from './bytes.ts'
import { mqttErrors } from './errors.ts'
import { verifySignature } from './identity-signature.ts'
import type { KnownSignatories, Signatory, Signer } from './identity-signature.ts'
import { fieldsOf, integerOf, listOf, textOf } from './json-fields.ts'
import type { Fields } from './json-fields.ts'
import { networkFromJson, networkToJson } from './network-json.ts'

/** Everything of a statement, certificates and signature included. */
export const maxStatementBytes = 8 * 1024
/** Brokers a device may name. */
export const maxTags = 8
const maxTtlMs = 3_600_000
const version = 1
const kinds = { presence: 1, gone: 2 } as const
const purpose = 'kithmesh-mqtt-presence-1'
const maxTime = 2 ** 47
const tagPattern = /^[0-9a-f]{16}$/

/** Orders the statements of a device: a later run has a later `startedAt`, a later statement of a run a higher `sequence`. */
export interface StatementOrder {
  /** Wall-clock milliseconds of the run's begin; strictly growing from run to run. */
  readonly startedAt: number
  /** 16 random hex digits. */
  readonly epoch: string
  readonly sequence: number
}

/** One connection of a device to one broker. */
export interface BrokerConnection {
  readonly tag: string
  /** Counts the device's connections to this broker during a run. */
  readonly number: number
}

export interface Presence extends StatementOrder {
  readonly kind: 'presence'
  /** The broker this statement was made for: its last will takes back exactly this one. */
  readonly via: BrokerConnection
  /** Wall-clock milliseconds of the device. */
  readonly time: number
  /** How long to believe it, milliseconds. */
  readonly ttlMs: number
  readonly displayName: string
  readonly metadata: Metadata
  /** X25519 public key that messages to the device are sealed to, 32 bytes; another one each run. */
  readonly inboxKey: Buffer
  /** The brokers on which the device reads its inbox. */
  readonly inboxTags: readonly string[]
  readonly network: PeerNetwork
}

export interface Gone extends StatementOrder {
  readonly kind: 'gone'
  /** Gone from this broker only, up to this connection: a last will. Undefined: gone altogether, up to this sequence number. */
  readonly via: BrokerConnection | undefined
}

export type Statement = Presence | Gone

export interface VerifiedStatement {
  readonly statement: Statement
  readonly signatory: Signatory
}

export type PresenceInput = Omit<Presence, 'kind' | 'network'> & { readonly facts: NetworkFacts; readonly port: number }

/** @throws ERR_MQTT_TOO_LARGE */
export function encodePresence(signer: Signer, group: Uint8Array, input: PresenceInput): Buffer {
  return encode(signer, group, 'presence', {
    ...orderFields(input),
    via: viaFields(input.via),
    time: input.time,
    ttl: input.ttlMs,
    name: input.displayName,
    metadata: encodeTxt(input.metadata).toString('base64'),
    inboxKey: input.inboxKey.toString('base64'),
    inbox: input.inboxTags,
    network: networkToJson(input.facts, input.port)
  })
}

export function encodeGone(signer: Signer, group: Uint8Array, gone: Omit<Gone, 'kind'>): Buffer {
  return encode(signer, group, 'gone', { ...orderFields(gone), ...(gone.via === undefined ? {} : { via: viaFields(gone.via) }) })
}

/**
 * Checks size, form, certificates and signature; not the time, and not whether it came on the topic of the device that signed it.
 * @throws RangeError or Error with the reason
 */
export function decodeStatement(bytes: Uint8Array, group: Uint8Array, known: KnownSignatories): VerifiedStatement {
  if (bytes.length > maxStatementBytes) throw new RangeError(`${bytes.length} bytes`)
  const reader = new ByteReader(bytes)
  if (reader.u8() !== version) throw new RangeError('unknown version')
  const kind = reader.u8()
  if (kind !== kinds.presence && kind !== kinds.gone) throw new RangeError('unknown kind')
  const { signatory, remember } = known.read(reader, bytes)
  const body = reader.block()
  const signed = bytes.subarray(0, reader.offset)
  const signature = reader.block()
  reader.end()
  if (!verifySignature(signatory, { purpose, group }, signed, signature)) throw new Error('the signature is not of this device')
  remember()
  const fields = fieldsOf(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body)), 'statement')
  return { signatory, statement: kind === kinds.presence ? presenceFrom(fields, signatory.peerId) : goneFrom(fields) }
}

/**
 * Whose statement this claims to be, for a first look that costs next to nothing: the id of the certificate in it, of which nothing is
 * checked. Undefined for what is no statement.
 */
export function claimedPeerId(bytes: Uint8Array): string | undefined {
  try {
    const reader = new ByteReader(bytes)
    if (reader.u8() !== version || !(Object.values(kinds) as number[]).includes(reader.u8()) || reader.u8() === 0) return undefined
    return peerIdOf(reader.block())
  } catch {
    return undefined
  }
}

function encode(signer: Signer, group: Uint8Array, kind: keyof typeof kinds, fields: Fields): Buffer {
  const body = Buffer.from(JSON.stringify(fields))
  const length = 2 + signer.certificates.length + body.length
  if (length > maxStatementBytes - 520) {
    throw mqttErrors.create('ERR_MQTT_TOO_LARGE', `Metadata, name and certificates take ${length} bytes, ${maxStatementBytes - 520} fit`)
  }
  const signed = new ByteWriter().u8(version).u8(kinds[kind]).raw(signer.certificates).block(body).end()
  return new ByteWriter().raw(signed).block(signer.sign({ purpose, group }, signed)).end()
}

function orderFields({ startedAt, epoch, sequence }: StatementOrder): Fields {
  return { started: startedAt, epoch, sequence }
}

function viaFields({ tag, number }: BrokerConnection): Fields {
  return { broker: tag, connection: number }
}

function orderFrom(fields: Fields): StatementOrder {
  return {
    startedAt: integerOf(fields['started'], 'started', 0, maxTime),
    epoch: textOf(fields['epoch'], 'epoch', tagPattern),
    sequence: integerOf(fields['sequence'], 'sequence', 0, 2 ** 40)
  }
}

function viaFrom(value: unknown): BrokerConnection {
  const via = fieldsOf(value, 'via')
  return { tag: textOf(via['broker'], 'broker', tagPattern), number: integerOf(via['connection'], 'connection', 0, 2 ** 40) }
}

function goneFrom(fields: Fields): Gone {
  return { kind: 'gone', ...orderFrom(fields), via: fields['via'] === undefined ? undefined : viaFrom(fields['via']) }
}

function presenceFrom(fields: Fields, peerId: string): Presence {
  const metadata = decodeTxt(Buffer.from(textOf(fields['metadata'], 'metadata', /^[A-Za-z0-9+/]*={0,2}$/), 'base64'))
  const claimed = deviceIdFromMetadata(metadata)
  if (claimed !== undefined && !claimed.startsWith('did:') && claimed !== peerId)
    throw new Error('the metadata claims to be another device')
  const displayName = textOf(fields['name'], 'name', /^[^\p{Cc}\p{Cs}]{0,256}$/u)
  return {
    kind: 'presence',
    ...orderFrom(fields),
    via: viaFrom(fields['via']),
    time: integerOf(fields['time'], 'time', 0, maxTime),
    ttlMs: integerOf(fields['ttl'], 'ttl', 1000, maxTtlMs),
    displayName,
    metadata,
    inboxKey: Buffer.from(textOf(fields['inboxKey'], 'inboxKey', /^[A-Za-z0-9+/]{43}=$/), 'base64'),
    inboxTags: listOf(fields['inbox'], 'inbox', maxTags).map((tag) => textOf(tag, 'inbox', tagPattern)),
    network: networkFromJson(fields['network'])
  }
}

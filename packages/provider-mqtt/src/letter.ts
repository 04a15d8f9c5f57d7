/** A signalling message on its way: signed by the sender, sealed to the recipient. */
import { randomBytes } from 'node:crypto'
import { ByteReader, ByteWriter } from './bytes.ts'
import { mqttErrors } from './errors.ts'
import { maxCertificateBytes, verifySignature } from './identity-signature.ts'
import type { KnownSignatories, Signatory, SignatureContext, Signer } from './identity-signature.ts'
import { keyBytes, sealBytes } from './sealing.ts'
import type { Opener, Sealer } from './sealing.ts'
import { maxTags } from './presence-statement.ts'

/** Bytes of a message that fit. */
const maxBodyBytes = 16 * 1024
/** A sealed letter with everything. */
export const maxLetterBytes = maxBodyBytes + maxCertificateBytes + sealBytes + 2048
const version = 1
const purpose = 'kithmesh-mqtt-message-1'
const idBytes = 16

/** Where a device reads its messages now. */
export interface InboxAddress {
  /** X25519 public key, 32 bytes. */
  readonly key: Buffer
  /** The brokers, see `brokerTag`. */
  readonly tags: readonly string[]
}

/** What both ends of a letter have to agree on. */
export interface Envelope {
  /** 16 bytes that stand for the group. */
  readonly group: Uint8Array
  readonly toPeerId: string
  /** The recipient's inbox key. */
  readonly toKey: Buffer
}

export interface Letter {
  readonly sender: Signatory
  /** Hex, 32 random digits. */
  readonly id: string
  /** Wall-clock milliseconds of the sender. */
  readonly time: number
  /** Where the sender reads answers. */
  readonly replyTo: InboxAddress
  readonly body: Buffer
  /** To be called when the sender is welcome: its next letters cost less, and do not compete with those of strangers. */
  readonly remember: () => void
}

/** @throws ERR_MQTT_TOO_LARGE; Error when the recipient's key cannot be used */
export function sealLetter(
  signer: Signer,
  sealer: Sealer,
  envelope: Envelope,
  {
    body,
    replyTo,
    now,
    monotonic
  }: { readonly body: Uint8Array; readonly replyTo: InboxAddress; readonly now: number; readonly monotonic: number }
): Buffer {
  if (body.length > maxBodyBytes) throw mqttErrors.create('ERR_MQTT_TOO_LARGE', `The message has ${body.length} bytes, ${maxBodyBytes} fit`)
  const context = sealingContext(envelope)
  const writer = new ByteWriter().raw(randomBytes(idBytes)).u48(now).raw(signer.certificates).raw(replyTo.key).u8(replyTo.tags.length)
  for (const tag of replyTo.tags) writer.raw(Buffer.from(tag, 'hex'))
  const content = writer.block(body).end()
  const ephemeral = sealer.ephemeralFor(envelope.toKey, context, monotonic)
  const signature = signer.sign(signatureContext(envelope), signedBytes(envelope, ephemeral, content))
  const sealed = sealer.seal(envelope.toKey, context, new ByteWriter().raw(content).block(signature).end(), monotonic)
  return new ByteWriter().u8(version).raw(sealed).end()
}

/** Whether the letter's sender was heard before, by a guess that costs nothing. */
export function fromKnownSender(bytes: Uint8Array, opener: Opener): boolean {
  return opener.knows(bytes.subarray(1))
}

/** Checks size, seal, form, certificates and signature; not the time and not whether it came before. @throws RangeError or Error */
export function openLetter(bytes: Uint8Array, envelope: Envelope, opener: Opener, known: KnownSignatories): Letter {
  if (bytes.length > maxLetterBytes) throw new RangeError(`${bytes.length} bytes`)
  if (bytes[0] !== version) throw new RangeError('unknown version')
  const opened = opener.open(bytes.subarray(1), sealingContext(envelope))
  const reader = new ByteReader(opened.content)
  const id = reader.raw(idBytes).toString('hex')
  const time = reader.u48()
  const { signatory, remember } = known.read(reader, opened.content)
  const key = Buffer.from(reader.raw(keyBytes))
  const count = reader.u8()
  if (count > maxTags) throw new RangeError(`${count} brokers`)
  const tags = Array.from({ length: count }, () => reader.raw(8).toString('hex'))
  const body = Buffer.from(reader.block())
  if (body.length > maxBodyBytes) throw new RangeError(`${body.length} bytes of body`)
  const content = opened.content.subarray(0, reader.offset)
  const signature = reader.block()
  reader.end()
  if (!verifySignature(signatory, signatureContext(envelope), signedBytes(envelope, opened.ephemeral, content), signature))
    throw new Error('the signature is not of the sender')
  remember()
  return {
    sender: signatory,
    id,
    time,
    replyTo: { key, tags },
    body,
    remember: () => {
      opened.remember(signatory.peerId)
    }
  }
}

function signatureContext({ group }: Envelope): SignatureContext {
  return { purpose, group }
}

/** The recipient and the sealing key belong to what is signed: nobody can pass a letter on as if it were to somebody else. */
function signedBytes({ toPeerId, toKey }: Envelope, ephemeral: Uint8Array, content: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(toPeerId, 'hex'), toKey, ephemeral, content])
}

function sealingContext({ group, toPeerId }: Envelope): Buffer {
  return Buffer.concat([Buffer.from('kithmesh-mqtt-seal-1'), group, Buffer.from(toPeerId, 'hex')])
}

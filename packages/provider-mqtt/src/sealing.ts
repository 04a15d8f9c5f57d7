/** Encryption to a device's inbox key: ECDH on X25519, HKDF-SHA256, AES-256-GCM. */
import { createCipheriv, createDecipheriv, createPublicKey, diffieHellman, generateKeyPairSync, hkdfSync, randomBytes } from 'node:crypto'
import type { KeyObject } from 'node:crypto'

/** DER of an X25519 SubjectPublicKeyInfo up to the key itself (RFC 8410 §4). */
const spkiPrefix = Buffer.from('302a300506032b656e032100', 'hex')
export const keyBytes = 32
const nonceBytes = 12
const tagBytes = 16
/** How much a sealed message is longer than its content. */
export const sealBytes = keyBytes + nonceBytes + tagBytes
const keptKeys = 512
const keysPerSender = 2
/** After that a sender takes another ephemeral key for a recipient. */
const keyLifeMs = 600_000

/** A pair of X25519 keys that lives as long as a run of the provider. */
export interface InboxKeys {
  /** 32 bytes. */
  readonly publicKey: Buffer
  readonly privateKey: KeyObject
}

export function createInboxKeys(): InboxKeys {
  const { publicKey, privateKey } = generateKeyPairSync('x25519')
  return { publicKey: rawKey(publicKey), privateKey }
}

interface SealingKey {
  readonly ephemeral: Buffer
  readonly key: Buffer
  readonly madeAt: number
}

/** Seals messages; one ephemeral key pair per recipient and ten minutes, which spares two curve operations per message. */
export class Sealer {
  readonly #keys = new Map<string, SealingKey>()

  /** The ephemeral public key that {@link seal} will use next, so that the content can be bound to it. */
  ephemeralFor(recipientKey: Buffer, context: Uint8Array, now: number): Buffer {
    return this.#keyFor(recipientKey, context, now).ephemeral
  }

  /** @throws Error when `recipientKey` is no point that can be used */
  seal(recipientKey: Buffer, context: Uint8Array, content: Uint8Array, now: number): Buffer {
    const { ephemeral, key } = this.#keyFor(recipientKey, context, now)
    const nonce = randomBytes(nonceBytes)
    const cipher = createCipheriv('aes-256-gcm', key, nonce)
    cipher.setAAD(context)
    return Buffer.concat([ephemeral, nonce, cipher.update(content), cipher.final(), cipher.getAuthTag()])
  }

  #keyFor(recipientKey: Buffer, context: Uint8Array, now: number): SealingKey {
    const name = `${recipientKey.toString('base64')} ${Buffer.from(context).toString('base64')}`
    const known = this.#keys.get(name)
    if (known !== undefined && now - known.madeAt < keyLifeMs) return known
    const pair = generateKeyPairSync('x25519')
    const ephemeral = rawKey(pair.publicKey)
    const made = { ephemeral, key: agree(pair.privateKey, recipientKey, ephemeral, recipientKey, context), madeAt: now }
    remember(this.#keys, name, made)
    return made
  }
}

/** What was sealed, not proven to be from anybody. */
export interface OpenedSeal {
  readonly content: Buffer
  readonly ephemeral: Buffer
  /** Keeps the key for further messages of this sender, once it is known who that is. */
  readonly remember: (senderId: string) => void
}

/** Opens what was sealed to one pair of keys. */
export class Opener {
  readonly #keys: InboxKeys
  readonly #known = new Map<string, Buffer>()
  /** The ephemeral keys of each sender that is known: the newest few, so that no sender can crowd out another. */
  readonly #senders = new Map<string, readonly string[]>()

  constructor(keys: InboxKeys) {
    this.#keys = keys
  }

  /** Whether something with the same ephemeral key was opened before: its sender costs no curve operation any more. */
  knows(sealed: Uint8Array): boolean {
    return this.#known.has(ephemeralOf(sealed).toString('base64'))
  }

  /** @throws Error when it was not sealed to these keys in this context */
  open(sealed: Uint8Array, context: Uint8Array): OpenedSeal {
    if (sealed.length < sealBytes) throw new RangeError('too short')
    const ephemeral = ephemeralOf(sealed)
    const name = ephemeral.toString('base64')
    const key = this.#known.get(name) ?? agree(this.#keys.privateKey, ephemeral, ephemeral, this.#keys.publicKey, context)
    const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(keyBytes, keyBytes + nonceBytes))
    decipher.setAAD(context)
    decipher.setAuthTag(sealed.subarray(sealed.length - tagBytes))
    const content = Buffer.concat([decipher.update(sealed.subarray(keyBytes + nonceBytes, sealed.length - tagBytes)), decipher.final()])
    return {
      content,
      ephemeral,
      remember: (senderId) => {
        this.#remember(senderId, name, key)
      }
    }
  }

  #remember(senderId: string, name: string, key: Buffer): void {
    const before = this.#senders.get(senderId) ?? []
    const names = [name, ...before.filter((other) => other !== name)]
    for (const old of names.splice(keysPerSender)) this.#known.delete(old)
    this.#senders.delete(senderId)
    this.#senders.set(senderId, names)
    this.#known.set(name, key)
    if (this.#senders.size <= keptKeys) return
    const [oldest, theirs] = this.#senders.entries().next().value as [string, readonly string[]]
    for (const old of theirs) this.#known.delete(old)
    this.#senders.delete(oldest)
  }
}

function ephemeralOf(sealed: Uint8Array): Buffer {
  return Buffer.from(sealed.subarray(0, keyBytes))
}

function rawKey(key: KeyObject): Buffer {
  return Buffer.from(key.export({ format: 'der', type: 'spki' }).subarray(-keyBytes))
}

/** OpenSSL refuses points of small order, so that nobody can force a known secret. */
function agree(own: KeyObject, other: Buffer, ephemeral: Buffer, recipient: Buffer, context: Uint8Array): Buffer {
  const publicKey = createPublicKey({ key: Buffer.concat([spkiPrefix, other]), format: 'der', type: 'spki' })
  const secret = diffieHellman({ privateKey: own, publicKey })
  return Buffer.from(hkdfSync('sha256', secret, Buffer.concat([ephemeral, recipient]), context, 32))
}

/** Keeps the newest entries. */
function remember<T>(map: Map<string, T>, name: string, value: T): void {
  map.delete(name)
  map.set(name, value)
  if (map.size > keptKeys) map.delete(map.keys().next().value as string)
}

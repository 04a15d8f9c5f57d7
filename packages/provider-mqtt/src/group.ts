import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes, scryptSync } from 'node:crypto'
import { PEER_GROUP_NAMESPACE, uuid5 } from '@kithmesh/core/plugin'

/** A secret of the group: 16 bytes or more, or a passphrase. */
export type GroupKey = string | Uint8Array

/** What a topic is for, and whose it is. */
export interface NodeTopic {
  readonly kind: 'presence' | 'inbox'
  /** The peer id, or what stands for it when there is a group key. */
  readonly node: string
}

/**
 * Where the devices of one group meet on a broker, and how what they leave there looks.
 * Topics are `<prefix>/<group>/p/<node>` (presence) and `<prefix>/<group>/i/<node>` (inbox): hexadecimal digits and dashes, never text of users.
 */
export interface Group {
  /** 16 bytes that stand for the group in signatures. */
  readonly id: Buffer
  /** Matches the presence topics of all devices. */
  readonly presenceFilter: string
  presenceTopic(peerId: string): string
  inboxTopic(peerId: string): string
  /** Undefined for a topic of somebody else. */
  parse(topic: string): NodeTopic | undefined
  /** Last and first thing done with what goes over the broker; with a group key it is encrypted for the group and bound to the topic. */
  wrap(topic: string, bytes: Uint8Array): Buffer
  /** Undefined when it was not written with this group's key. */
  unwrap(topic: string, bytes: Uint8Array): Buffer | undefined
}

const nonceBytes = 12
const tagBytes = 16
/** How much {@link Group.wrap} adds at most. */
export const wrapBytes = nonceBytes + tagBytes

export function createGroup(peerGroupId: string, prefix: string, groupKey?: GroupKey): Group {
  const uuid = uuid5(PEER_GROUP_NAMESPACE, peerGroupId)
  const id = Buffer.from(uuid.replaceAll('-', ''), 'hex')
  return groupKey === undefined ? openGroup(id, `${prefix}/${uuid}`) : closedGroup(id, prefix, groupKey)
}

function openGroup(id: Buffer, base: string): Group {
  return {
    id,
    ...topics(base, /^[0-9a-f]{64}$/, (peerId) => peerId),
    wrap: (_topic, bytes) => Buffer.from(bytes),
    unwrap: (_topic, bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  }
}

/** The broker learns nothing: topics are HMACs, everything is AES-256-GCM. */
function closedGroup(id: Buffer, prefix: string, groupKey: GroupKey): Group {
  // A passphrase is stretched, so that a broker cannot try words by the million.
  const secret =
    typeof groupKey === 'string' ? scryptSync(groupKey.normalize('NFC'), id, 32, { N: 32_768, r: 8, p: 1, maxmem: 2 ** 26 }) : groupKey
  const derive = (info: string): Buffer => Buffer.from(hkdfSync('sha256', secret, id, `kithmesh-mqtt-1 ${info}`, 32))
  const topicKey = derive('topics')
  const cipherKey = derive('cipher')
  const label = (name: string): string => createHmac('sha256', topicKey).update(name).digest('hex').slice(0, 32)
  return {
    id,
    ...topics(`${prefix}/${label('group')}`, /^[0-9a-f]{32}$/, (peerId) => label(`node ${peerId}`)),
    wrap(topic, bytes) {
      const nonce = randomBytes(nonceBytes)
      const cipher = createCipheriv('aes-256-gcm', cipherKey, nonce)
      cipher.setAAD(Buffer.from(topic))
      return Buffer.concat([nonce, cipher.update(bytes), cipher.final(), cipher.getAuthTag()])
    },
    unwrap(topic, bytes) {
      if (bytes.length < wrapBytes) return undefined
      const decipher = createDecipheriv('aes-256-gcm', cipherKey, bytes.subarray(0, nonceBytes))
      decipher.setAAD(Buffer.from(topic))
      decipher.setAuthTag(bytes.subarray(bytes.length - tagBytes))
      try {
        return Buffer.concat([decipher.update(bytes.subarray(nonceBytes, bytes.length - tagBytes)), decipher.final()])
      } catch {
        return undefined
      }
    }
  }
}

function topics(
  base: string,
  nodes: RegExp,
  nodeOf: (peerId: string) => string
): Pick<Group, 'presenceFilter' | 'presenceTopic' | 'inboxTopic' | 'parse'> {
  return {
    presenceFilter: `${base}/p/+`,
    presenceTopic: (peerId) => `${base}/p/${nodeOf(peerId)}`,
    inboxTopic: (peerId) => `${base}/i/${nodeOf(peerId)}`,
    parse(topic) {
      const kind = topic.startsWith(`${base}/p/`) ? 'presence' : topic.startsWith(`${base}/i/`) ? 'inbox' : undefined
      const node = topic.slice(base.length + 3)
      return kind !== undefined && nodes.test(node) ? { kind, node } : undefined
    }
  }
}

import { createHash } from 'node:crypto'
import { type AttachOptions, type ChannelAttachment, type PeerChannel, type PeerChannelOptions, createPeerChannel } from '@kithmesh/channel'
import type { BlipPeer } from '@kithmesh/blip'
import { Wire } from './wire.ts'

export const ID_A = 'a'.repeat(64)
export const ID_B = 'b'.repeat(64)

/** 32 bytes that two ends share. */
export function bindingOf(name: string): Uint8Array {
  return createHash('sha256').update(name).digest()
}

export interface End {
  readonly channel: PeerChannel
  readonly attachment: ChannelAttachment
  readonly blip: BlipPeer
}

type ChannelSettings = Partial<PeerChannelOptions>
type AttachSettings = Partial<Omit<AttachOptions, 'blip' | 'role'>>

/** Two channels; `join` connects them, again and again. */
export class Pair {
  a: PeerChannel
  b: PeerChannel
  wire = new Wire()
  #count = 0

  constructor(a: ChannelSettings = {}, b: ChannelSettings = {}) {
    this.a = channelOf('a', a)
    this.b = channelOf('b', b)
  }

  join(a: AttachSettings = {}, b: AttachSettings = {}): [End, End] {
    this.wire = new Wire()
    const [blipA, blipB] = this.wire.open()
    const binding = bindingOf(`connection ${++this.#count}`)
    const end = (channel: PeerChannel, blip: BlipPeer, role: AttachOptions['role'], settings: AttachSettings): End => ({
      channel,
      blip,
      attachment: channel.attach({ blip, role, binding, standing: 'trusted', ...settings })
    })
    return [end(this.a, blipA, 'initiator', a), end(this.b, blipB, 'responder', b)]
  }
}

export function channelOf(side: 'a' | 'b', settings: ChannelSettings = {}): PeerChannel {
  return createPeerChannel({ localPeerId: side === 'a' ? ID_A : ID_B, peerId: side === 'a' ? ID_B : ID_A, ...settings })
}

/**
 * Somebody who says hello to `b` and is trusted, and then does what it likes; with the attachment that `b` has of it.
 * @param options.answers whether it says that it has handled packets
 */
export async function hostileOf(pair: Pair, { answers = true } = {}): Promise<[BlipPeer, ChannelAttachment]> {
  pair.wire = new Wire()
  const [hostile, blip] = pair.wire.open()
  const attachment = pair.b.attach({ blip, role: 'responder', binding: bindingOf('hostile'), standing: 'trusted' })
  const limits = { window: 8, windowBytes: 65_536, maxPacketBytes: 65_536 }
  const hello = { version: 1, session: '0'.repeat(32), received: 0, proof: false, protocols: [], hello: {}, ...limits }
  const word = { level: 'trusted', settled: true, allows: ['message', 'disconnect', 'identity', 'peer-group', 'data'] }
  hostile.handle('kithmesh.hello', (request) => {
    request.respond()
    hostile.request({ profile: 'kithmesh.hello', body: Buffer.from(JSON.stringify(hello)) })
    hostile.request({ profile: 'kithmesh.trust', body: Buffer.from(JSON.stringify(word)) })
  })
  hostile.handle('kithmesh.packet', (request) => {
    if (answers) request.respond()
  })
  await attachment.trusted
  return [hostile, attachment]
}

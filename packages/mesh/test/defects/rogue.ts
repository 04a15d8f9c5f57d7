import { once } from 'node:events'
import { connect } from 'node:net'
import { type BlipPeer, type Reply, createBlipConnection } from '@kithmesh/blip'
import { type ChannelAttachment, createPeerChannel } from '@kithmesh/channel'
import type { MessageSocket } from '@kithmesh/core'
import { type Identity, insecureAcceptAnyone, secureClient } from '@kithmesh/identity'
import { openWebSocket } from '@kithmesh/websocket'
import type { TestPeer } from '../world.ts'

/** A device with a proper certificate that does what it likes once it is in. */
export class Rogue {
  readonly identity: Identity
  readonly #sockets: MessageSocket[] = []

  constructor(identity: Identity) {
    this.identity = identity
  }

  /** Gets as far as an open WebSocket. @throws when it is not let in */
  async socket(peer: TestPeer): Promise<{ socket: MessageSocket; binding: Buffer }> {
    const tcp = connect(peer.mesh.port ?? 0, '127.0.0.1')
    await once(tcp, 'connect')
    const { stream, binding } = await secureClient(tcp, { identity: this.identity, authenticator: insecureAcceptAnyone() })
    const { socket } = await openWebSocket(stream, { url: 'wss://peer.invalid/db/_blipsync', protocols: ['BLIP_3+CBMobile_3'] })
    this.#sockets.push(socket)
    return { socket, binding: binding() }
  }

  /** Gets through TLS and not a word further. Resolves when the other side ends it. */
  async mute(peer: TestPeer): Promise<void> {
    const tcp = connect(peer.mesh.port ?? 0, '127.0.0.1')
    await once(tcp, 'connect')
    const { stream } = await secureClient(tcp, { identity: this.identity, authenticator: insecureAcceptAnyone() })
    stream.on('error', () => {}).resume()
    await new Promise((resolve) => stream.once('close', resolve))
  }

  /** Connects and says nothing. Resolves with how the other side ended it. */
  async silent(peer: TestPeer): Promise<{ readonly socket: MessageSocket; readonly closed: Promise<number> }> {
    const { socket } = await this.socket(peer)
    const closed = new Promise<number>((resolve) => {
      socket.attach({
        message: () => {},
        drained: () => {},
        closed: ({ code }) => {
          resolve(code)
        }
      })
    })
    return { socket, closed }
  }

  /** A connection with a channel that both trust. */
  async friend(peer: TestPeer): Promise<{ blip: BlipPeer; attachment: ChannelAttachment; closed: Promise<number> }> {
    const { socket, binding } = await this.socket(peer)
    const channel = createPeerChannel({ localPeerId: this.identity.peerId, peerId: peer.id })
    const blip = createBlipConnection(socket)
    const attachment = channel.attach({ blip, role: 'initiator', binding, standing: 'trusted' })
    const closed = new Promise<number>((resolve) => {
      blip.onClosed(({ code }) => {
        resolve(code)
      })
    })
    await attachment.trusted
    return { blip, attachment, closed }
  }

  /** A connection without a channel, as of a program that only replicates. */
  async stranger(peer: TestPeer): Promise<BlipPeer> {
    return createBlipConnection((await this.socket(peer)).socket)
  }

  end(): void {
    for (const socket of this.#sockets.splice(0)) socket.terminate()
  }
}

/** Sends a request of the replication protocol. */
export function ask(blip: BlipPeer, profile: string, properties: Record<string, string>, body: string): Promise<Reply> {
  return new Promise((resolve) => {
    blip.request({ profile, properties, body: Buffer.from(body) }, resolve)
  })
}

import { type PeerChannel, createPeerChannel } from '@kithmesh/channel'
import type { Clock, Logger } from '@kithmesh/core/plugin'
import type { MeshChannelOptions } from './contracts.ts'

/** Channels kept of peers that are not connected: of those that only came by once, the oldest are given up beyond it. */
const maxIdle = 1024

export interface ChannelsOptions extends MeshChannelOptions {
  readonly localPeerId: string
  readonly clock: Clock
  readonly logger: Logger
  readonly randomBytes: ((count: number) => Uint8Array) | undefined
  /** The peer broke the channel's protocol. */
  readonly violated: (peerId: string, error: Error) => void
}

/** One channel for each peer, which outlives connections and runs of the mesh. */
export class Channels {
  readonly #options: ChannelsOptions
  /** In the order in which they were last connected. */
  readonly #channels = new Map<string, PeerChannel>()
  readonly #listeners = new Set<(channel: PeerChannel) => void>()

  constructor(options: ChannelsOptions) {
    this.#options = options
  }

  /** Calls back with every channel that there is, and with new ones before anything comes over them. */
  onChannel(listener: (channel: PeerChannel) => void): () => void {
    const each = (channel: PeerChannel): void => {
      try {
        listener(channel)
      } catch (error) {
        this.#options.logger.error('a listener threw', { error })
      }
    }
    this.#listeners.add(each)
    for (const channel of [...this.#channels.values()]) each(channel)
    return () => {
      this.#listeners.delete(each)
    }
  }

  /** The peer's channel, made when it is first asked for. */
  of(peerId: string): PeerChannel {
    let channel = this.#channels.get(peerId)
    if (channel === undefined || channel.closed) {
      channel = this.#make(peerId)
      this.#channels.set(peerId, channel)
      for (const listener of [...this.#listeners]) listener(channel)
    } else {
      this.#channels.delete(peerId)
      this.#channels.set(peerId, channel)
    }
    if (this.#channels.size > maxIdle) this.#forgetOne(peerId)
    return channel
  }

  #make(peerId: string): PeerChannel {
    const { localPeerId, clock, logger, randomBytes, violated, policy, trust, handlers, peerGroup, limits } = this.#options
    const channel = createPeerChannel({
      localPeerId,
      peerId,
      clock,
      logger,
      ...(policy === undefined ? {} : { policy }),
      ...(trust === undefined ? {} : { trust }),
      ...(handlers === undefined ? {} : { handlers }),
      ...(peerGroup === undefined ? {} : { peerGroup }),
      ...(limits === undefined ? {} : { limits }),
      ...(randomBytes === undefined ? {} : { randomBytes })
    })
    channel.observe({
      violated: (error) => {
        violated(peerId, error)
      }
    })
    return channel
  }

  #forgetOne(but: string): void {
    for (const [peerId, channel] of this.#channels) {
      // What the program decided about a peer is not forgotten for a stranger's sake.
      if (peerId === but || channel.connected || channel.level !== 'restricted') continue
      channel.close('not needed any more')
      this.#channels.delete(peerId)
      return
    }
  }
}

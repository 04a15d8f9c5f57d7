import type { SharedPeer } from '@kithmesh/channel'
import { type DialPolicy, type ProviderContext, type ProviderFactory, coreErrors } from '@kithmesh/core'
import { PROVIDER_CONTRACT_VERSION, defineProvider, formatHostPort } from '@kithmesh/core/plugin'

/** Introduced devices that are kept at a time; of those that were introduced longest ago the oldest are given up beyond it. */
const maxDevices = 256

export interface IntroductionsOptions {
  /** Which addresses may be dialled because a peer says so, and how many. See `createDialPolicy`. */
  readonly dialPolicy: DialPolicy
}

/** A discovery provider of devices that peers told of. */
export interface Introductions extends ProviderFactory {
  /**
   * Peers that somebody introduced and that are believed: what the handler `peerGroup` of a channel is given. Those with an address (`host:port`, host an IP
   * literal) that the dial policy allows are devices like others from now on: found, dialled, proven by TLS, and judged by the authenticator.
   * @returns how many those were
   */
  introduced(peers: readonly SharedPeer[], from: string): number
}

/**
 * Turns introductions into devices that can be dialled. One is made for one discovery.
 *
 * @example
 * ```ts
 * import { createDialPolicy, createPeerDiscovery } from '@kithmesh/core'
 * import { type MeshChannelOptions, introductions } from '@kithmesh/mesh'
 * import { direct } from '@kithmesh/transport-direct'
 *
 * export function withIntroductions(localPeerId: string, believed: ReadonlySet<string>) {
 *   const introduced = introductions({ dialPolicy: createDialPolicy({ privateNetworks: ['10.20.0.0/16'] }) })
 *   const discovery = createPeerDiscovery({ peerGroupId: 'com.example.shop', localPeerId, providers: [introduced], transports: [direct()] })
 *   const channel: MeshChannelOptions = {
 *     peerGroup: { introduce: (_peer, from) => believed.has(from) },
 *     handlers: { peerGroup: (peers, from) => void introduced.introduced(peers, from) }
 *   }
 *   return { discovery, channel }
 * }
 * ```
 */
export function introductions({ dialPolicy }: IntroductionsOptions): Introductions {
  const devices = new Map<string, { readonly peer: SharedPeer; readonly addresses: readonly { host: string; port: number }[] }>()
  let context: ProviderContext | undefined
  let browsing = false
  const sighting = ({ peerId, displayName }: SharedPeer) => ({
    id: `introduced:${peerId}`,
    displayName: displayName ?? peerId.slice(0, 8),
    metadata: new Map([['_PID', Buffer.from(peerId)]])
  })
  const unsupported = async (): Promise<never> => {
    throw coreErrors.create('ERR_PD_UNSUPPORTED', 'Introductions are not published')
  }
  const factory = defineProvider({
    name: 'Introductions',
    contractVersion: PROVIDER_CONTRACT_VERSION,
    capabilities: {
      publishes: false,
      metadata: true,
      metadataUpdates: false,
      reportsDisappearance: false,
      suppliesSocketFactory: false,
      incomingConnections: false
    },
    create(given) {
      context = given
      return {
        async startBrowsing() {
          browsing = true
          given.statusChanged('browse', { state: 'online' })
          given.peersFound([...devices.values()].map(({ peer }) => sighting(peer)))
        },
        async stopBrowsing() {
          browsing = false
          given.statusChanged('browse', { state: 'offline' })
        },
        startPublishing: unsupported,
        async stopPublishing() {},
        updateMetadata: unsupported,
        monitorMetadata() {},
        async resolveUrl(id) {
          const device = devices.get(id.slice('introduced:'.length))
          const [first] = device?.addresses ?? []
          if (device === undefined || first === undefined)
            throw coreErrors.create('ERR_PD_RESOLVE_FAILED', 'The device is not among those introduced any more')
          return {
            url: `wss://${formatHostPort(first.host, first.port)}/`,
            addresses: device.addresses.filter(({ port }) => port === first.port).map((address) => address.host)
          }
        },
        socketFactory: () => undefined,
        async shutdown() {
          browsing = false
          devices.clear()
        }
      }
    }
  })
  return Object.freeze({
    ...factory,
    introduced(peers: readonly SharedPeer[], from: string) {
      let added = 0
      for (const peer of peers) {
        if (peer.peerId === context?.localPeerId) continue
        const addresses = (peer.addresses ?? []).flatMap((text) => {
          const address = addressOf(text)
          return address === undefined || dialPolicy.refuse(from, address.host, address.port) !== undefined ? [] : [address]
        })
        if (addresses.length === 0) continue
        devices.delete(peer.peerId)
        devices.set(peer.peerId, { peer, addresses })
        added++
        if (browsing) context?.peersFound([sighting(peer)])
      }
      for (const peerId of [...devices.keys()].slice(0, Math.max(0, devices.size - maxDevices))) {
        devices.delete(peerId)
        context?.peersLost([`introduced:${peerId}`])
      }
      return added
    }
  })
}

/** Reads `192.0.2.1:4984` or `[2001:db8::1]:4984`; whether the host is an address is for the policy to say. */
function addressOf(text: string): { readonly host: string; readonly port: number } | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text)
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3])
  return host === undefined || !(port >= 1 && port <= 65_535) ? undefined : { host, port }
}

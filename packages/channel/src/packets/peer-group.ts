import { isPeerId } from '@kithmesh/core'
import { channelErrors } from '../errors.ts'
import { type JsonObject, type JsonValue, isJsonObject } from '../json.ts'

/** A peer that one peer tells another of. What is told is hearsay: nothing of it is proven until TLS has seen its certificate. */
export interface SharedPeer {
  /** 64 lowercase hex digits. */
  readonly peerId: string
  /** At most 255 characters. */
  readonly displayName?: string
  /** Where it may be reached: at most 16 of at most 512 characters, in whatever form both programs know, e.g. peer addresses or URLs. */
  readonly addresses?: readonly string[]
}

/** How far peers are introduced to each other. Nothing is shared and nothing believed where nothing is given. */
export interface PeerGroupPolicy {
  /** Whether this peer may be told of that one. */
  readonly share?: (peer: SharedPeer, to: string) => boolean
  /** Whether this peer is believed when it tells of that one. */
  readonly introduce?: (peer: SharedPeer, from: string) => boolean
}

/** As many as one packet may tell of. */
export const MAX_SHARED_PEERS = 100
const MAX_NAME = 255
const MAX_ADDRESSES = 16
const MAX_ADDRESS = 512

/** What a peer may be told: those that the policy shares, without that peer and without ourselves, each once. @throws TypeError for what is no peer */
export function sharedWith(to: string, localPeerId: string, peers: readonly SharedPeer[], policy: PeerGroupPolicy): SharedPeer[] {
  for (const peer of peers) if (!isSharedPeer(peer as unknown as JsonValue)) throw new TypeError('A peer to share is malformed or too long')
  return once(peers).filter((peer) => peer.peerId !== to && peer.peerId !== localPeerId && policy.share?.(peer, to) === true)
}

export function peerGroupJson(peers: readonly SharedPeer[]): JsonObject {
  return {
    peers: peers.map(({ peerId, displayName, addresses }) => ({
      peerId,
      ...(displayName === undefined ? {} : { displayName }),
      ...(addresses === undefined ? {} : { addresses })
    }))
  }
}

/** @throws ERR_CHANNEL_PROTOCOL */
export function parsePeerGroup({ peers }: JsonObject): SharedPeer[] {
  if (!Array.isArray(peers) || peers.length > MAX_SHARED_PEERS || !peers.every(isSharedPeer))
    throw channelErrors.create('ERR_CHANNEL_PROTOCOL', 'A peer group is malformed or too large')
  return (peers as unknown as SharedPeer[]).map(({ peerId, displayName, addresses }) => ({
    peerId,
    ...(displayName === undefined ? {} : { displayName }),
    ...(addresses === undefined ? {} : { addresses })
  }))
}

/** Those of a peer's introductions that are believed. */
export function introducedBy(from: string, localPeerId: string, peers: readonly SharedPeer[], policy: PeerGroupPolicy): SharedPeer[] {
  return once(peers).filter((peer) => peer.peerId !== from && peer.peerId !== localPeerId && policy.introduce?.(peer, from) === true)
}

function once(peers: readonly SharedPeer[]): SharedPeer[] {
  return [...new Map(peers.map((peer) => [peer.peerId, peer])).values()]
}

function isSharedPeer(value: JsonValue): boolean {
  if (!isJsonObject(value)) return false
  const { peerId, displayName, addresses } = value
  if (!isPeerId(peerId)) return false
  if (displayName !== undefined && (typeof displayName !== 'string' || displayName.length > MAX_NAME)) return false
  if (addresses === undefined) return true
  return (
    Array.isArray(addresses) &&
    addresses.length <= MAX_ADDRESSES &&
    addresses.every((address) => typeof address === 'string' && address.length <= MAX_ADDRESS)
  )
}

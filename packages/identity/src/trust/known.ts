import type { KnownPeer } from '@kithmesh/core'
import type { Authenticator } from '../authenticators.ts'

/** Looks up what is remembered of a peer; `KnownPeers` of core is one. */
export interface KnownPeerLookup {
  get(peerId: string): KnownPeer | undefined | Promise<KnownPeer | undefined>
}

/**
 * Trusts the peers that are remembered as trusted, and nobody else: what a program does that chooses nothing. Who is remembered changes while it runs, by hand or
 * by other authenticators: `anyOf(onlyKnownPeers(known), pairing({ known, … }))` is the same as `pairing` alone.
 */
export function onlyKnownPeers(known: KnownPeerLookup): Authenticator {
  return {
    name: 'known peers',
    check: async ({ peerId }) => {
      const level = (await known.get(peerId))?.level
      if (level === 'blocked') throw new Error('it is blocked')
      return level === 'trusted'
    }
  }
}

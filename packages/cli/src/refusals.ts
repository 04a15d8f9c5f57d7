import type { Authenticator, PeerCertificate } from '@kithmesh/identity'
import { printable } from './printable.ts'

/** A device that was kept out. */
export interface Refusal {
  readonly deviceId: string
  /** As its certificate says; anybody can write anything there. */
  readonly name: string
  readonly reason: string
  readonly advice: string
}

/**
 * An authenticator that decides as the one given does and tells who is refused: each device once for each reason, however often it
 * knocks.
 */
export function reportRefusals(inner: Authenticator): {
  readonly authenticator: Authenticator
  onRefused: ((refusal: Refusal) => void) | undefined
} {
  const told = new Map<string, string>()
  const tell = ({ peerId, commonName }: PeerCertificate, reason: string): void => {
    if (told.get(peerId) === reason) return
    if (told.size >= MAX_TOLD) told.clear()
    told.set(peerId, reason)
    const first = inner.name === 'trust on first use'
    result.onRefused?.({
      deviceId: peerId,
      name: printable(commonName),
      reason: printable(reason),
      advice: first
        ? `If this is right, delete ${JSON.stringify(printable(commonName))} from known-peers.json in the database directory.`
        : `To accept it: --trust ${peerId}`
    })
  }
  const result: { readonly authenticator: Authenticator; onRefused: ((refusal: Refusal) => void) | undefined } = {
    onRefused: undefined,
    authenticator: {
      ...inner,
      check: async (peer) => {
        let accepted: boolean
        try {
          accepted = await inner.check(peer)
        } catch (error) {
          tell(peer, error instanceof Error ? error.message : String(error))
          throw error
        }
        if (!accepted) tell(peer, `its id ${peer.peerId} is not one of the accepted ones`)
        return accepted
      }
    }
  }
  return result
}

const MAX_TOLD = 1000

import type { Authenticator, CertificateVerdict, PeerCertificate } from '@kithmesh/identity'
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
 * @param advise what lets a device in that is refused
 */
export function reportRefusals(
  inner: Authenticator,
  advise: (peerId: string) => string
): {
  readonly authenticator: Authenticator
  onRefused: ((refusal: Refusal) => void) | undefined
} {
  const told = new Map<string, string>()
  const tell = ({ peerId, commonName }: PeerCertificate, reason: string): void => {
    if (told.get(peerId) === reason) return
    if (told.size >= MAX_TOLD) told.clear()
    told.set(peerId, reason)
    result.onRefused?.({
      deviceId: peerId,
      name: printable(commonName),
      reason: printable(reason),
      advice: advise(peerId)
    })
  }
  const result: { readonly authenticator: Authenticator; onRefused: ((refusal: Refusal) => void) | undefined } = {
    onRefused: undefined,
    authenticator: {
      ...inner,
      check: async (peer) => {
        let verdict: CertificateVerdict
        try {
          verdict = await inner.check(peer)
        } catch (error) {
          tell(peer, error instanceof Error ? error.message : String(error))
          throw error
        }
        if (verdict === false) tell(peer, `its id ${peer.peerId} is not one of the accepted ones`)
        return verdict
      }
    }
  }
  return result
}

const MAX_TOLD = 1000

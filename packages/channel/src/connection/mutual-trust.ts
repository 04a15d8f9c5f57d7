import { isKithmeshError } from '@kithmesh/core'
import type { TrustWord } from '../contracts.ts'
import { channelErrors } from '../errors.ts'
import type { Standing } from './negotiation.ts'

/** What both sides make of each other, as far as it is known on one connection. */
export interface TrustFacts {
  readonly standing: Standing
  /** Why this side does not trust the peer, when it does not. */
  readonly refusal: unknown
  readonly word: TrustWord | undefined
  /** The peer knows no channels and says nothing. */
  readonly foreign: boolean
}

/** Whether both sides trust each other: `open` while one of them has not settled, or why not. Pure. */
export function mutualTrust({ standing, refusal, word, foreign }: TrustFacts): 'open' | 'trusted' | Error {
  const { level, settled } = standing
  if (settled && level !== 'trusted') {
    if (isKithmeshError(refusal, 'ERR_CHANNEL_FOREIGN')) return refusal
    const why = refusal instanceof Error ? refusal.message : String(refusal ?? 'so decided')
    return channelErrors.create('ERR_CHANNEL_UNTRUSTED', `The peer is not trusted: ${why}`, { cause: refusal })
  }
  if (foreign) return settled ? 'trusted' : 'open'
  if (word?.settled !== true) return 'open'
  if (word.level !== 'trusted') {
    const why = word.reason === undefined ? '' : `: ${word.reason}`
    return channelErrors.create('ERR_CHANNEL_NOT_TRUSTED', `The peer does not trust this side${why}`)
  }
  return settled ? 'trusted' : 'open'
}

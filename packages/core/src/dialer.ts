import type { ByteSocketFactory } from './contracts/socket.ts'
import type { ConnectTarget, RouteQuality, TransportStrategy } from './contracts/transport.ts'

/** Ranks of a provider's own sockets: after the transports that call themselves good and before the ones that relay, or after all. */
const PROVIDER_SOCKET_RANK = 50
const LAST_RESORT_RANK = 100

/** The part of a transport strategy that dials; a provider's own socket factory is made to look like one. */
export type Dialer = Pick<TransportStrategy, 'name' | 'assess' | 'attempt'> & { readonly quality: RouteQuality }

/** What a dialer says of a sighting; `error` when it failed to say anything. */
export type DialerVerdict =
  | { readonly usable: true; readonly rank: number; readonly holdMs?: number }
  | { readonly usable: false; readonly reason: string; readonly error?: unknown }

export function strategyDialer(strategy: TransportStrategy): Dialer {
  return {
    name: strategy.name,
    quality: strategy.capabilities.relayed ? 'relayed' : 'direct',
    assess: (target) => strategy.assess(target),
    attempt: (target, options) => strategy.attempt(target, options)
  }
}

/** A socket factory of a provider as a strategy of the provider's name, for the provider's own sightings. */
export function providerDialer(provider: string, factory: ByteSocketFactory, quality: RouteQuality): Dialer {
  return {
    name: provider,
    quality,
    assess: ({ peer, resolved }) => {
      if (peer.provider !== provider) return { usable: false, reason: `opens sightings of ${provider} only` }
      const scheme = resolved.url.slice(0, resolved.url.indexOf(':'))
      return factory.schemes.includes(scheme)
        ? { usable: true, rank: quality === 'last-resort' ? LAST_RESORT_RANK : PROVIDER_SOCKET_RANK }
        : { usable: false, reason: `cannot open ${scheme}: URLs` }
    },
    attempt: ({ resolved }, { signal, progress }) => {
      progress('dial', authority(resolved.url))
      return factory.open(resolved.url, { signal, addresses: resolved.addresses })
    }
  }
}

/**
 * Whether a dialer is of use for a sighting, whose addresses were asked about before. Who is reached without an address is asked about as such.
 * Never throws.
 */
export function assessRoute(dialer: Dialer, target: ConnectTarget, refuses: (address: null) => string | undefined): DialerVerdict {
  const refusal = dialer.quality === 'direct' ? undefined : refuses(null)
  if (refusal !== undefined) return { usable: false, reason: refusal }
  try {
    const assessment = dialer.assess(target)
    return assessment.usable ? assessment : { usable: false, reason: assessment.reason }
  } catch (error) {
    return { usable: false, reason: error instanceof Error ? error.message : String(error), error }
  }
}

/** Host and port of a URL as written. */
export function authority(url: string): string {
  return /^[^:]+:\/\/(?:[^/?#@]*@)?([^/?#]+)/.exec(url)?.[1] ?? url
}

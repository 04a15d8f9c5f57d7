import type { NetworkRoute } from '@kithmesh/core'
import type { PunchCandidate } from './candidate.ts'
import { mapRoute, type MappedCandidate } from './mapping.ts'
import type { PunchParts } from './parts.ts'

/** A route of ours that takes part in an attempt, as which pair, and for which interface of the other side. */
export interface GatheredRoute {
  readonly route: NetworkRoute
  readonly pair: number
  readonly towards?: number
}

export interface Gathered {
  readonly candidates: readonly PunchCandidate[]
  /** Lets the mappings go. Idempotent. */
  close(): void
}

/**
 * Picks a fresh port on each route and asks how it looks from outside, as the last thing before the candidates are sent. Routes on which
 * no port can be had are left out, unless none is left.
 */
export async function gather(
  routes: readonly GatheredRoute[],
  parts: PunchParts,
  signal: AbortSignal,
  progress: (phase: 'stun', server: string) => void
): Promise<Gathered> {
  const { context, bind, stun, ports, random } = parts
  const mapped: Array<MappedCandidate & { readonly towards: number | undefined }> = []
  const close = (): void => {
    for (const each of mapped) each.close()
  }
  const outcomes = await Promise.allSettled(
    routes.map(async ({ route, pair, towards }) => {
      mapped.push({ ...(await mapRoute(route, pair, { bind, stun, ports, clock: context.clock, signal, random, progress })), towards })
    })
  )
  if (mapped.length === 0 || signal.aborted) {
    close()
    signal.throwIfAborted()
    throw (outcomes.find(({ status }) => status === 'rejected') as PromiseRejectedResult).reason
  }
  return {
    candidates: mapped
      .map(({ candidate, towards }) => (towards === undefined ? candidate : { ...candidate, towards }))
      .sort((one, other) => one.pair - other.pair),
    close
  }
}

import type { Clock } from '@kithmesh/core'
import { ownInterfaces } from '@kithmesh/core/plugin'

const POLL_MS = 3_000

/**
 * Calls back whenever this machine has got another address: a cable, a Wi-Fi or a tunnel came back. Node has no event for that, so it looks
 * every three seconds; it is meant for the time while something waits. The returned function ends it.
 */
export function watchNetwork(clock: Clock, appeared: () => void, addresses: () => readonly string[] = externalAddresses): () => void {
  let known = new Set(addresses())
  return clock.every(POLL_MS, () => {
    const now = addresses()
    const isNew = now.some((address) => !known.has(address))
    known = new Set(now)
    if (isNew) appeared()
  })
}

function externalAddresses(): string[] {
  return Object.entries(ownInterfaces()).flatMap(([name, list]) =>
    (list ?? []).filter(({ internal }) => !internal).map(({ address }) => `${name} ${address}`)
  )
}

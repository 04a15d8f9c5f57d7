import type { Device, PeerDiscovery } from '@kithmesh/core'
import { systemClock } from '@kithmesh/core'
import { cliErrors } from '../errors.ts'

/** After the first sighting others may follow, over other providers above all. */
const SETTLE_MS = 1_000
const SETTLE_ALONE_MS = 250
const LEAST_DIGITS = 4

/**
 * Whom a user means: a device of that name, whatever its capitals, or the one whose id begins with these digits. Pure.
 * @throws ERR_CLI_USAGE when there are several
 */
export function chooseDevice(devices: readonly Device[], wanted: string): Device | undefined {
  const lower = wanted.toLowerCase()
  const byId = /^[0-9a-f]+$/.test(lower) && lower.length >= LEAST_DIGITS ? devices.filter(({ id }) => id.startsWith(lower)) : []
  const found = byId.length > 0 ? byId : devices.filter(({ displayName }) => displayName.toLowerCase() === lower)
  if (found.length < 2) return found[0]
  throw cliErrors.create('ERR_CLI_USAGE', `${found.length} devices are called ${JSON.stringify(wanted)}`, {
    hint: `Name one by the first digits of its id: ${found.map(({ id }) => id.slice(0, 12)).join(', ')}.`
  })
}

/** Waits for a device, and a moment longer for further sightings of it; undefined when it does not come in time, or `signal` aborts. */
export async function findDevice(
  discovery: PeerDiscovery,
  wanted: string,
  { withinMs, signal }: { readonly withinMs: number; readonly signal: AbortSignal }
): Promise<Device | undefined> {
  const seen = new Promise<void>((resolve) => {
    discovery.addObserver({
      devicesChanged: () => {
        if (isThere(discovery, wanted)) resolve()
      }
    })
    if (isThere(discovery, wanted)) resolve()
  })
  const begun = systemClock.monotonic()
  const enough = new AbortController()
  const ended = AbortSignal.any([signal, enough.signal])
  await Promise.race([seen, systemClock.sleep(withinMs, { signal: ended }).catch(() => {})])
  enough.abort()
  const left = withinMs - (systemClock.monotonic() - begun)
  if (left > 0 && !signal.aborted)
    await systemClock.sleep(Math.min(discovery.providers.length > 1 ? SETTLE_MS : SETTLE_ALONE_MS, left), { signal }).catch(() => {})
  return chooseDevice(discovery.devices, wanted)
}

function isThere({ devices }: PeerDiscovery, wanted: string): boolean {
  try {
    return chooseDevice(devices, wanted) !== undefined
  } catch {
    return true
  }
}

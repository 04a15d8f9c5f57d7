import type { Clock } from '@kithmesh/core'
import { canonicalAddress, parseStunUri, resolveServer } from '@kithmesh/stun'
import type { TurnServer } from './ways.ts'

const DEADLINE_MS = 1_000

/** Which addresses belong to the servers that this device was configured with: those need nobody's leave to be dialled. */
export class OwnServers {
  readonly #hosts: readonly string[]
  readonly #clock: Clock
  readonly #known = new Set<string>()

  constructor(servers: readonly TurnServer[], clock: Clock) {
    this.#hosts = [...new Set(servers.map(({ url }) => parseStunUri(url).host))]
    this.#clock = clock
  }

  /** A server was reached at this address. */
  add(address: string): void {
    this.#known.add(canonicalAddress(address))
  }

  async has(address: string): Promise<boolean> {
    const wanted = canonicalAddress(address)
    if (this.#known.has(wanted)) return true
    const signal = this.#clock.timeout(DEADLINE_MS, 'Looking up a TURN server')
    const found = await Promise.allSettled(this.#hosts.map((host) => resolveServer(host, 3478, { signal })))
    return found.some((result) => result.status === 'fulfilled' && result.value.some((one) => canonicalAddress(one.address) === wanted))
  }
}

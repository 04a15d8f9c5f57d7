import type { ResolvedUrl } from './contracts/peer.ts'

/**
 * Which addresses each dialer has been given during one race. A device that several providers see has several sightings, and they mostly
 * name the same addresses: none is to be dialled twice in the same way.
 */
export class DialledAddresses {
  readonly #given = new Map<object, Set<string>>()

  /** Whether the dialer has been given every address already. Never so where none is named, as those are found in other ways. */
  covers(dialer: object, resolved: ResolvedUrl): boolean {
    const given = this.#given.get(dialer)
    return (
      given !== undefined && resolved.addresses.length > 0 && resolved.addresses.every((address) => given.has(endpoint(resolved, address)))
    )
  }

  /** What is left to dial; from now on these count as given. */
  take(dialer: object, resolved: ResolvedUrl): ResolvedUrl {
    const given = this.#given.get(dialer) ?? new Set<string>()
    this.#given.set(dialer, given)
    const addresses = resolved.addresses.filter((address) => !given.has(endpoint(resolved, address)))
    for (const address of addresses) given.add(endpoint(resolved, address))
    return addresses.length === resolved.addresses.length ? resolved : Object.freeze({ ...resolved, addresses: Object.freeze(addresses) })
  }
}

function endpoint({ url }: ResolvedUrl, address: string): string {
  const [, scheme = '', port = ''] = /^([^:]+):\/\/(?:[^/?#@]*@)?(?:\[[^\]]*\]|[^/?#:]*)(?::(\d+))?/.exec(url) ?? []
  return `${scheme.toLowerCase()} ${port} ${address.toLowerCase()}`
}

import { addressFamily, canonicalAddress, type TransportAddress } from '@kithmesh/stun'

/** An address that relays are opened on, and what it is called outside. */
export interface RelayAddress {
  readonly bind: string
  readonly public: string
}

/** Which addresses are the relay's own, under both their names where a router in front of it translates one to one. */
export class RelayNames {
  readonly #outside: ReadonlyMap<string, string>
  readonly #inside: ReadonlyMap<string, string>
  readonly #addresses: readonly RelayAddress[]

  constructor(addresses: readonly RelayAddress[]) {
    this.#addresses = addresses.map((each) => ({ bind: canonicalAddress(each.bind), public: canonicalAddress(each.public) }))
    this.#outside = new Map(this.#addresses.map((each) => [each.bind, each.public]))
    this.#inside = new Map(this.#addresses.map((each) => [each.public, each.bind]))
  }

  /** As others know it. */
  get addresses(): ReadonlySet<string> {
    return new Set(this.#inside.keys())
  }

  /** As others know it. */
  outside({ address, port }: TransportAddress): TransportAddress {
    const plain = canonicalAddress(address)
    return { address: this.#outside.get(plain) ?? plain, port }
  }

  /** As it is reached from here. */
  inside({ address, port }: TransportAddress): TransportAddress {
    const plain = canonicalAddress(address)
    return { address: this.#inside.get(plain) ?? plain, port }
  }

  /** Where relays of a family are opened, preferably on the address that the client came to. */
  bindFor(family: 4 | 6, local: string): string | undefined {
    const fitting = this.#addresses.filter(({ bind }) => addressFamily(bind) === family)
    return (fitting.find(({ bind }) => bind === canonicalAddress(local)) ?? fitting[0])?.bind
  }
}

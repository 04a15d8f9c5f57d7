import type { Metadata, ProviderFactory } from '@kithmesh/core'

/** What the provider suite is given. It has no flags of its own: capabilities are read from the factory. */
export interface ProviderHarness {
  /** The subject; only its name, version and capabilities are read from this one, synchronously, while tests are being declared. */
  readonly factory: ProviderFactory
  /**
   * Makes a fresh medium (a network, a broker, a radio) which no other fixture can see.
   * The harness acts on the medium only, never on a provider.
   */
  create(): Promise<ProviderFixture>
  /** Bound for each thing the suite waits for, milliseconds. @default 10000 */
  readonly settleMs?: number
}

/** One isolated medium. */
export interface ProviderFixture {
  /**
   * The factory as it is used on machine `host` of this medium; called once per machine, with names like `host-1`.
   * For most providers all machines use the same factory.
   */
  factoryFor(host: string): ProviderFactory
  /**
   * Puts a service onto the medium without the subject's help. Required for subjects that cannot publish, otherwise unused.
   */
  announce?(service: AnnouncedService): Promise<Announcement>
  /** Takes the medium down; every provider was shut down before. */
  [Symbol.asyncDispose](): Promise<void>
}

export interface AnnouncedService {
  readonly peerGroupId: string
  readonly localPeerId: string
  readonly displayName: string
  readonly port: number
  readonly metadata: Metadata
}

/** A service on the medium. */
export interface Announcement {
  updateMetadata(metadata: Metadata): Promise<void>
  withdraw(): Promise<void>
}

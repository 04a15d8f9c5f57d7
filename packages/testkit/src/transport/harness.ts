import type { ByteSocket, ResolvedUrl, TransportContext, TransportFactory, TransportListener } from '@kithmesh/core'
import type { ClaimTable } from '@kithmesh/core/plugin'

/** What the transport suite is given. Capabilities are read from the factory. */
export interface TransportHarness {
  /** The subject. */
  readonly factory: TransportFactory
  /** Makes a fresh network for two machines, seen by no other fixture. */
  create(): Promise<TransportFixture>
  /** Bound for each thing the suite waits for, milliseconds; not less than the strategy's own. @default 15000 */
  readonly settleMs?: number
}

/** One network; the harness acts on it only, never on a strategy. */
export interface TransportFixture {
  /** The factory as it is used on a machine; called with `a` and `b`. For most strategies both use the same. */
  factoryFor(host: string): TransportFactory
  /** What discovery would resolve for the listener of a machine; required when the subject listens. */
  resolved?(listener: TransportListener, host: string): ResolvedUrl
  /**
   * Accepts what reaches a machine, without the subject; required when the subject does not listen, otherwise unused.
   * `accept` is called in the turn in which the stream is open; the suite owns it from then on.
   */
  listen?(host: string, accept: (socket: ByteSocket) => void): Promise<PassiveSide>
  /**
   * Changes what the strategy of a machine is given. By default the machines `a` and `b` have signalling to each other, know nothing of
   * their networks, have no listening port, and may dial everything; `claims` is there for a fixture that listens on behalf of others.
   */
  context?(host: string, defaults: TransportContext & { readonly claims: ClaimTable }): TransportContext
  /** An address of the right kind that nobody answers at. */
  unreachable(): ResolvedUrl
  /** An address of a kind this strategy cannot use. */
  unusable(): ResolvedUrl
  [Symbol.asyncDispose](): Promise<void>
}

export interface PassiveSide {
  readonly resolved: ResolvedUrl
  /** Stops accepting; accepted streams live on. Idempotent. */
  close(): Promise<void>
}

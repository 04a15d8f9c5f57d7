import {
  type AccessLists,
  type Clock,
  type InboundEntry,
  InboundQueue,
  type InboundQueueOptions,
  type IncomingPeer,
  type KithmeshError,
  type KnownPeers,
  type Logger,
  type ObservableList,
  coreErrors
} from '@kithmesh/core'
import type { RevocationList } from '@kithmesh/identity'
import { meshErrors } from '../errors.ts'

/** Bounds of the queue in which devices wait to be let in. */
export type InboundLimits = Pick<InboundQueueOptions<IncomingPeer>, 'capacity' | 'perAddress' | 'decisionMs' | 'holdMs'>

export interface AdmissionOptions {
  readonly access: AccessLists
  readonly peerGroupId: string
  readonly knownPeers: KnownPeers
  readonly revocations?: RevocationList | undefined
  readonly onIncomingPeer?: InboundQueueOptions<IncomingPeer>['onIncomingPeer']
  readonly limits?: InboundLimits | undefined
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * Who may have a connection, once TLS has proven a peer id: what the access lists, the known peers and the revocations say, and for
 * devices that come in what the application decides.
 */
export class Admission {
  readonly #options: AdmissionOptions
  readonly #queue: InboundQueue

  constructor(options: AdmissionOptions) {
    const { clock, logger, onIncomingPeer, limits } = options
    this.#options = options
    this.#queue = new InboundQueue({ clock, logger, ...limits, ...(onIncomingPeer === undefined ? {} : { onIncomingPeer }) })
  }

  /** Devices on which somebody has to decide. */
  get pending(): ObservableList<InboundEntry<IncomingPeer>> {
    return this.#queue.pending
  }

  /** Why a device is not welcome. @param address null when it has none; not given when it is not known */
  refusal(peerId: string, address?: string | null): KithmeshError | undefined {
    const { access, peerGroupId: group, knownPeers, revocations } = this.#options
    const details = { peerId }
    const reason = access.refuses({ peerId, group, ...(address === undefined ? {} : { address }) })
    if (reason !== undefined) return coreErrors.create('ERR_ACCESS_REFUSED', `The access lists refuse it: ${reason}`, { details })
    if (knownPeers.get(peerId)?.level === 'blocked') return meshErrors.create('ERR_MESH_BLOCKED', 'The device is blocked', { details })
    const revocation = revocations?.get(peerId)
    if (revocation === undefined) return undefined
    return meshErrors.create('ERR_MESH_REVOKED', `The device was revoked: ${revocation.reason || 'no reason given'}`, { details })
  }

  /**
   * Lets a device in that connected to us, or not; takes as long as the decision does.
   * @param options.signal aborts when the connection has ended
   * @throws ERR_ACCESS_REFUSED, ERR_MESH_BLOCKED, ERR_MESH_REVOKED, ERR_INBOUND_*, or the signal's reason
   */
  async admit(peer: IncomingPeer, { signal }: { readonly signal: AbortSignal }): Promise<void> {
    this.#check(peer)
    await this.#queue.admit(peer, { signal })
    // It may have become unwelcome while it waited.
    this.#check(peer)
    this.#seen(peer)
  }

  /**
   * The same for a device that we connected to. It is not asked about, as it was our own wish; but whoever waits to be let in, or was
   * rejected a moment ago, does not come in by this door either.
   * @throws ERR_ACCESS_REFUSED, ERR_MESH_BLOCKED, ERR_MESH_REVOKED, ERR_INBOUND_REJECTED
   */
  checkOutgoing(peer: IncomingPeer): void {
    this.#check(peer)
    const undecided = this.#queue.refuses(peer.peerId)
    if (undecided !== undefined) throw undecided
    this.#seen(peer)
  }

  /**
   * Calls back when somebody who was welcome may no longer be, or the other way round.
   * @param listener `rules`: the access lists have changed, so that it may be anybody, also for its address alone
   * @returns ends it
   */
  onChange(listener: (rules: boolean) => void): () => void {
    const { access, knownPeers, revocations } = this.#options
    const others = (): void => {
      listener(false)
    }
    const rules = (): void => {
      listener(true)
    }
    const stops = [access.onChange(rules), knownPeers.list.onChange(others), revocations?.list.onChange(others)]
    return () => {
      for (const stop of stops) stop?.()
    }
  }

  /** Whoever waits is refused with the reason. */
  clear(reason: unknown): void {
    this.#queue.clear(reason)
  }

  #check({ peerId, address }: IncomingPeer): void {
    const refusal = this.refusal(peerId, address)
    if (refusal !== undefined) throw refusal
  }

  #seen({ peerId, name, address }: IncomingPeer): void {
    this.#options.knownPeers.seen({ peerId, name, ...(address === null ? {} : { address }) })
  }
}

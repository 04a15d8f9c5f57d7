import type { DialPolicy } from '../contracts/incoming.ts'
import type { Logger } from '../contracts/logger.ts'
import { type Diagnostics, diagnosticError } from '../diagnostics.ts'
import { coreErrors } from '../errors.ts'
import type { KithmeshError } from '../kithmesh-error.ts'
import { isPeerId } from '../peer-id.ts'
import type { AccessLists } from './access-lists.ts'
import type { RateLimiter } from './rate-limiter.ts'

export interface AccessGuardOptions {
  readonly access: AccessLists
  readonly peerGroupId: string
  /** How often each address may connect. */
  readonly accepts: RateLimiter
  readonly logger: Logger
  readonly diagnostics: Diagnostics
}

/** The access lists as one discovery asks them: about its own group, on all ways in and out. */
export class AccessGuard {
  readonly access: AccessLists
  readonly #options: AccessGuardOptions
  #refusals = 0

  constructor(options: AccessGuardOptions) {
    this.access = options.access
    this.#options = options
  }

  /** Why a device is not welcome, whatever its address. @param id a device id, which is a peer id when the device claims one */
  refusesDevice(id: string | undefined): string | undefined {
    return this.#refuses(id, undefined)
  }

  /** Why a device is not to be connected to at an address; null when it is reached without one. */
  refusesRoute(id: string, address: string | null): string | undefined {
    return this.#refuses(id, address)
  }

  /**
   * Whether a stream that came in may be looked at any further.
   * @param address where it comes from; null when it comes over a relay or a radio, which have bounds of their own
   */
  admits(address: string | null, from: string, counts = true): boolean {
    const reason =
      this.#refuses(undefined, address) ??
      (counts && address !== null && !this.#options.accepts.take(address) ? 'connections come from there too often' : undefined)
    if (reason !== undefined) this.refused(from, reason)
    return reason === undefined
  }

  /** Anybody can cause any number of them: the first is told, the others are for debugging. */
  refused(from: string, reason: string): void {
    const { logger, diagnostics } = this.#options
    diagnostics.publish('kithmesh:trust.refused', () => ({
      by: 'local' as const,
      direction: 'incoming' as const,
      deviceId: undefined,
      displayName: undefined,
      route: from,
      error: diagnosticError(coreErrors.create('ERR_ACCESS_REFUSED', `A connection was refused: ${reason}`))
    }))
    if (this.#refusals++ === 0) logger.info('a connection was refused; further ones are logged at debug level', { from, reason })
    else logger.debug('a connection was refused', { from, reason })
  }

  /** The policy, with the access lists in front. */
  dialPolicy(policy: DialPolicy): DialPolicy {
    return {
      refuse: (fromPeerId, address, port) => this.#refuses(fromPeerId, address) ?? policy.refuse(fromPeerId, address, port)
    }
  }

  #refuses(id: string | undefined, address: string | null | undefined): string | undefined {
    return this.access.refuses({
      group: this.#options.peerGroupId,
      ...(isPeerId(id) ? { peerId: id } : {}),
      ...(address === undefined ? {} : { address })
    })
  }
}

/** The error of a connection that the access lists forbid. */
export function accessRefused(what: string, reason: string): KithmeshError {
  return coreErrors.create('ERR_ACCESS_REFUSED', `${what} may not be connected to: ${reason}`, { details: { reason } })
}

import type { Clock } from './contracts/clock.ts'
import type { ResolvedUrl } from './contracts/peer.ts'
import { withDeadline } from './deadline.ts'
import { coreErrors } from './errors.ts'
import { isKithmeshError } from './kithmesh-error.ts'

const RESOLVE_DEADLINE_MS = 10_000

export interface UrlResolverOptions {
  readonly peerId: string
  readonly clock: Clock
  readonly deadlineMs?: number
  /** Asks the provider. */
  readonly ask: (signal: AbortSignal) => Promise<ResolvedUrl>
}

interface Operation {
  readonly abort: AbortController
  readonly result: Promise<ResolvedUrl>
  waiters: number
}

/**
 * Asks a provider where one peer is: never twice at a time. Route races share a question that is under way;
 * it is cancelled when nobody waits for the answer any more.
 */
export class UrlResolver {
  readonly #options: UrlResolverOptions
  #operation: Operation | undefined
  #exclusive = false
  #offline = false

  constructor(options: UrlResolverOptions) {
    this.#options = options
  }

  /** For applications: one call at a time. @throws as {@link UrlResolver.shared}, and ERR_PD_RESOLVE_BUSY */
  async exclusive(signal: AbortSignal | undefined): Promise<ResolvedUrl> {
    if (this.#exclusive) throw coreErrors.create('ERR_PD_RESOLVE_BUSY', `resolveUrl is already running for ${this.#options.peerId}`)
    this.#exclusive = true
    try {
      return await this.shared(signal)
    } finally {
      this.#exclusive = false
    }
  }

  /** For route races: joins a running question. @throws ERR_PD_PEER_OFFLINE, ERR_PD_RESOLVE_FAILED, the signal's reason */
  async shared(signal: AbortSignal | undefined): Promise<ResolvedUrl> {
    signal?.throwIfAborted()
    if (this.#offline) throw this.#offlineError()
    const operation = (this.#operation ??= this.#begin())
    operation.waiters++
    return await new Promise<ResolvedUrl>((resolve, reject) => {
      const onAbort = (): void => {
        reject(signal?.reason as Error)
        if (--operation.waiters > 0 || this.#operation !== operation) return
        this.#operation = undefined
        operation.abort.abort(signal?.reason)
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      const done = (): void => {
        signal?.removeEventListener('abort', onAbort)
      }
      operation.result.then(
        (value) => {
          done()
          resolve(value)
        },
        (error: unknown) => {
          done()
          reject(error as Error)
        }
      )
    })
  }

  /** Fails what is running and everything later with ERR_PD_PEER_OFFLINE. */
  peerLeft(): void {
    this.#offline = true
    this.#operation?.abort.abort(this.#offlineError())
  }

  #begin(): Operation {
    const { ask, clock, peerId, deadlineMs = RESOLVE_DEADLINE_MS } = this.#options
    const abort = new AbortController()
    const operation: Operation = {
      abort,
      waiters: 0,
      result: this.#run(() => ask(abort.signal), { clock, ms: deadlineMs, what: `Resolving ${peerId}` }, abort)
    }
    const forget = (): void => {
      if (this.#operation === operation) this.#operation = undefined
    }
    operation.result.then(forget, forget)
    return operation
  }

  async #run(
    ask: () => Promise<ResolvedUrl>,
    deadline: { clock: Clock; ms: number; what: string },
    abort: AbortController
  ): Promise<ResolvedUrl> {
    const { peerId } = this.#options
    try {
      const resolved = await withDeadline(ask, { ...deadline, signal: abort.signal })
      if (!isResolvedUrl(resolved)) throw new TypeError('The provider answered without a URL that has a scheme and a host')
      const { url, addresses, network } = resolved
      return Object.freeze({ url, addresses: Object.freeze([...addresses]), ...(network === undefined ? {} : { network }) })
    } catch (error) {
      if (abort.signal.aborted || isKithmeshError(error, 'ERR_PD_PEER_OFFLINE') || isKithmeshError(error, 'ERR_PD_RESOLVE_FAILED'))
        throw error
      abort.abort(error)
      const why = error instanceof Error ? error.message : String(error)
      throw coreErrors.create('ERR_PD_RESOLVE_FAILED', `Cannot find out where ${peerId} is: ${why}`, { cause: error })
    }
  }

  #offlineError(): Error {
    return coreErrors.create('ERR_PD_PEER_OFFLINE', `${this.#options.peerId} is no longer there`)
  }
}

function isResolvedUrl(value: unknown): value is ResolvedUrl {
  const { url, addresses } = (value ?? {}) as Partial<ResolvedUrl>
  return (
    typeof url === 'string' &&
    /^[a-z][a-z0-9+.-]*:\/\/[^/?#]+/i.test(url) &&
    Array.isArray(addresses) &&
    addresses.every((address) => typeof address === 'string')
  )
}

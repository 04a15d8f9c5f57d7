import { type Clock, errorCode, joinSignals, waitFor } from '@kithmesh/core/plugin'
import { bleErrors } from '../errors.ts'
import type { AclLink, HciHost } from '../hci/hci-host.ts'
import { backoffMs, brokeAtOnce, hciStatus, lostAtOnce } from './connect-status.ts'
import { connectStatus } from './connector.ts'
import type { LinkUse } from './device-link.ts'
import type { LinkPool } from './link-pool.ts'
import type { Operation } from './operation.ts'

/** Links that broke before they were established, one after another, before that is taken for the truth. */
const MAX_LOST = 4
/** How long an attempt may go on once the other side has made a link by itself: the host may let it have that one. */
const CROSSING_MS = 300

export interface LinkAccessOptions {
  readonly pool: LinkPool
  readonly host: HciHost | undefined
  readonly clock: Clock
  readonly random: () => number
}

/**
 * Ways to a device between whose address and ours there is only one link at a time, which the other side may have made, or be about to make
 * in the same moment (ble.md §6.11).
 */
export class LinkAccess {
  readonly #options: LinkAccessOptions

  constructor(options: LinkAccessOptions) {
    this.#options = options
  }

  /**
   * Does something on a link that the library knows. When the other side holds the link and the host cannot share it, this waits until that
   * one has ended.
   */
  onLink<T>(id: string, operation: Operation, run: (use: LinkUse) => Promise<T>): Promise<T> {
    return this.#persist(operation, async () => {
      const use = await this.#acquire(id, operation)
      try {
        return await run(use)
      } finally {
        use.release()
      }
    })
  }

  /** Does something on a link of the host, whoever made it. `use` holds it when it is of this side. */
  onAclLink<T>(id: string, operation: Operation, run: (acl: AclLink, use: LinkUse | undefined) => Promise<T>): Promise<T> {
    return this.#persist(operation, async () => {
      const { acl, use } = await this.#aclLink(id, operation)
      try {
        return await run(acl, use)
      } catch (error) {
        // Their link ended in this moment, and they may never have known that it was wanted.
        throw use === undefined && errorCode(error) === 'ERR_BLE_LINK_LOST' ? lostAtOnce(id) : error
      } finally {
        use?.release()
      }
    })
  }

  /** Begins anew when a link broke before it was really there. */
  async #persist<T>(operation: Operation, run: () => Promise<T>): Promise<T> {
    for (let lost = 0; ; ) {
      try {
        return await run()
      } catch (error) {
        operation.signal.throwIfAborted()
        if (!brokeAtOnce(error) || ++lost >= MAX_LOST) throw error
      }
      await this.#pause(lost, operation)
    }
  }

  async #aclLink(id: string, operation: Operation): Promise<{ readonly acl: AclLink; readonly use: LinkUse | undefined }> {
    const { host, pool } = this.#options
    for (let failures = 0; ; ) {
      const theirs = this.#theirs(id)
      if (theirs !== undefined && !pool.has(id)) return { acl: theirs, use: undefined }
      const arrival = this.#watchArrivals(id, operation, 0)
      try {
        const use = await pool.acquire(id, arrival.signal)
        const acl = host?.linkTo(id)
        if (acl !== undefined) return { acl, use }
        use.release()
        throw lostAtOnce(id)
      } catch (error) {
        operation.signal.throwIfAborted()
        if (!arrival.arrived && connectStatus(error) !== hciStatus.connectionAlreadyExists) throw error
        failures++
      } finally {
        arrival.end()
      }
      if (this.#theirs(id) === undefined) await this.#pause(failures, operation)
    }
  }

  async #acquire(id: string, operation: Operation): Promise<LinkUse> {
    for (let failures = 0; ; ) {
      operation.phase('connecting')
      const arrival = this.#watchArrivals(id, operation, CROSSING_MS)
      try {
        return await this.#options.pool.acquire(id, arrival.signal)
      } catch (error) {
        operation.signal.throwIfAborted()
        failures++
        if (connectStatus(error) === hciStatus.connectionAlreadyExists) await this.#untilFree(id, operation)
        else if (!arrival.arrived) throw error
      } finally {
        arrival.end()
      }
      await this.#pause(failures, operation)
    }
  }

  /** The link that the other side made, while it is open. */
  #theirs(id: string): AclLink | undefined {
    const link = this.#options.host?.linkTo(id)
    return link !== undefined && link.role === 'peripheral' && !link.closed ? link : undefined
  }

  async #untilFree(id: string, operation: Operation): Promise<void> {
    const link = this.#options.host?.linkTo(id)
    if (link === undefined || link.closed) return
    // Ours, though the library does not know of it: nobody can use it.
    if (link.role === 'central') link.disconnect()
    operation.phase('waiting for the end of the connection that it made')
    await waitFor<void>(operation.signal, (resolve) =>
      link.onClosed(() => {
        resolve()
      })
    )
  }

  #pause(failures: number, { signal }: Operation): Promise<void> {
    return this.#options.clock.sleep(backoffMs(failures, this.#options.random()), { signal })
  }

  /** A signal that aborts when the other side has made a link, `afterMs` later: an attempt of ours cannot succeed any more. */
  #watchArrivals(id: string, operation: Operation, afterMs: number): { signal: AbortSignal; readonly arrived: boolean; end(): void } {
    const { host, clock } = this.#options
    const joined = joinSignals(operation.signal)
    let arrived = false
    let cancel: (() => void) | undefined
    const endListening = host?.onLink((link) => {
      if (link.peer.id !== id || link.role !== 'peripheral') return
      cancel?.()
      cancel = clock.after(afterMs, () => {
        arrived = true
        joined.abort(bleErrors.create('ERR_BLE_CONNECT', `${id} has connected by itself`, { details: { id } }))
      })
    })
    return {
      signal: joined.signal,
      get arrived() {
        return arrived
      },
      end() {
        endListening?.()
        cancel?.()
        joined.release()
      }
    }
  }
}

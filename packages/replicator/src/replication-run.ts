import { once } from 'node:events'
import { type Clock, type JoinedSignals, type KithmeshError, type Logger, joinSignals, limitedSignal } from '@kithmesh/core/plugin'
import type { ReplicationStore } from '@kithmesh/database/replication'
import { connectError } from './connect-error.ts'
import { blipOver, closeUnused, eventLoop, tickEvery } from './connection.ts'
import type { ReplicationConnection } from './connection.ts'
import { replicatorErrors } from './errors.ts'
import type { Observers } from './observers.ts'
import { openEndpoint } from './open-endpoint.ts'
import { addStatistics, newStatistics } from './protocol/context.ts'
import type { DocumentEvent, SessionCollection, SessionStatistics } from './protocol/context.ts'
import { LEGACY_PROTOCOL } from './protocol/legacy-protocol.ts'
import type { PushProgress } from './protocol/progress.ts'
import { ReplicationSession } from './protocol/session.ts'
import type { ReplicatorOptions } from './replicator-options.ts'
import { classifyFailure, nextAttemptIn } from './retry-policy.ts'
import { compatibleProtocols, protocolError } from './sub-protocols.ts'

export interface ReplicationRunParts {
  readonly options: ReplicatorOptions
  readonly push: boolean
  readonly pull: boolean
  readonly store: ReplicationStore
  readonly targets: readonly SessionCollection[]
  readonly logger: Logger
  readonly clock: Clock
  /** Who wants to know of documents that ended. */
  readonly documents: Observers<readonly DocumentEvent[]>
  readonly tellActivity: (activity: 'connecting' | 'busy' | 'idle' | 'offline') => void
  /** Why the last attempt failed; undefined when a later one does better. */
  readonly tellError: (error: KithmeshError | undefined) => void
  /** Called now and then while documents go over. */
  readonly tellProgress: () => void
  /** Begin suspended. */
  readonly suspended: boolean
}

/** How one attempt ended. */
interface Outcome {
  readonly error: KithmeshError | undefined
  readonly began: boolean
}

/** How long the other side may take to confirm the last checkpoint. */
const STOP_GRACE_MS = 10_000
const PROGRESS_MS = 250

/** One run of a replicator, from `start` until it stopped: attempt after attempt, with pauses between them (cbmobile.md §12). */
export class ReplicationRun {
  readonly #parts: ReplicationRunParts
  readonly #stopping = new AbortController()
  /** Ends the pause before the next attempt. */
  #wake: JoinedSignals | undefined
  /** Ends the present attempt, because of `suspend`. */
  #interruption = new AbortController()
  #cancelGrace: (() => void) | undefined
  /** Set while suspended; aborts at `resume`. */
  #suspension: AbortController | undefined
  #session: ReplicationSession | undefined
  #correlationId: string | undefined
  /** Of the earlier attempts. */
  #before: SessionStatistics = newStatistics()

  constructor(parts: ReplicationRunParts) {
    this.#parts = parts
    if (parts.suspended) this.#suspension = new AbortController()
  }

  get stopping(): boolean {
    return this.#stopping.signal.aborted
  }

  /** Over all attempts. */
  get statistics(): Readonly<SessionStatistics> {
    return this.#session === undefined ? this.#before : addStatistics(this.#before, this.#session.statistics)
  }

  /** What the server calls the newest connection in its log. */
  get correlationId(): string | undefined {
    return this.#correlationId
  }

  /** What is pushed of a collection by now, while connected. */
  pushProgress(index: number): PushProgress | undefined {
    return this.#session?.closed === false ? this.#session.collections[index]?.pushProgress : undefined
  }

  /** Saves the checkpoint and disconnects; `attempt` resolves afterwards. */
  stop(): void {
    this.#stopping.abort()
    this.#endSession()
  }

  /** Disconnects as `stop` does, and waits without any timer until `resume`. Idempotent. */
  suspend(): void {
    if (this.#suspension !== undefined || this.stopping) return
    this.#suspension = new AbortController()
    this.#interruption.abort()
    this.#wake?.abort(undefined)
    this.#endSession()
  }

  /** Connects at once. Idempotent. */
  resume(): void {
    this.#suspension?.abort()
    this.#suspension = undefined
  }

  /** Ends a pause between attempts. */
  retryNow(): void {
    this.#wake?.abort(undefined)
  }

  /** Connects until it is done, stopped, or no further attempt helps; to be called once. */
  async attempt(reset: boolean): Promise<void> {
    const { options, logger, clock, tellActivity, tellError } = this.#parts
    const { continuous = false, maxAttempts = continuous ? Infinity : 10, maxAttemptWaitMs = 300_000 } = options
    const stopping = this.#stopping.signal
    let failures = 0
    let resetOnce = reset
    while (!stopping.aborted) {
      if (this.#suspension !== undefined) {
        failures = 0
        tellError(undefined)
        tellActivity('offline')
        await aborted(stopping, this.#suspension.signal)
        continue
      }
      this.#interruption = new AbortController()
      const { signal: interrupted } = this.#interruption
      tellActivity('connecting')
      const { error, began } = await this.#connectOnce(resetOnce)
      if (began) {
        failures = 0
        resetOnce = false
      }
      if (interrupted.aborted) {
        failures = 0
        continue
      }
      if (error === undefined && !stopping.aborted) tellError(undefined)
      if (stopping.aborted || error === undefined) return
      tellError(error)
      const wait = nextAttemptIn(++failures, classifyFailure(error), { continuous, maxAttempts, maxAttemptWaitMs })
      if (wait === undefined) {
        // Who asked for one attempt judges for itself what its end is worth.
        logger[maxAttempts === 1 ? 'info' : 'warn']('The replication ended with an error', { error })
        return
      }
      logger.info('The connection failed and is tried again', { error, waitMs: wait })
      tellActivity('offline')
      const wake = joinSignals(stopping)
      this.#wake = wake
      const unwatch = continuous
        ? this.#parts.options.endpoint.onReachable?.(() => {
            this.retryNow()
          }, clock)
        : undefined
      await clock.sleep(wait, { signal: wake.signal }).catch(() => {})
      wake.release()
      unwatch?.()
      this.#wake = undefined
    }
  }

  readonly #onResponse = (headers: Readonly<Record<string, string | readonly string[] | undefined>>): void => {
    const id = headers['x-correlation-id']
    if (typeof id !== 'string') return
    this.#correlationId = id.slice(0, 200)
    this.#parts.logger.info('Connected', { to: this.#parts.options.endpoint.description, correlationId: this.#correlationId })
  }

  /** Lets the session save its checkpoint, but not for long. */
  #endSession(): void {
    const session = this.#session
    if (session === undefined) return
    session.stop()
    this.#cancelGrace ??= this.#parts.clock.after(STOP_GRACE_MS, () => {
      session.close(1000)
    })
  }

  async #connectOnce(reset: boolean): Promise<Outcome> {
    const { clock, options, store, pull } = this.#parts
    const { endpoint, heartbeatMs = 300_000, connectTimeoutMs = 15_000, legacy = false } = options
    const protocols = compatibleProtocols(store.versioning, { pulls: pull, legacy })
    const interruption = this.#interruption.signal
    const late = (): Error => replicatorErrors.create('ERR_REPL_TIMEOUT', `Connecting did not finish within ${connectTimeoutMs} ms`)
    const ending = limitedSignal(clock, connectTimeoutMs, late, this.#stopping.signal, interruption)
    let connection: ReplicationConnection
    try {
      connection = await openEndpoint(endpoint, { signal: ending.signal, protocols, heartbeatMs, clock, onResponse: this.#onResponse })
    } catch (cause) {
      return { error: connectError(endpoint.description, cause, store.versioning), began: false }
    } finally {
      ending.release()
    }
    if (this.stopping || interruption.aborted) {
      closeUnused(connection, 1000)
      return { error: undefined, began: false }
    }
    const { protocol } = connection
    if (protocol !== '' && !protocols.includes(protocol)) {
      closeUnused(connection, 1002)
      const what = `${endpoint.description} chose the protocol "${protocol}", which was not offered`
      return { error: protocolError(store.versioning, what, [protocol]), began: false }
    }
    return await this.#converse(connection, reset)
  }

  #converse(connection: ReplicationConnection, resetCheckpoint: boolean): Promise<Outcome> {
    const { options, push, pull, store, targets, logger, clock, documents, tellActivity, tellError, tellProgress } = this.#parts
    return new Promise((resolve) => {
      const tell = (events: readonly DocumentEvent[]): void => {
        documents.emit(events)
      }
      let failure: KithmeshError | undefined
      let endProgress: (() => void) | undefined
      // An idle replication leaves the processor alone.
      const watchProgress = (busy: boolean): void => {
        endProgress?.()
        endProgress = busy ? clock.every(PROGRESS_MS, tellProgress) : undefined
      }
      const session = new ReplicationSession({
        role: 'active',
        blip: blipOver(connection, options, logger).blip,
        store,
        scheduler: options.scheduler ?? eventLoop,
        logger,
        now: () => clock.now(),
        push,
        pull,
        continuous: options.continuous ?? false,
        collections: targets,
        remoteUid: options.endpoint.uid,
        resetCheckpoint,
        skipOldTombstones: options.skipOldTombstones,
        deltas: options.deltas,
        sharedRequests: options.sharedRequests,
        autoPurge: options.autoPurge,
        legacy: connection.protocol === LEGACY_PROTOCOL,
        legacyFallback: options.legacy,
        ...(options.maxDocumentBytes !== undefined && { limits: { maxDocumentBytes: options.maxDocumentBytes } }),
        ...(options.checkpointIntervalMs !== undefined && { checkpointIntervalMs: options.checkpointIntervalMs }),
        events: {
          began: () => {
            // Not only once it is idle: stopped before, it would end with the error of an attempt that a later one made good.
            tellError(undefined)
            tellActivity('busy')
          },
          activity: (activity) => {
            watchProgress(activity === 'busy')
            tellActivity(activity)
          },
          get documents() {
            return documents.size > 0 ? tell : undefined
          },
          ended: (error) => {
            endTicks()
            watchProgress(false)
            this.#cancelGrace?.()
            this.#cancelGrace = undefined
            this.#before = addStatistics(this.#before, session.statistics)
            this.#session = undefined
            resolve({ error: error ?? failure, began: session.began })
          }
        }
      })
      this.#session = session
      const endTicks = tickEvery(clock, session)
      watchProgress(true)
      tellActivity('busy')
      try {
        session.start()
      } catch (cause) {
        failure = replicatorErrors.create('ERR_REPL_STORE', 'The replication could not begin', { cause })
        session.close(1000)
      }
    })
  }
}

/** Resolves when one of them aborts. */
async function aborted(...signals: readonly AbortSignal[]): Promise<void> {
  const { signal, release } = joinSignals(...signals)
  if (!signal.aborted) await once(signal, 'abort')
  release()
}

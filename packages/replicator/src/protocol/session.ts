import type { KithmeshError, SocketCloseInfo } from '@kithmesh/core'
import type { IncomingRequest } from '@kithmesh/blip'
import { replicatorErrors } from '../errors.ts'
import { COLLECTION_PROFILES } from './collection-session.ts'
import type { CollectionSession } from './collection-session.ts'
import { newStatistics } from './context.ts'
import type { DocumentEvent, SessionContext, SessionStatistics } from './context.ts'
import { DEFAULT_LIMITS } from './limits.ts'
import { MessageError } from './messages.ts'
import { SessionCollections } from './session-collections.ts'
import type { ActiveSessionOptions, PassiveSessionOptions } from './session-options.ts'
import { versioningOf } from './versioning-of.ts'
import { WaitingBytes } from './waiting-bytes.ts'

/**
 * One replication conversation over one BLIP connection: a state machine without sockets or timers of its own. Its owner calls
 * {@link tick} about once a second.
 */
export class ReplicationSession {
  readonly #options: ActiveSessionOptions | PassiveSessionOptions
  readonly #context: SessionContext
  readonly #collections: SessionCollections
  readonly statistics: SessionStatistics = newStatistics()
  #closed = false
  #closing = false
  #activity: 'busy' | 'idle' = 'busy'
  #error: KithmeshError | undefined
  /** What the peer was told, because of which it will go. */
  #refusal: KithmeshError | undefined
  #transient = false
  #evaluating = false
  #documents: DocumentEvent[] = []
  #touched = true
  #lastTouch = 0
  #lastSave = 0
  /** What was there at the beginning is replicated. From then on checkpoints are saved by the clock: one after every edit would cost more than the edit. */
  #caughtUp = false
  #resolvedBefore = 0

  constructor(options: ActiveSessionOptions | PassiveSessionOptions) {
    this.#options = options
    // The parts see the session through this; closures keep its inner state private.
    const closed = (): boolean => this.#closed
    const limits = { ...DEFAULT_LIMITS, ...options.limits }
    this.#context = {
      active: options.role === 'active',
      peerId: options.role === 'active' ? options.remoteUid : (options.peerId ?? ''),
      continuous: options.role === 'active' && options.continuous,
      legacy: options.legacy === true,
      protectBlobs: options.role === 'passive' && options.protectBlobs === true,
      autoPurge: options.role === 'active' && options.autoPurge !== false,
      skipOldTombstones: options.role === 'active' && options.skipOldTombstones === true,
      deltas: options.deltas ?? options.role === 'active',
      blip: options.blip,
      store: options.store,
      versioning: versioningOf(options.store),
      limits,
      waiting: new WaitingBytes(limits.maxBytesWaiting, options.bufferBudget, (error) => {
        this.#fail(error, true)
      }),
      sharedRequests: options.sharedRequests,
      logger: options.logger,
      scheduler: options.scheduler,
      statistics: this.statistics,
      now: options.now,
      get closed() {
        return closed()
      },
      get wantsDocuments() {
        return options.events.documents !== undefined
      },
      documentEnded: (event) => {
        this.#documentEnded(event)
      },
      changed: () => {
        this.#changed()
      },
      touch: () => {
        this.#touched = true
      },
      refuse: (error) => {
        this.#refusal ??= error
      },
      fail: (error, transient) => {
        this.#fail(error, transient)
      }
    }
    this.#collections = new SessionCollections(this.#context, options)
    options.blip.onClosed((info) => {
      this.#onClosed(info)
    })
    options.blip.handle('getCollections', (request) => {
      this.#guarded(request, () => {
        this.#collections.answer(request)
      })
    })
    for (const profile of COLLECTION_PROFILES)
      options.blip.handle(profile, (request) => {
        this.#dispatch(request)
      })
  }

  get activity(): 'busy' | 'idle' {
    return this.#activity
  }
  /** The peer answered the first message, or sent it. */
  get began(): boolean {
    return this.#collections.begun
  }
  get closed(): boolean {
    return this.#closed
  }
  get collections(): readonly CollectionSession[] {
    return this.#collections.list
  }

  /** Active side: sends the first message. The passive side just waits. */
  start(): void {
    if (this.#options.role === 'passive') return
    this.#collections.request(this.#options, (checkpoints) => {
      if (!this.#closing) {
        this.#collections.begin(checkpoints)
        this.#options.events.began?.()
      }
      this.#changed()
    })
  }

  /** Saves the checkpoint and closes with 1000; `ended` follows. Without a begun conversation it closes at once. */
  stop(): void {
    if (this.#closed || this.#closing) return
    this.#closing = true
    for (const collection of this.collections) collection.stop()
    if (this.began) for (const collection of this.collections) collection.checkpointer?.save()
    this.#changed()
  }

  /** Closes at once, without saving anything; `ended` follows without an error. */
  close(code: 1000 | 1001 | 4001): void {
    if (this.#closed) return
    this.#closing = true
    for (const collection of this.collections) collection.stop()
    this.#options.blip.close(code)
  }

  /** To be called about once a second with wall-clock milliseconds: checkpoints, deadlines, second tries. */
  tick(now: number): void {
    if (this.#closed) return
    if (this.#touched || this.#lastTouch === 0) {
      this.#touched = false
      this.#lastTouch = now
    }
    if (this.#lastSave === 0) this.#lastSave = now
    // A clock that was set back must not stretch the deadlines.
    if (now < this.#lastTouch) this.#lastTouch = now
    const { limits } = this.#context
    const silence = now - this.#lastTouch
    const active = this.#options.role === 'active'
    if (!this.began && silence >= limits.firstReplyMs) {
      this.#fail(timeout(`${active ? 'the answer to the first message' : 'a first message'} within ${limits.firstReplyMs} ms`), true)
      return
    }
    if (silence >= limits.inactivityMs && (this.#closing || this.collections.some((collection) => collection.waiting))) {
      this.#fail(timeout(`anything for ${limits.inactivityMs} ms`), true)
      return
    }
    for (const collection of this.collections) collection.tick(now)
    if (active && this.began && Math.abs(now - this.#lastSave) >= (this.#options.checkpointIntervalMs ?? 5000)) {
      this.#lastSave = now
      for (const collection of this.collections) collection.checkpointer?.save()
    }
  }

  #dispatch(request: IncomingRequest): void {
    this.#touched = true
    this.#guarded(request, () => {
      this.#collections.of(request).onRequest(request)
    })
  }

  #guarded(request: IncomingRequest, work: () => void): void {
    if (this.#closed) return
    try {
      work()
    } catch (cause) {
      if (cause instanceof MessageError) {
        request.respondError(cause.domain, cause.status, cause.message)
        this.#options.logger.debug('A message was refused', { profile: request.profile, reason: cause.message })
      } else {
        request.respondError('HTTP', 500, 'the request failed')
        this.#fail(replicatorErrors.create('ERR_REPL_STORE', `The message ${request.profile} could not be handled`, { cause }), false)
      }
    }
    this.#changed()
  }

  #documentEnded(event: DocumentEvent): void {
    if (event.error !== undefined)
      this.#options.logger.info('A document was not replicated', { id: event.id, direction: event.direction, error: event.error })
    if (this.#options.events.documents === undefined) return
    this.#documents.push(event)
    this.#changed()
  }

  #changed(): void {
    if (this.#evaluating || this.#closed) return
    this.#evaluating = true
    this.#context.scheduler.soon(() => {
      this.#evaluating = false
      this.#evaluate()
    })
  }

  #evaluate(): void {
    this.#tellDocuments()
    if (this.#closed || !this.began) {
      if (this.#closing && !this.#closed) this.#options.blip.close(1000)
      return
    }
    if (this.#closing) {
      // Something may have been done after what was being saved when `stop` came.
      for (const collection of this.collections) collection.checkpointer?.save()
      if (!this.#saving) this.#options.blip.close(1000)
      return
    }
    const idle = this.collections.every((collection) => collection.idle)
    if (idle && this.statistics.conflictsResolved !== this.#resolvedBefore && !this.#context.continuous) {
      this.#resolvedBefore = this.statistics.conflictsResolved
      for (const collection of this.collections) collection.pokePusher()
      // Without a pusher nothing else would look again.
      this.#changed()
      return
    }
    if (idle && this.#options.role === 'active') {
      if (!this.#context.continuous || !this.#caughtUp) for (const collection of this.collections) collection.checkpointer?.save()
      this.#caughtUp = true
      if (!this.#context.continuous) {
        if (!this.#saving) this.stop()
        else for (const collection of this.collections) collection.rest()
        return
      }
    }
    const activity = idle ? 'idle' : 'busy'
    if (activity === this.#activity) return
    this.#activity = activity
    this.#options.events.activity?.(activity)
  }

  get #saving(): boolean {
    return this.collections.some((collection) => collection.checkpointer?.saving === true)
  }

  #tellDocuments(): void {
    if (this.#documents.length === 0) return
    const events = this.#documents
    this.#documents = []
    this.#options.events.documents?.(events)
  }

  #fail(error: KithmeshError, transient: boolean): void {
    if (this.#closed || this.#error !== undefined) return
    this.#error = error
    this.#transient = transient
    for (const collection of this.collections) collection.stop()
    this.#options.blip.close(transient ? 4001 : 4002, error.message.slice(0, 100))
  }

  #onClosed(info: SocketCloseInfo): void {
    if (this.#closed) return
    for (const collection of this.collections) collection.stop()
    this.#closed = true
    this.#context.waiting.close()
    this.#tellDocuments()
    const { events } = this.#options
    const normal = this.#closing || (this.#options.role === 'passive' && info.code === 1000)
    const error = this.#error ?? this.#refusal
    if (error !== undefined || normal) events.ended(error, this.#transient, info)
    else {
      const error = replicatorErrors.create(
        'ERR_REPL_CLOSED',
        `The peer closed the connection (${info.code}${info.reason === '' ? '' : ` ${info.reason}`})`,
        {
          ...(info.error !== undefined && { cause: info.error }),
          details: { code: info.code, reason: info.reason }
        }
      )
      events.ended(error, info.code === 4001 || info.code === 1006, info)
    }
  }
}

function timeout(what: string): KithmeshError {
  return replicatorErrors.create('ERR_REPL_TIMEOUT', `The peer did not send ${what}`)
}

import type { KithmeshError, Logger, SocketCloseInfo } from '@kithmesh/core'
import type { ReplicationStore } from '@kithmesh/database/replication'
import type { BlipPeer, IncomingRequest, Reply } from '../blip/contracts.ts'
import { replicatorErrors } from '../error-catalogue.ts'
import { checkpointReply } from './checkpointer.ts'
import { CollectionSession } from './collection-session.ts'
import { formatCollectionPath, isDefaultCollection, parseCollectionPath } from './collection-path.ts'
import type { CollectionName } from './collection-path.ts'
import { isTransientStatus, newStatistics, remoteError } from './context.ts'
import type { DocumentEvent, Scheduler, SessionCollection, SessionContext, SessionStatistics } from './context.ts'
import { DEFAULT_LIMITS } from './limits.ts'
import type { SessionLimits } from './limits.ts'
import { MessageError, encodeGetCollections, parseGetCollections, parseJson } from './messages.ts'
import type { Versioning } from './versioning.ts'

export interface SessionEvents {
  /** Changes between working and having nothing to do; `idle` of a one-shot session precedes its end. */
  activity?: ((activity: 'busy' | 'idle') => void) | undefined
  /** Documents that ended since the last call, at most once per turn of the event loop. */
  documents?: ((events: readonly DocumentEvent[]) => void) | undefined
  /**
   * Called once, when the connection is gone. Without `error` the session ended by itself or by `stop`;
   * `transient` says that another connection may do better.
   */
  ended: (error: KithmeshError | undefined, transient: boolean, close: SocketCloseInfo) => void
}

interface CommonOptions {
  readonly blip: BlipPeer
  readonly store: ReplicationStore
  readonly versioning: Versioning
  readonly scheduler: Scheduler
  readonly logger: Logger
  /** Wall-clock milliseconds. */
  readonly now: () => number
  readonly events: SessionEvents
  readonly limits?: Partial<SessionLimits>
  readonly checkpointIntervalMs?: number
}

export interface ActiveSessionOptions extends CommonOptions {
  readonly role: 'active'
  readonly push: boolean
  readonly pull: boolean
  readonly continuous: boolean
  readonly collections: readonly SessionCollection[]
  /** Stable name of the remote; checkpoints and remote ancestors hang on it. */
  readonly remoteUid: string
  /**
   * Leave out tombstones when pulling into an empty collection for the first time. Saves time with a server that keeps many; among peers
   * that also replicate with others, a deletion left out can let the document come back. @default false
   */
  readonly skipOldTombstones?: boolean | undefined
  /** Forget what earlier sessions did. */
  readonly resetCheckpoint?: boolean
}

export interface PassiveSessionOptions extends CommonOptions {
  readonly role: 'passive'
  /** The peer may pull from us. */
  readonly allowPush: boolean
  /** The peer may push to us. */
  readonly allowPull: boolean
  /** The collection of a path, or undefined when there is none (for this peer). */
  readonly collection: (name: CollectionName) => SessionCollection | undefined
}

const PROFILES = [
  'getCheckpoint',
  'setCheckpoint',
  'subChanges',
  'changes',
  'proposeChanges',
  'rev',
  'norev',
  'getAttachment',
  'proveAttachment'
]

/**
 * Longer than most files here: both roles of a conversation share its beginning, deadlines and end.
 *
 * One replication conversation over one BLIP connection: a state machine without sockets or timers of its own. Its owner calls
 * {@link tick} about once a second.
 */
export class ReplicationSession {
  readonly #options: ActiveSessionOptions | PassiveSessionOptions
  readonly #context: SessionContext
  readonly #collections: CollectionSession[] = []
  readonly statistics: SessionStatistics = newStatistics()
  /** Passive: legacy mode has no `collection` property and means the default collection. */
  #mode: 'new' | 'collections' | 'legacy' = 'new'
  #closed = false
  #closing = false
  #began = false
  #activity: 'busy' | 'idle' = 'busy'
  #error: KithmeshError | undefined
  #transient = false
  #evaluating = false
  #documents: DocumentEvent[] = []
  #touched = true
  #lastTouch = 0
  #lastSave = 0
  #resolvedBefore = 0

  constructor(options: ActiveSessionOptions | PassiveSessionOptions) {
    this.#options = options
    // The parts see the session through this; closures keep its inner state private.
    const closed = (): boolean => this.#closed
    this.#context = {
      active: options.role === 'active',
      continuous: options.role === 'active' && options.continuous,
      skipOldTombstones: options.role === 'active' && options.skipOldTombstones === true,
      blip: options.blip,
      store: options.store,
      versioning: options.versioning,
      limits: { ...DEFAULT_LIMITS, ...options.limits },
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
      fail: (error, transient) => {
        this.#fail(error, transient)
      }
    }
    options.blip.onClosed((info) => {
      this.#onClosed(info)
    })
    options.blip.handle('getCollections', (request) => {
      this.#guarded(request, () => {
        this.#onGetCollections(request)
      })
    })
    options.blip.handle('PING', (request) => {
      request.respond()
    })
    for (const profile of PROFILES)
      options.blip.handle(profile, (request) => {
        this.#dispatch(request)
      })
  }

  get activity(): 'busy' | 'idle' {
    return this.#activity
  }
  /** The peer answered the first message, or sent it. */
  get began(): boolean {
    return this.#began
  }
  get closed(): boolean {
    return this.#closed
  }
  get collections(): readonly CollectionSession[] {
    return this.#collections
  }

  /** Active side: sends the first message. The passive side just waits. */
  start(): void {
    const options = this.#options
    if (options.role === 'passive') return
    options.collections.forEach((target, index) => {
      this.#collections.push(
        new CollectionSession(this.#context, { index, target, push: options.push, pull: options.pull, remoteUid: options.remoteUid })
      )
    })
    const checkpointIds = this.#collections.map((collection) => collection.checkpointer?.id ?? '')
    if (options.resetCheckpoint === true) for (const id of checkpointIds) options.store.setLocalCheckpoint(id, undefined)
    options.blip.request(
      {
        profile: 'getCollections',
        properties: { uuid: options.store.publicUuid },
        body: encodeGetCollections({
          checkpointIds,
          collections: options.collections.map(({ collection }) => formatCollectionPath(collection))
        })
      },
      (reply) => {
        this.#onCollections(reply)
      }
    )
  }

  /** Saves the checkpoint and closes with 1000; `ended` follows. Without a begun conversation it closes at once. */
  stop(): void {
    if (this.#closed || this.#closing) return
    this.#closing = true
    for (const collection of this.#collections) collection.stop()
    if (this.#began) for (const collection of this.#collections) collection.checkpointer?.save()
    this.#changed()
  }

  /** Closes at once, without saving anything; `ended` follows without an error. */
  close(code: 1000 | 4001): void {
    if (this.#closed) return
    this.#closing = true
    for (const collection of this.#collections) collection.stop()
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
    if (!this.#began && silence >= limits.firstReplyMs) {
      this.#fail(timeout(`${active ? 'the answer to getCollections' : 'a first message'} within ${limits.firstReplyMs} ms`), true)
      return
    }
    if (silence >= limits.inactivityMs && (this.#closing || this.#collections.some((collection) => collection.waiting))) {
      this.#fail(timeout(`anything for ${limits.inactivityMs} ms`), true)
      return
    }
    for (const collection of this.#collections) collection.tick(now)
    if (active && this.#began && Math.abs(now - this.#lastSave) >= (this.#options.checkpointIntervalMs ?? 5000)) {
      this.#lastSave = now
      for (const collection of this.#collections) collection.checkpointer?.save()
    }
  }

  // ---- Active side

  #onCollections(reply: Reply): void {
    if (this.#closed || reply.kind === 'disconnected') return
    this.#touched = true
    if (reply.kind === 'error') {
      this.#fail(remoteError('getCollections', reply), isTransientStatus(reply.code))
      return
    }
    let entries: unknown
    try {
      entries = parseJson(reply.body, 'the answer to getCollections')
    } catch {
      entries = undefined
    }
    if (!Array.isArray(entries) || entries.length !== this.#collections.length || entries.some((entry) => typeof entry !== 'object')) {
      this.#fail(
        replicatorErrors.create(
          'ERR_REPL_BAD_MESSAGE',
          'The peer answered getCollections with something else than one entry per collection'
        ),
        false
      )
      return
    }
    const missing = entries.indexOf(null)
    const absent = this.#collections[missing]
    if (absent !== undefined) {
      const path = formatCollectionPath(absent.target.collection)
      this.#fail(
        replicatorErrors.create('ERR_REPL_COLLECTION_MISSING', `Collection "${path}" is not found on the remote server`, {
          details: { collection: path, status: 404 }
        }),
        false
      )
      return
    }
    if (this.#closing) {
      this.#changed()
      return
    }
    this.#began = true
    this.#collections.forEach((collection, i) => {
      collection.begin(entries[i])
    })
    this.#changed()
  }

  // ---- Passive side

  #onGetCollections(request: IncomingRequest): void {
    const options = this.#options
    if (options.role === 'active') throw new MessageError('BLIP', 400, 'getCollections sent to an active replicator')
    if (this.#mode !== 'new') throw new MessageError('BLIP', 400, 'Invalid getCollections message: not the first message')
    const { collections, checkpointIds } = parseGetCollections(request)
    this.#mode = 'collections'
    const targets = collections.map((path) => {
      const name = parseCollectionPath(path)
      return name === undefined ? undefined : options.collection(name)
    })
    // 2. With one collection missing the client is to close; no workers are set up.
    if (!targets.includes(undefined)) {
      targets.forEach((target, index) => {
        if (target !== undefined) this.#addPassive(index, target)
      })
      this.#began = true
    }
    request.respond({
      body: Buffer.from(
        JSON.stringify(targets.map((target, i) => (target === undefined ? null : checkpointReply(this.#context, checkpointIds[i] ?? ''))))
      )
    })
  }

  #addPassive(index: number | undefined, target: SessionCollection): void {
    const options = this.#options as PassiveSessionOptions
    this.#collections.push(
      new CollectionSession(this.#context, { index, target, push: options.allowPush, pull: options.allowPull, remoteUid: undefined })
    )
  }

  /** 2. Older clients start with `getCheckpoint` and mean the default collection. */
  #startLegacy(): void {
    const options = this.#options
    if (options.role === 'active') return
    const target = options.collection({ scope: '_default', name: '_default' })
    if (target === undefined || !isDefaultCollection(target.collection))
      throw new MessageError('HTTP', 404, 'The default collection is not replicated here')
    this.#mode = 'legacy'
    this.#addPassive(undefined, target)
    this.#began = true
  }

  // ---- Both

  #dispatch(request: IncomingRequest): void {
    this.#touched = true
    this.#guarded(request, () => {
      this.#collectionOf(request).onRequest(request)
    })
  }

  #collectionOf(request: IncomingRequest): CollectionSession {
    const text = request.properties['collection']
    if (this.#mode === 'new' && text === undefined && this.#options.role === 'passive') this.#startLegacy()
    const legacy = this.#mode === 'legacy'
    if (legacy !== (text === undefined)) throw new MessageError('HTTP', 400, 'inappropriate use of the collection property.')
    const collection = this.#collections[legacy ? 0 : /^\d{1,6}$/.test(text ?? '') ? Number(text) : -1]
    if (collection === undefined) throw new MessageError('HTTP', 400, 'the collection property is out of range.')
    return collection
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
    if (this.#closed || !this.#began) {
      if (this.#closing && !this.#closed) this.#options.blip.close(1000)
      return
    }
    const saving = this.#collections.some((collection) => collection.checkpointer?.saving === true)
    if (this.#closing) {
      if (!saving) this.#options.blip.close(1000)
      return
    }
    const idle = this.#collections.every((collection) => collection.idle)
    if (idle && this.statistics.conflictsResolved !== this.#resolvedBefore && !this.#context.continuous) {
      this.#resolvedBefore = this.statistics.conflictsResolved
      for (const collection of this.#collections) collection.pokePusher()
      return
    }
    if (idle && this.#options.role === 'active') {
      for (const collection of this.#collections) collection.checkpointer?.save()
      if (!this.#context.continuous) {
        if (!this.#collections.some((collection) => collection.checkpointer?.saving === true)) this.stop()
        return
      }
    }
    const activity = idle ? 'idle' : 'busy'
    if (activity === this.#activity) return
    this.#activity = activity
    this.#options.events.activity?.(activity)
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
    for (const collection of this.#collections) collection.stop()
    this.#options.blip.close(transient ? 4001 : 4002, error.message.slice(0, 100))
  }

  #onClosed(info: SocketCloseInfo): void {
    if (this.#closed) return
    for (const collection of this.#collections) collection.stop()
    this.#closed = true
    this.#tellDocuments()
    const { events } = this.#options
    const normal = this.#closing || (this.#options.role === 'passive' && info.code === 1000)
    if (this.#error !== undefined || normal) events.ended(this.#error, this.#transient, info)
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

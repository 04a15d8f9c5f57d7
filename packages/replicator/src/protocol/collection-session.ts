import type { IncomingRequest, Properties } from '@kithmesh/blip'
import { EMPTY_CHECKPOINT } from './checkpoint.ts'
import type { Checkpoint } from './checkpoint.ts'
import { Checkpointer, checkpointId, serveGetCheckpoint, serveSetCheckpoint } from './checkpointer.ts'
import type { SessionCollection, SessionContext } from './context.ts'
import { serveAttachment, serveProof } from './serve-attachment.ts'
import { serveGetRev } from './connected-client.ts'
import { MessageError, incompatibleVersioning, parseSubChanges } from './messages.ts'
import { ownAbilities } from './own-properties.ts'
import { PullProgress, PushProgress } from './progress.ts'
import { Puller } from './puller.ts'
import { Pusher } from './pusher.ts'
import { versioningError } from '../sub-protocols.ts'

/** The requests that are about one collection. */
export const COLLECTION_PROFILES: readonly string[] = [
  'getCheckpoint',
  'setCheckpoint',
  'subChanges',
  'changes',
  'proposeChanges',
  'rev',
  'norev',
  'getAttachment',
  'proveAttachment',
  'unsubChanges',
  'getRev',
  'putRev'
]

export interface CollectionSessionOptions {
  /** Position in `getCollections`; undefined in legacy mode. */
  readonly index: number | undefined
  readonly target: SessionCollection
  /** Active: we push. Passive: the peer may pull. */
  readonly push: boolean
  /** Active: we pull. Passive: the peer may push. */
  readonly pull: boolean
  /** Stable name of the remote; only the active side has one. */
  readonly remoteUid: string | undefined
}

/** One collection in one session: its pusher, puller and checkpoint. */
export class CollectionSession {
  readonly #context: SessionContext
  readonly #options: CollectionSessionOptions
  readonly #documentIds: ReadonlySet<string> | undefined
  #remote: number | undefined
  readonly #checkpointer: Checkpointer | undefined
  #pusher: Pusher | undefined
  #puller: Puller | undefined
  #pushProgress: PushProgress | undefined
  #pullProgress: PullProgress | undefined
  #start: Checkpoint = EMPTY_CHECKPOINT

  constructor(context: SessionContext, options: CollectionSessionOptions) {
    this.#context = context
    this.#options = options
    const { target, index, push, pull, remoteUid } = options
    const { scope, name } = target.collection
    this.#documentIds = target.documentIds === undefined ? undefined : new Set(target.documentIds)
    this.#remote = remoteUid === undefined ? undefined : target.collection.remoteId(remoteUid)
    if (remoteUid !== undefined) {
      const id = checkpointId({
        privateUuid: context.store.privateUuid,
        scope,
        name,
        remoteUid,
        push,
        pull,
        documentIds: target.documentIds,
        channels: target.channels
      })
      this.#checkpointer = new Checkpointer(context, index, id, () => this.#checkpoint())
    } else if (pull) this.#puller = this.#newPuller(undefined)
    // Whether the peer takes deltas is not known yet; what it has may be replaced before it says so.
    if (push && context.deltas) target.collection.keepBases?.({ takesDeltas: undefined })
  }

  get target(): SessionCollection {
    return this.#options.target
  }
  get checkpointer(): Checkpointer | undefined {
    return this.#checkpointer
  }
  get pushProgress(): PushProgress | undefined {
    return this.#pushProgress
  }
  get idle(): boolean {
    return this.#pusher?.idle !== false && this.#puller?.idle !== false
  }
  /** The peer owes an answer. */
  get waiting(): boolean {
    return this.#pusher?.waiting === true || this.#puller?.waiting === true
  }

  /** Starts the active side, `remoteCheckpoint` being the peer's entry in the `getCollections` reply, and `properties` those of that reply. */
  begin(remoteCheckpoint: unknown, properties: Properties): void {
    const { push, pull, target, index } = this.#options
    this.#start = this.#checkpointer?.begin(remoteCheckpoint) ?? EMPTY_CHECKPOINT
    const { remoteUid } = this.#options
    const remembered = this.#checkpointer?.remembered === true
    if (remoteUid !== undefined && !remembered) this.#remote = target.collection.renewRemote(remoteUid)
    if (pull) {
      this.#pullProgress = new PullProgress(this.#start.remote)
      this.#puller = this.#newPuller(this.#pullProgress)
    }
    if (push) {
      this.#pushProgress = new PushProgress(this.#start.completed)
      this.#pusher = new Pusher(this.#context, {
        index,
        target,
        progress: this.#pushProgress,
        live: this.#context.continuous,
        activeOnly: false,
        documentIds: this.#documentIds,
        remote: this.#remote,
        pulls: pull,
        peer: ownAbilities(properties, this.#context.versioning),
        sendReplacementRevs: false,
        mayRecord: () => this.#puller?.storing !== true,
        acknowledged: (id) => {
          this.#puller?.pushed(id)
        }
      })
    }
    this.#puller?.start(remembered)
    this.#pusher?.start()
  }

  /** One-shot: nothing is left but the peer's answer to the checkpoint. What can wait is stored meanwhile. */
  rest(): void {
    this.#pusher?.rest()
  }

  stop(): void {
    this.#pusher?.stop()
    this.#puller?.stop()
  }

  tick(now: number): void {
    this.#pusher?.tick(now)
    this.#puller?.tick(now)
  }

  /** Resolutions made while a one-shot replication was pulling are new changes to push. */
  pokePusher(): void {
    this.#pusher?.poke()
  }

  /**
   * A request of this collection.
   * @throws MessageError to be answered.
   */
  onRequest(request: IncomingRequest): void {
    switch (request.profile) {
      case 'rev':
        this.#pullerOf().onRev(request)
        return
      case 'changes':
        // 6. Peers that push must propose.
        if (!this.#context.active) throw new MessageError('BLIP', 409, 'Use proposeChanges instead')
        this.#pullerOf().onList(request)
        return
      case 'proposeChanges':
        if (this.#context.active) throw new MessageError('BLIP', 403, 'Attempting to push to an active replicator')
        this.#pullerOf().onList(request)
        return
      case 'norev':
        this.#pullerOf().onNorev(request)
        return
      case 'subChanges':
        this.#onSubChanges(request)
        return
      case 'unsubChanges':
        this.#onUnsubChanges(request)
        return
      case 'getRev':
        if (this.#context.active || !this.#options.push)
          throw new MessageError('HTTP', 403, 'Attempting to pull from a push-only replicator')
        serveGetRev(this.#context, this.#options.target, this.#documentIds, request)
        return
      case 'putRev':
        if (this.#context.active) throw new MessageError('BLIP', 404, 'no handler for message')
        this.#pullerOf().onRev(request)
        return
      case 'getAttachment':
        this.#checkMayHaveBlob(request)
        serveAttachment(this.#context, request)
        return
      case 'proveAttachment':
        serveProof(this.#context, request)
        return
      case 'getCheckpoint':
        serveGetCheckpoint(this.#context, request)
        return
      case 'setCheckpoint':
        serveSetCheckpoint(this.#context, request)
        this.#pusher?.checkpointed()
        return
      default:
        throw new MessageError('BLIP', 404, 'no handler for message')
    }
  }

  #pullerOf(): Puller {
    if (this.#puller === undefined) throw new MessageError('HTTP', 403, 'Attempting to push to a pull-only replicator')
    return this.#puller
  }

  #newPuller(progress: PullProgress | undefined): Puller {
    return new Puller(this.#context, {
      index: this.#options.index,
      target: this.#options.target,
      documentIds: this.#documentIds,
      remote: this.#remote,
      checkpoint: this.#checkpointer?.id,
      progress,
      inserted: (sequence) => {
        this.#pusher?.echo(sequence)
      },
      anyPusher: () => this.#pusher,
      pusher: () => (this.#context.active ? this.#pusher : undefined)
    })
  }

  /** 5. A passive side begins to push. */
  #onSubChanges(request: IncomingRequest): void {
    const { push, pull, target, index } = this.#options
    if (this.#context.active || !push) throw new MessageError('HTTP', 403, 'Attempting to pull from a push-only replicator')
    const sub = parseSubChanges(request)
    const { name, accepts } = this.#context.versioning
    const { versioning } = request.properties
    if (!accepts(versioning)) {
      this.#context.refuse(
        versioningError(`The peer asked for documents with ${versioning ?? 'revision trees'}; this database has ${name}`, name)
      )
      throw incompatibleVersioning()
    }
    if (this.#pusher !== undefined) {
      request.respondError('LiteCore', 501, 'Already subscribed.')
      return
    }
    const own = this.#documentIds
    const documentIds = sub.docIds === undefined ? own : new Set(own === undefined ? sub.docIds : sub.docIds.filter((id) => own.has(id)))
    this.#pusher = new Pusher(this.#context, {
      index,
      target,
      progress: new PushProgress([[0, sub.since + 1]]),
      live: sub.continuous,
      activeOnly: sub.activeOnly,
      documentIds,
      remote: undefined,
      pulls: pull,
      sendReplacementRevs: sub.sendReplacementRevs,
      mayRecord: () => true
    })
    request.respond()
    this.#pusher.start()
  }

  /** 9. Where blobs are protected, they go only to peers that are being sent a document with them. */
  #checkMayHaveBlob({ properties: { digest = '', docID } }: IncomingRequest): void {
    const { protectBlobs, legacy } = this.#context
    if (!protectBlobs) return
    if (docID === undefined && !legacy) throw new MessageError('HTTP', 400, "Missing 'docID'")
    if (this.#pusher?.offersBlob(docID, digest) !== true) throw new MessageError('HTTP', 403, "Attachment's doc not being synced")
  }

  /** 10. The subscriber has enough; it may subscribe again. */
  #onUnsubChanges(request: IncomingRequest): void {
    if (this.#context.active) throw new MessageError('BLIP', 404, 'no handler for message')
    this.#pusher?.stop()
    this.#pusher = undefined
    request.respond()
  }

  #checkpoint(): Checkpoint {
    const completed = this.#pushProgress?.completed() ?? this.#start.completed
    const remote = this.#pullProgress === undefined ? this.#start.remote : this.#pullProgress.reached
    return remote === undefined ? { completed } : { completed, remote }
  }
}

import type { IncomingRequest, Properties, Reply } from '@kithmesh/blip'
import { replicatorErrors } from '../errors.ts'
import { checkpointReply } from './checkpointer.ts'
import { formatCollectionPath, isDefaultCollection, parseCollectionPath } from './collection-path.ts'
import { CollectionSession } from './collection-session.ts'
import { isTransientStatus, remoteError } from './context.ts'
import type { SessionCollection, SessionContext } from './context.ts'
import { MessageError, encodeGetCollections, parseGetCollections, parseJson } from './messages.ts'
import { ownProperties } from './own-properties.ts'
import type { ActiveSessionOptions, PassiveSessionOptions } from './session-options.ts'

/**
 * The collections of a conversation: its first message says which they are, and every later one names its own by position
 * (cbmobile.md §2).
 */
export class SessionCollections {
  readonly #context: SessionContext
  readonly #options: ActiveSessionOptions | PassiveSessionOptions
  readonly #list: CollectionSession[] = []
  /** Passive: legacy mode has no `collection` property and means the default collection. */
  #mode: 'new' | 'collections' | 'legacy' = 'new'
  #begun = false
  /** Of the answer to `getCollections`. */
  #peerProperties: Properties = {}

  constructor(context: SessionContext, options: ActiveSessionOptions | PassiveSessionOptions) {
    this.#context = context
    this.#options = options
  }

  get list(): readonly CollectionSession[] {
    return this.#list
  }
  /** Both sides know the collections. */
  get begun(): boolean {
    return this.#begun
  }

  /**
   * The collection that a message is about. On the passive side the first message may be of an older client.
   * @throws MessageError
   */
  of(request: IncomingRequest): CollectionSession {
    const text = request.properties['collection']
    if (this.#mode === 'new' && text === undefined && this.#options.role === 'passive') this.#startLegacy()
    const legacy = this.#mode === 'legacy'
    if (legacy !== (text === undefined)) throw new MessageError('HTTP', 400, 'inappropriate use of the collection property.')
    const collection = this.#list[legacy ? 0 : /^\d{1,6}$/.test(text ?? '') ? Number(text) : -1]
    if (collection === undefined) throw new MessageError('HTTP', 400, 'the collection property is out of range.')
    return collection
  }

  // ---- Active side

  /** Sends the first message; `done` gets the peer's checkpoint of each collection, once it has them all. */
  request(options: ActiveSessionOptions, done: (checkpoints: readonly unknown[]) => void): void {
    if (this.#context.legacy) {
      this.#requestLegacy(options, done)
      return
    }
    const checkpointIds = this.#addActive(options, (index) => index)
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
        const unknown = reply.kind === 'error' && reply.domain === 'BLIP' && reply.code === 404
        if (unknown && options.legacyFallback === true) this.#requestLegacy(options, done)
        else this.#onReply(reply, done)
      }
    )
  }

  /** Adds the collections of an active session; returns the ids of their checkpoints. */
  #addActive(options: ActiveSessionOptions, indexOf: (position: number) => number | undefined): string[] {
    const { push, pull, remoteUid } = options
    this.#list.length = 0
    options.collections.forEach((target, position) => {
      this.#list.push(new CollectionSession(this.#context, { index: indexOf(position), target, push, pull, remoteUid }))
    })
    const ids = this.#list.map((collection) => collection.checkpointer?.id ?? '')
    if (options.resetCheckpoint === true) for (const id of ids) options.store.setLocalCheckpoint(id, undefined)
    return ids
  }

  /** 2. Older peers are asked for the checkpoint of the default collection, and know no other. */
  #requestLegacy(options: ActiveSessionOptions, done: (checkpoints: readonly unknown[]) => void): void {
    const other = options.collections.find(({ collection }) => !isDefaultCollection(collection))
    if (other !== undefined) {
      const collection = formatCollectionPath(other.collection)
      const message = `The peer speaks CBMobile_2, which knows only the default collection, not "${collection}"`
      this.#context.fail(replicatorErrors.create('ERR_REPL_COLLECTION_MISSING', message, { details: { collection } }), false)
      return
    }
    this.#mode = 'legacy'
    const [client = ''] = this.#addActive(options, () => undefined)
    options.blip.request({ profile: 'getCheckpoint', properties: { client } }, (reply) => {
      if (this.#context.closed || reply.kind === 'disconnected') return
      this.#context.touch()
      if (reply.kind === 'ok') done([checkpointOf(reply)])
      else if (reply.code === 404) done([{}])
      else this.#context.fail(remoteError('getCheckpoint', reply), isTransientStatus(reply.code))
    })
  }

  /** Starts the collections, with what `request` got. */
  begin(checkpoints: readonly unknown[]): void {
    this.#begun = true
    this.#list.forEach((collection, i) => {
      collection.begin(checkpoints[i], this.#peerProperties)
    })
  }

  #onReply(reply: Reply, done: (checkpoints: readonly unknown[]) => void): void {
    if (this.#context.closed || reply.kind === 'disconnected') return
    this.#context.touch()
    if (reply.kind === 'error') {
      this.#context.fail(remoteError('getCollections', reply), isTransientStatus(reply.code))
      return
    }
    let entries: unknown
    try {
      entries = parseJson(reply.body, 'the answer to getCollections')
    } catch {
      entries = undefined
    }
    if (!Array.isArray(entries) || entries.length !== this.#list.length || entries.some((entry) => typeof entry !== 'object')) {
      this.#context.fail(
        replicatorErrors.create(
          'ERR_REPL_BAD_MESSAGE',
          'The peer answered getCollections with something else than one entry per collection'
        ),
        false
      )
      return
    }
    const missing = entries.indexOf(null)
    const absent = this.#list[missing]
    if (absent !== undefined) {
      const path = formatCollectionPath(absent.target.collection)
      this.#context.fail(
        replicatorErrors.create('ERR_REPL_COLLECTION_MISSING', `Collection "${path}" is not found on the remote server`, {
          details: { collection: path, status: 404 }
        }),
        false
      )
      return
    }
    this.#peerProperties = reply.properties
    done(entries)
  }

  // ---- Passive side

  /** Answers `getCollections`. @throws MessageError */
  answer(request: IncomingRequest): void {
    const options = this.#options
    if (options.role === 'active') throw new MessageError('BLIP', 400, 'getCollections sent to an active replicator')
    if (this.#context.legacy) throw new MessageError('BLIP', 404, 'no handler for message')
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
      this.#begun = true
    }
    request.respond({
      properties: { ...ownProperties(this.#context.versioning), ...(this.#appliesDeltas(targets) && { takesDeltas: 'true' }) },
      body: Buffer.from(
        JSON.stringify(targets.map((target, i) => (target === undefined ? null : checkpointReply(this.#context, checkpointIds[i] ?? ''))))
      )
    })
  }

  #appliesDeltas(targets: readonly (SessionCollection | undefined)[]): boolean {
    return this.#context.deltas && targets.every((target) => target?.collection.bodyOf !== undefined)
  }

  #addPassive(index: number | undefined, target: SessionCollection): void {
    const options = this.#options as PassiveSessionOptions
    this.#list.push(
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
    this.#begun = true
  }
}

/** The answer to `getCheckpoint` in the form that `getCollections` has it. */
function checkpointOf({ properties, body }: Extract<Reply, { kind: 'ok' }>): unknown {
  const rev = properties['rev'] ?? properties['_rev']
  try {
    return { ...(JSON.parse(body.toString()) as object), rev }
  } catch {
    return { rev }
  }
}

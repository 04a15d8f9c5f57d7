import { createHash } from 'node:crypto'
import type { KithmeshError } from '@kithmesh/core'
import type { IncomingRequest, Reply } from '@kithmesh/blip'
import { EMPTY_CHECKPOINT, checkpointFrom, confirms, decodeCheckpoint, encodeCheckpoint, reconcile } from './checkpoint.ts'
import type { Checkpoint } from './checkpoint.ts'
import { remoteError, withCollection } from './context.ts'
import type { SessionContext } from './context.ts'
import { parseCheckpointClient } from './messages.ts'

/** What makes a checkpoint another one: the same answers must give the same id at every start, others a different one. */
export interface CheckpointIdentity {
  readonly privateUuid: string
  readonly scope: string
  readonly name: string
  readonly remoteUid: string
  readonly push: boolean
  readonly pull: boolean
  readonly documentIds: readonly string[] | undefined
  readonly channels?: readonly string[] | undefined
}

/** The id under which both sides keep a checkpoint; opaque to the peer (cbmobile.md §4). */
export function checkpointId(identity: CheckpointIdentity): string {
  const { privateUuid, scope, name, remoteUid, push, pull, documentIds, channels } = identity
  const parts: unknown[] = [privateUuid, scope, name, remoteUid, push, pull, documentIds === undefined ? null : [...documentIds].sort()]
  if (channels !== undefined) parts.push([...channels].sort())
  return `cp-${createHash('sha256').update(JSON.stringify(parts)).digest('base64')}`
}

const MAX_TRIES = 3

/** Keeps one collection's checkpoint at the peer and here (active side, cbmobile.md §4). */
export class Checkpointer {
  readonly #context: SessionContext
  readonly #index: number | undefined
  readonly #id: string
  /** What is to be saved now. */
  readonly #current: () => Checkpoint
  #remoteRev = ''
  #saved = ''
  #saving = false
  #tries = 0
  #remembered = false
  #lastError: KithmeshError | undefined

  constructor(context: SessionContext, index: number | undefined, id: string, current: () => Checkpoint) {
    this.#context = context
    this.#index = index
    this.#id = id
    this.#current = current
  }

  get id(): string {
    return this.#id
  }
  get saving(): boolean {
    return this.#saving
  }
  get lastError(): KithmeshError | undefined {
    return this.#lastError
  }

  /** Takes the peer's copy from the `getCollections` reply and returns where to start. */
  begin(remoteValue: unknown): Checkpoint {
    const stored = this.#context.store.getLocalCheckpoint(this.#id)
    const local = decodeCheckpoint(stored)
    const remote = checkpointFrom(remoteValue)
    // 17.1: Couchbase Lite says `rev`, Sync Gateway `_rev`.
    const { rev, _rev: otherRev } = (remoteValue ?? {}) as Record<string, unknown>
    this.#remoteRev = typeof rev === 'string' ? rev : typeof otherRev === 'string' ? otherRev : ''
    this.#remembered = stored !== undefined && this.#remoteRev !== '' && confirms(remote, local)
    const start = reconcile(local, remote)
    this.#saved = this.#key(this.#remoteRev === '' ? EMPTY_CHECKPOINT : remote)
    if (this.#remoteRev !== '' && this.#key(local) !== this.#key(remote)) this.#saved = ''
    return start
  }

  /** Whether the peer, as of `begin`, confirms all that we remember of it. If not, it may lack anything, whatever we noted. */
  get remembered(): boolean {
    return this.#remembered
  }

  get dirty(): boolean {
    return this.#key(this.#current()) !== this.#saved
  }

  /** Saves when something changed: at the peer first, here only after it agreed. `changed` of the context tells the end. */
  save(): void {
    if (this.#saving || this.#context.closed || !this.dirty) return
    this.#saving = true
    this.#tries = 0
    this.#put()
  }

  /** Without the time, which is informative. */
  #key(checkpoint: Checkpoint): string {
    return encodeCheckpoint(checkpoint, 0).toString()
  }

  #put(): void {
    const checkpoint = this.#current()
    const body = encodeCheckpoint(checkpoint, Math.floor(this.#context.now() / 1000))
    this.#context.blip.request(
      {
        profile: 'setCheckpoint',
        properties: withCollection(this.#index, { client: this.#id, rev: this.#remoteRev }),
        body
      },
      (reply) => {
        this.#onPut(checkpoint, body, reply)
      }
    )
  }

  #onPut(checkpoint: Checkpoint, body: Buffer, reply: Reply): void {
    if (reply.kind === 'disconnected') {
      this.#saving = false
      return
    }
    this.#context.touch()
    if (reply.kind === 'ok') {
      this.#remoteRev = reply.properties['rev'] ?? reply.properties['_rev'] ?? this.#remoteRev
      this.#saved = this.#key(checkpoint)
      this.#lastError = undefined
      try {
        this.#context.store.setLocalCheckpoint(this.#id, body)
      } catch (error) {
        this.#context.logger.warn('The checkpoint could not be stored here', { error })
      }
      this.#end()
    } else if (reply.code === 409 && ++this.#tries < MAX_TRIES) this.#reread()
    else this.#failed(remoteError('setCheckpoint', reply))
  }

  /** Somebody changed it, or we did not know its revision: read and try again. */
  #reread(): void {
    this.#context.blip.request({ profile: 'getCheckpoint', properties: withCollection(this.#index, { client: this.#id }) }, (reply) => {
      if (reply.kind === 'disconnected') {
        this.#saving = false
        return
      }
      this.#context.touch()
      if (reply.kind === 'ok') this.#remoteRev = reply.properties['rev'] ?? reply.properties['_rev'] ?? ''
      else if (reply.code === 404) this.#remoteRev = ''
      else {
        this.#failed(remoteError('getCheckpoint', reply))
        return
      }
      this.#put()
    })
  }

  /** Not saving costs a re-check at the next start and nothing else. */
  #failed(error: KithmeshError): void {
    this.#lastError = error
    this.#saved = this.#key(this.#current())
    this.#context.logger.warn('The checkpoint could not be saved at the peer', { error })
    this.#end()
  }

  #end(): void {
    this.#saving = false
    this.#context.changed()
  }
}

/** Answers `getCheckpoint` from what clients store with us. */
export function serveGetCheckpoint(context: SessionContext, request: IncomingRequest): void {
  const stored = context.store.getPeerCheckpoint(parseCheckpointClient(request.properties))
  if (stored === undefined) request.respondError('HTTP', 404, 'no such checkpoint')
  else request.respond({ properties: { rev: stored.rev }, body: stored.body })
}

/** Answers `setCheckpoint`: a check-and-set. */
export function serveSetCheckpoint(context: SessionContext, request: IncomingRequest): void {
  const client = parseCheckpointClient(request.properties)
  if (request.body.length > 1024 * 1024) {
    request.respondError('HTTP', 413, 'the checkpoint is too large')
    return
  }
  const rev = context.store.setPeerCheckpoint(client, request.properties['rev'] ?? '', request.body)
  if (rev === undefined) request.respondError('HTTP', 409, 'revision ID mismatch')
  else request.respond({ properties: { rev } })
}

/** A stored checkpoint as an element of the `getCollections` reply, with its revision under both names. */
export function checkpointReply(context: SessionContext, client: string): Record<string, unknown> {
  const stored = context.store.getPeerCheckpoint(client)
  if (stored === undefined) return {}
  try {
    const body = JSON.parse(Buffer.from(stored.body).toString()) as unknown
    return { ...(typeof body === 'object' && body !== null && !Array.isArray(body) ? body : {}), rev: stored.rev, _rev: stored.rev }
  } catch {
    return { rev: stored.rev, _rev: stored.rev }
  }
}

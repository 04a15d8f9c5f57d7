import type { BlipPeer, IncomingRequest } from '@kithmesh/blip'
import { AllowedAttachments, takeAttachments } from './attachments.ts'
import { ChangesSender } from './changes-sender.ts'
import { GatewayError } from './store.ts'
import type { Body, GatewayStore, GatewayUser } from './store.ts'

export interface GatewaySessionOptions {
  readonly blip: BlipPeer
  readonly stores: ReadonlyMap<string, GatewayStore>
  readonly user: string
  /** 2 for clients without collections. */
  readonly version: number
  /** Told every request that comes in. */
  readonly seen: (request: IncomingRequest) => void
}

interface Collection {
  readonly store: GatewayStore
  readonly properties: Record<string, string>
  readonly feed: ChangesSender
}

const RESERVED = ['_sync', '_id', '_rev', '_deleted', '_revisions']

/** One client's conversation, as Sync Gateway holds it (cbmobile.md §1–§9). */
export class GatewaySession {
  readonly #options: GatewaySessionOptions
  readonly #allowed = new AllowedAttachments()
  #collections: (Collection | undefined)[] | undefined
  #default: Collection | undefined

  constructor(options: GatewaySessionOptions) {
    this.#options = options
    const { blip, seen } = options
    const handle = (profile: string, handler: (request: IncomingRequest) => void | Promise<void>): void => {
      blip.handle(profile, (request) => {
        seen(request)
        // Requests are handled side by side, each in its own time.
        Promise.resolve()
          .then(() => handler(request))
          .catch((error: unknown) => {
            const status = error instanceof GatewayError ? error.status : 500
            request.respondError('HTTP', status, (error as Error).message)
          })
      })
    }
    handle('getCollections', (request) => this.#getCollections(request))
    const inCollection = (profile: string, handler: (collection: Collection, request: IncomingRequest) => void | Promise<void>): void => {
      handle(profile, (request) => handler(this.#collectionOf(request), request))
    }
    inCollection('getCheckpoint', ({ store }, request) => {
      const stored = store.checkpoints.get(request.properties['client'] ?? '')
      if (stored === undefined) throw new GatewayError(404, 'Not Found')
      request.respond({ properties: { rev: stored.rev }, body: Buffer.from(JSON.stringify(stored.body)) })
    })
    inCollection('setCheckpoint', ({ store }, request) => setCheckpoint(store, request))
    inCollection('subChanges', ({ feed }, request) => feed.subscribe(request))
    inCollection('unsubChanges', ({ feed }, request) => {
      feed.stop()
      request.respond()
    })
    inCollection('changes', () => {
      throw new GatewayError(409, "Use 'proposeChanges' instead")
    })
    inCollection('proposeChanges', ({ store }, request) => proposeChanges(store, request))
    inCollection('rev', (collection, request) => this.#rev(collection, request))
    inCollection('norev', () => {})
    inCollection('getAttachment', ({ store }, request) => {
      this.#allowed.serve(store, request, options.version)
    })
  }

  get #user(): (store: GatewayStore) => GatewayUser {
    return (store) => store.user(this.#options.user)
  }

  stop(): void {
    for (const collection of [...(this.#collections ?? []), this.#default]) collection?.feed.stop()
  }

  #collection(store: GatewayStore, index: number | undefined): Collection {
    const { blip, version } = this.#options
    const properties: Record<string, string> = index === undefined ? {} : { collection: String(index) }
    const feed = new ChangesSender({ blip, store, user: this.#user(store), properties, allowed: this.#allowed, version })
    return { store, properties, feed }
  }

  #collectionOf(request: IncomingRequest): Collection {
    const text = request.properties['collection']
    if (text !== undefined) {
      if (this.#collections === undefined) throw new GatewayError(400, 'Passing collection requires calling getCollections first')
      const collection = this.#collections[Number(text)]
      if (collection === undefined) throw new GatewayError(400, 'collection index out of range')
      return collection
    }
    if (this.#collections !== undefined) throw new GatewayError(400, 'subsequent messages need a Collection property')
    const store = this.#options.stores.get('_default')
    if (store === undefined) throw new GatewayError(400, 'default collection is not configured for this database')
    this.#default ??= this.#collection(store, undefined)
    return this.#default
  }

  #getCollections(request: IncomingRequest): void {
    const { checkpoint_ids: ids, collections } = JSON.parse(request.body.toString()) as { checkpoint_ids: string[]; collections: string[] }
    if (ids.length !== collections.length) throw new GatewayError(400, 'Length of collections must match length of checkpoint ids')
    this.#collections = collections.map((path, index) => {
      const store = this.#options.stores.get(path)
      return store === undefined ? undefined : this.#collection(store, index)
    })
    // Only `_rev`, and no `rev` (cbmobile.md §17.1).
    const answer = this.#collections.map((collection, index) => {
      if (collection === undefined) return null
      const stored = collection.store.checkpoints.get(ids[index] ?? '')
      return stored === undefined ? {} : { ...stored.body, _rev: stored.rev }
    })
    request.respond({ body: Buffer.from(JSON.stringify(answer)) })
  }

  async #rev({ store, properties: collection }: Collection, request: IncomingRequest): Promise<void> {
    const { id, rev, history: historyText, deleted: deletedText, noconflicts } = request.properties
    if (id === undefined || rev === undefined) throw new GatewayError(400, 'Missing docID or rev')
    const body = JSON.parse(request.body.toString()) as Body
    const reserved = RESERVED.find((key) => Object.hasOwn(body, key))
    if (reserved !== undefined) throw new GatewayError(404, `top-level property '${reserved}' is a reserved internal property`)
    if (noconflicts !== undefined && !/^(1|t|T|TRUE|true|True|0|f|F|FALSE|false|False)$/.test(noconflicts))
      throw new GatewayError(400, 'Invalid value for noconflicts')
    const history = historyText === undefined || historyText === '' ? [] : historyText.split(',')
    if (history.some((ancestor) => ancestor.trim() !== ancestor)) throw new GatewayError(400, 'Invalid history')
    const known = history.findIndex((ancestor) => store.documents.get(id)?.revisions.has(ancestor) === true)
    const common = known < 0 ? history.at(-1) : history[known]
    const minRevpos = common === undefined ? 0 : Number.parseInt(common, 10) + (known < 0 ? 0 : 1)
    const attachments = await takeAttachments({ blip: this.#options.blip, store, id, collection, minRevpos }, body['_attachments'])
    delete body['_attachments']
    const deleted = deletedText !== undefined && deletedText !== '0' && deletedText !== 'false'
    store.insert(id, { revId: rev, history, deleted, body, attachments })
    request.respond()
  }
}

function setCheckpoint(store: GatewayStore, request: IncomingRequest): void {
  const { client = '', rev } = request.properties
  const stored = store.checkpoints.get(client)
  if ((stored?.rev ?? '') !== (rev ?? '')) throw new GatewayError(409, 'Document update conflict')
  const next = `0-${Number(stored?.rev.slice(2) ?? 0) + 1}`
  const body = JSON.parse(request.body.toString()) as Body
  store.checkpoints.set(client, { rev: next, body: Object.fromEntries(Object.entries(body).filter(([key]) => !key.startsWith('_'))) })
  request.respond({ properties: { rev: next } })
}

function proposeChanges(store: GatewayStore, request: IncomingRequest): void {
  const list = JSON.parse(request.body.toString()) as [string, string, string?][]
  const statuses = list.map(([id, revId, parent = '']) => {
    const current = store.documents.get(id)?.current
    if (current === undefined || current === parent) return 0
    if (current === revId) return 304
    if (parent === '' && store.currentOf(id)?.deleted === true) return 0
    return request.properties['conflictIncludesRev'] === 'true' ? { status: 409, rev: current } : 409
  })
  while (statuses.at(-1) === 0) statuses.pop()
  request.respond(list.length === 0 ? {} : { body: Buffer.from(JSON.stringify(statuses)), compress: true })
}

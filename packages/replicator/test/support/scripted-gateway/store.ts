import { createHash } from 'node:crypto'

/** An answer of HTTP's kind, as Sync Gateway gives them in messages too. */
export class GatewayError extends Error {
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

export type Body = Record<string, unknown>
export type Attachments = Record<string, Body & { digest: string }>

export interface Revision {
  readonly revId: string
  readonly parent: string | undefined
  readonly deleted: boolean
  /** Undefined when it was compacted away, or never here. */
  body: Body | undefined
  readonly attachments: Attachments
}

export interface GatewayDocument {
  readonly id: string
  readonly revisions: Map<string, Revision>
  current: string
  sequence: number
  channels: Set<string>
  /** Channels the document left, and with which sequence. */
  readonly left: Map<string, number>
}

export const generation = (revId: string): number => Number(revId.slice(0, revId.indexOf('-')))

function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner
  )
}

/** MD5 of `length byte ‖ parent ‖ canonical JSON` (cbmobile.md §14). */
function gatewayRevId(parent: string | undefined, body: Body): string {
  const hash = createHash('md5')
    .update(Uint8Array.of(parent?.length ?? 0))
    .update(parent ?? '')
    .update(canonical(body))
    .digest('hex')
  return `${generation(parent ?? '0-') + 1}-${hash}`
}

export const digestOf = (bytes: Uint8Array): string => `sha1-${createHash('sha1').update(bytes).digest('base64')}`

export interface AccessChange {
  readonly sequence: number
  readonly granted: boolean
}

/** A user's channels over time. */
export class GatewayUser {
  readonly name: string
  readonly history = new Map<string, AccessChange>()
  constructor(name: string) {
    this.name = name
  }

  /** Since when the user may see the channel, or undefined. */
  grantedAt(channel: string): number | undefined {
    const change = this.history.get(channel)
    return change?.granted === true ? change.sequence : undefined
  }
  sees(document: GatewayDocument): boolean {
    return [...document.channels].some((channel) => this.grantedAt(channel) !== undefined)
  }
}

/** One collection of the gateway: revision trees without conflicts, channels by a sync function, attachments by digest. */
export class GatewayStore {
  readonly documents = new Map<string, GatewayDocument>()
  readonly attachments = new Map<string, Buffer>()
  readonly checkpoints = new Map<string, { rev: string; body: Body }>()
  readonly users = new Map<string, GatewayUser>()
  readonly #watchers = new Set<() => void>()
  /** Digests that clients proved to have. */
  readonly proofs: string[] = []
  sequence = 0
  /** Throws to refuse; returns the channels. */
  syncFunction: (body: Body, old: Body | undefined) => readonly string[] = (body) => (body['channels'] as string[] | undefined) ?? []

  user(name: string): GatewayUser {
    let user = this.users.get(name)
    if (user === undefined) this.users.set(name, (user = new GatewayUser(name)))
    return user
  }

  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher)
    return () => this.#watchers.delete(watcher)
  }

  grant(user: string, channel: string): void {
    this.user(user).history.set(channel, { sequence: ++this.sequence, granted: true })
    this.#changed()
  }
  revoke(user: string, channel: string): void {
    this.user(user).history.set(channel, { sequence: ++this.sequence, granted: false })
    this.#changed()
  }

  /** An edit by the administrator, or by another client. */
  put(id: string, body: Body, { deleted = false, attachments = {} as Attachments } = {}): string {
    const parent = this.documents.get(id)?.current
    const revId = gatewayRevId(parent, { ...body, ...(deleted && { _deleted: true }) })
    this.insert(id, { revId, history: parent === undefined ? [] : [parent], deleted, body, attachments })
    return revId
  }

  attach(bytes: Uint8Array): string {
    const digest = digestOf(bytes)
    this.attachments.set(digest, Buffer.from(bytes))
    return digest
  }

  currentOf(id: string): Revision | undefined {
    const document = this.documents.get(id)
    return document?.revisions.get(document.current)
  }

  /** Only what descends from the current revision is taken. @throws GatewayError */
  insert(
    id: string,
    revision: { revId: string; history: readonly string[]; deleted: boolean; body: Body; attachments: Attachments }
  ): void {
    const { revId, history, deleted, body, attachments } = revision
    const document = this.documents.get(id)
    if (document?.revisions.has(revId) === true) return
    if (document !== undefined && !history.includes(document.current)) {
      const gone = this.currentOf(id)?.deleted === true && history.every((ancestor) => !document.revisions.has(ancestor))
      if (!gone) throw new GatewayError(409, 'Document revision conflict')
    }
    const channels = new Set(deleted ? [] : this.syncFunction(body, this.currentOf(id)?.body))
    const target = document ?? { id, revisions: new Map(), current: '', sequence: 0, channels: new Set<string>(), left: new Map() }
    const path = [revId, ...history]
    path.forEach((name, i) => {
      if (!target.revisions.has(name))
        target.revisions.set(name, {
          revId: name,
          parent: path[i + 1],
          deleted: i === 0 && deleted,
          body: i === 0 ? body : undefined,
          attachments: i === 0 ? attachments : {}
        })
    })
    target.current = revId
    target.sequence = ++this.sequence
    for (const channel of target.channels) if (!channels.has(channel)) target.left.set(channel, this.sequence)
    for (const channel of channels) target.left.delete(channel)
    target.channels = channels
    this.documents.set(id, target)
    this.#changed()
  }

  history(id: string, revId: string): string[] {
    const revisions = this.documents.get(id)?.revisions
    const result: string[] = []
    for (let at = revisions?.get(revId)?.parent; at !== undefined; at = revisions?.get(at)?.parent) result.push(at)
    return result
  }

  #changed(): void {
    for (const watcher of [...this.#watchers]) setImmediate(watcher)
  }
}

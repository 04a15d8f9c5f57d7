import { join } from 'node:path'
import {
  coreErrors,
  formatHostPort,
  Lifecycle,
  type Metadata,
  PEER_GROUP_NAMESPACE,
  type PeerDiscoveryProvider,
  type PeerSighting,
  type ProviderContext,
  type ProviderMode,
  type ProviderStatus,
  type PublishOptions,
  type ResolvedUrl,
  unlessAborted,
  uuid5,
  withDeadline
} from '@kithmesh/core/plugin'
import { sharedFolderErrors } from './errors.ts'
import type { CheckedOptions } from './options.ts'
import { PresenceTable } from './presence-table.ts'
import { formatRecord, MAX_RECORD_BYTES, parseRecord, type ServiceRecord } from './record.ts'
import { repeat } from './repeat.ts'
import { Store } from './store.ts'

/** For each step; a medium may hang for as long as its server is away. */
const DEADLINE_MS = 4000
const ID_PREFIX = 'shared-folder:'

/** Sighting ids are unique over all providers, so they begin with the name of this one. */
const sightingId = (peerId: string): string => `${ID_PREFIX}${peerId}`

export class SharedFolderProvider implements PeerDiscoveryProvider {
  readonly #context: ProviderContext
  readonly #options: CheckedOptions
  readonly #store: Store
  readonly #table: PresenceTable
  readonly #states: Record<ProviderMode, ProviderStatus['state']> = { browse: 'offline', publish: 'offline' }
  // A Lifecycle makes start and stop what the contract asks for: idempotent, in any order, one at a time.
  readonly #browsing = new Lifecycle({ start: () => this.#startBrowsing(), stop: () => this.#stopBrowsing() })
  readonly #publishing = new Lifecycle({ start: () => this.#startPublishing(), stop: () => this.#stopPublishing() })
  #endRounds: Record<ProviderMode, () => Promise<void>> = { browse: async () => {}, publish: async () => {} }
  /** What the application asked for last; a stop that is still under way does not touch it. */
  #wanted: PublishOptions | undefined
  #published: PublishOptions | undefined
  #writing: Promise<void> = Promise.resolve()
  #beat: number
  #shutDown = false

  constructor(context: ProviderContext, options: CheckedOptions) {
    this.#context = context
    this.#options = options
    // Group ids may hold what file names cannot, so a folder is named by a UUID that follows from the id.
    this.#store = new Store(join(options.directory, uuid5(PEER_GROUP_NAMESPACE, context.peerGroupId)))
    this.#table = new PresenceTable(options.expiresMs)
    // Not zero: the record of a process that was killed, and then started again, must not look unchanged.
    this.#beat = context.clock.now()
  }

  async startBrowsing(): Promise<void> {
    this.#refuseAfterShutdown()
    await this.#browsing.start()
  }

  async stopBrowsing(): Promise<void> {
    await this.#browsing.stop()
  }

  async startPublishing(options: PublishOptions): Promise<void> {
    this.#refuseAfterShutdown()
    // A copy: the map stays the caller's, who may change it.
    const wanted = { ...options, metadata: new Map(options.metadata) }
    this.#wanted = wanted
    await this.#publishing.start()
    if (this.#published === wanted) return
    this.#published = wanted
    await this.#write()
  }

  async stopPublishing(): Promise<void> {
    await this.#publishing.stop()
  }

  async updateMetadata(metadata: Metadata): Promise<void> {
    if (this.#published === undefined || this.#publishing.state !== 'started')
      throw coreErrors.create('ERR_PD_NOT_PUBLISHING', 'Nothing is published, so there is no metadata to replace')
    this.#published = { ...this.#published, metadata: new Map(metadata) }
    await this.#write()
  }

  /** Nothing to do: every look at the store sees the metadata, so changes of all peers are reported. */
  monitorMetadata(): void {}

  async resolveUrl(id: string, { signal }: { readonly signal: AbortSignal }): Promise<ResolvedUrl> {
    signal.throwIfAborted()
    // A turn later, so that whoever cancels at once is heard.
    await unlessAborted(signal, Promise.resolve())
    const record = id.startsWith(ID_PREFIX) ? this.#table.get(id.slice(ID_PREFIX.length)) : undefined
    const [first] = record?.addresses ?? []
    if (record === undefined || first === undefined)
      throw coreErrors.create('ERR_PD_RESOLVE_FAILED', `The store has no address of ${JSON.stringify(id.slice(0, 100))}`)
    return { url: `wss://${formatHostPort(first, record.port)}/db`, addresses: record.addresses }
  }

  socketFactory(): undefined {}

  async shutdown(): Promise<void> {
    this.#shutDown = true
    await Promise.all([this.#browsing.stop(), this.#publishing.stop()])
  }

  async #startBrowsing(): Promise<void> {
    const texts = await this.#attempt('browse', async () => {
      await this.#store.create()
      return await this.#store.read()
    })
    // Peers may be reported from here on, not before.
    this.#report('browse', { state: 'online' })
    this.#look(texts)
    this.#endRounds.browse = this.#repeat('browse', async () => {
      this.#look(await this.#store.read())
    })
  }

  async #stopBrowsing(): Promise<void> {
    await this.#endRounds.browse()
    this.#table.clear()
    if (this.#states.browse === 'online') this.#report('browse', { state: 'offline' })
  }

  async #startPublishing(): Promise<void> {
    this.#published = this.#wanted
    await this.#attempt('publish', async () => {
      await this.#store.create()
      await this.#write()
    })
    this.#report('publish', { state: 'online' })
    this.#endRounds.publish = this.#repeat('publish', () => this.#write())
  }

  async #stopPublishing(): Promise<void> {
    await this.#endRounds.publish()
    this.#published = undefined
    try {
      await this.#bounded('Removing our record', async () => {
        await this.#writing
        await this.#store.remove(this.#context.localPeerId)
      })
    } catch (error) {
      this.#context.logger.warn('Our record stays in the store; the others will soon take it for abandoned', { error })
    }
    if (this.#states.publish === 'online') this.#report('publish', { state: 'offline' })
  }

  /** Takes what is in the store into the table and tells the context what became different. */
  #look(texts: ReadonlyMap<string, string>): void {
    const { peerGroupId, localPeerId, clock } = this.#context
    const records: ServiceRecord[] = []
    for (const [peerId, text] of texts) {
      const record = peerId === localPeerId ? undefined : parseRecord(text)
      if (record?.peerId === peerId && record.peerGroupId === peerGroupId) records.push(record)
    }
    const { found, metadataChanged, lost } = this.#table.update(records, clock.monotonic())
    if (lost.length > 0) this.#context.peersLost(lost.map(sightingId))
    if (found.length > 0) this.#context.peersFound(found.map(sightingOf))
    for (const { peerId, metadata } of metadataChanged) this.#context.metadataChanged(sightingId(peerId), metadata)
  }

  /** Writes what is to be published by then; one after the other, so that the newest is what stays. */
  #write(): Promise<void> {
    const write = async (): Promise<void> => {
      const published = this.#published
      if (published === undefined) return
      const { peerGroupId, localPeerId, network } = this.#context
      const addresses = this.#options.addresses ?? network.current.routes.map(({ localAddress }) => localAddress)
      const record = { ...published, peerGroupId, peerId: localPeerId, addresses, beat: ++this.#beat }
      const text = formatRecord(record)
      if (Buffer.byteLength(text) > MAX_RECORD_BYTES)
        throw sharedFolderErrors.create('ERR_SHARED_FOLDER_TOO_LARGE', `The record takes ${Buffer.byteLength(text)} bytes`)
      await this.#store.write(localPeerId, text)
    }
    const written = this.#writing.then(write)
    this.#writing = written.catch(() => {})
    return this.#bounded('Writing our record', () => written)
  }

  #repeat(mode: ProviderMode, round: () => Promise<void>): () => Promise<void> {
    const { clock } = this.#context
    const what = mode === 'browse' ? 'Looking at the store' : 'Writing to the store'
    return repeat({
      clock,
      everyMs: this.#options.intervalMs,
      deadlineMs: DEADLINE_MS,
      what,
      round,
      failed: (cause) => {
        this.#report(mode, { state: 'failed', error: this.#accessError(what, cause) })
      }
    })
  }

  /** The part of a start that may fail: within its deadline, and with the status that belongs to it. */
  async #attempt<T>(mode: ProviderMode, run: () => Promise<T>): Promise<T> {
    this.#report(mode, { state: 'starting' })
    try {
      return await this.#bounded(`Starting to ${mode}`, run)
    } catch (cause) {
      const error = this.#accessError(`Starting to ${mode}`, cause)
      this.#report(mode, { state: 'failed', error })
      throw error
    }
  }

  #bounded<T>(what: string, run: () => Promise<T>): Promise<T> {
    return withDeadline(run, { clock: this.#context.clock, ms: DEADLINE_MS, what })
  }

  #accessError(what: string, cause: unknown): Error {
    return sharedFolderErrors.create('ERR_SHARED_FOLDER_ACCESS', `${what} failed in ${this.#options.directory}`, { cause })
  }

  #report(mode: ProviderMode, status: ProviderStatus): void {
    this.#states[mode] = status.state
    this.#context.statusChanged(mode, status)
  }

  #refuseAfterShutdown(): void {
    if (this.#shutDown) throw sharedFolderErrors.create('ERR_SHARED_FOLDER_SHUT_DOWN', 'The provider was shut down')
  }
}

function sightingOf({ peerId, displayName, metadata }: ServiceRecord): PeerSighting {
  return { id: sightingId(peerId), displayName, metadata }
}

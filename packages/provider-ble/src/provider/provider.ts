import type { Duplex } from 'node:stream'
import { Lifecycle, coreErrors, encodeTxt, joinSignals, withDeadline } from '@kithmesh/core/plugin'
import type {
  ByteSocketFactory,
  Metadata,
  PeerDiscoveryProvider,
  ProviderContext,
  ProviderMode,
  ProviderStatus,
  PublishOptions,
  ResolvedUrl
} from '@kithmesh/core/plugin'
import { bleErrors } from '../errors.ts'
import { checkMetadataLength } from '../gatt/longest-value.ts'
import { serviceUuid } from '../gatt/uuids.ts'
import { BrowseSession, idPrefix } from './browse-session.ts'
import { deviceSockets } from './device-sockets.ts'
import { OpenStreams } from './open-streams.ts'
import type { CheckedOptions } from './options.ts'
import { SharedBackend } from './shared-backend.ts'

/** For publishing and for changing what is published; what is below has shorter deadlines. */
const publishMs = 10_000
const modes = ['browse', 'publish'] as const

interface Publication {
  readonly displayName: string
  readonly txt: Buffer
}

/**
 * Bluetooth LE for one peer group: one backend for both modes, and for the streams that outlive them. One file because browsing, publishing and streams share that
 * backend's life.
 */
export class BleProvider implements PeerDiscoveryProvider {
  readonly #context: ProviderContext
  readonly #options: CheckedOptions
  readonly #serviceUuid: string
  readonly #shared: SharedBackend
  readonly #streams: OpenStreams
  readonly #states: Record<ProviderMode, ProviderStatus['state']> = { browse: 'offline', publish: 'offline' }
  readonly #lives: Readonly<Record<ProviderMode, Lifecycle>>
  readonly #factory: ByteSocketFactory
  #session: BrowseSession | undefined
  #wanted: Publication | undefined
  #published: Publication | undefined
  #updates: Promise<void> = Promise.resolve()
  #shutDown: Promise<void> | undefined

  constructor(context: ProviderContext, options: CheckedOptions) {
    const { clock, peerGroupId } = context
    const logger = context.logger.child('ble')
    this.#context = context
    this.#options = options
    this.#serviceUuid = serviceUuid(peerGroupId)
    this.#shared = new SharedBackend({
      backend: options.backend({ clock, logger }),
      clock,
      logger,
      startTimeoutMs: options.startTimeoutMs,
      lost: (error) => {
        this.#lost(error)
      }
    })
    this.#streams = new OpenStreams({
      opened: () => {
        this.#shared.retain('streams')
      },
      closed: () => {
        this.#shared.release('streams').catch((error: unknown) => {
          logger.warn('stopping Bluetooth after the last stream failed', { error })
        })
      },
      released: (id) => {
        this.#session?.released(id)
      }
    })
    this.#lives = {
      browse: this.#life('browse', (signal) => this.#browse(signal)),
      publish: this.#life('publish', (signal) => this.#publish(signal))
    }
    this.#factory = deviceSockets({
      shared: this.#shared,
      streams: this.#streams,
      clock,
      opening: (id) => this.#session?.makeWay(id) ?? (() => {}),
      refused: (id) => {
        this.#session?.refused(id)
      }
    })
  }

  async startBrowsing(): Promise<void> {
    this.#assertUsable()
    await this.#lives.browse.start()
  }

  async stopBrowsing(): Promise<void> {
    await this.#lives.browse.stop()
  }

  async startPublishing({ displayName, metadata }: PublishOptions): Promise<void> {
    this.#assertUsable()
    this.#wanted = { displayName, txt: txtData(metadata) }
    await this.#lives.publish.start()
    await this.#bringUp()
  }

  async stopPublishing(): Promise<void> {
    this.#wanted = undefined
    await this.#lives.publish.stop()
  }

  async updateMetadata(metadata: Metadata): Promise<void> {
    const wanted = this.#wanted
    if (wanted === undefined || this.#states.publish !== 'online') throw coreErrors.create('ERR_PD_NOT_PUBLISHING', 'Nothing is published')
    this.#wanted = { ...wanted, txt: txtData(metadata) }
    await this.#bringUp()
  }

  monitorMetadata(id: string, on: boolean): void {
    if (id.startsWith(idPrefix)) this.#session?.monitor(id.slice(idPrefix.length), on)
  }

  async resolveUrl(id: string, { signal }: { readonly signal: AbortSignal }): Promise<ResolvedUrl> {
    signal.throwIfAborted()
    // A turn later, so that whoever cancels at once is heard.
    await Promise.resolve()
    signal.throwIfAborted()
    const session = this.#session
    if (session === undefined || !id.startsWith(idPrefix))
      throw coreErrors.create('ERR_PD_PEER_OFFLINE', `No device ${JSON.stringify(id.slice(0, 100))} is listed`)
    return { url: await session.url(id.slice(idPrefix.length), signal), addresses: [] }
  }

  socketFactory(): ByteSocketFactory {
    return this.#factory
  }

  shutdown(): Promise<void> {
    this.#shutDown ??= (async () => {
      this.#streams.destroyAll(bleErrors.create('ERR_BLE_SHUT_DOWN', 'Bluetooth was shut down'))
      const results = await Promise.allSettled([this.stopBrowsing(), this.stopPublishing(), this.#shared.release('streams')])
      for (const result of results) if (result.status === 'rejected') throw result.reason
    })()
    return this.#shutDown
  }

  /** A mode: reports its states, and whatever happens gives the backend back. */
  #life(mode: ProviderMode, begin: (signal: AbortSignal) => Promise<void>): Lifecycle {
    return new Lifecycle({
      start: async (signal) => {
        this.#assertUsable()
        this.#report(mode, { state: 'starting' })
        try {
          await begin(signal)
        } catch (error) {
          if (signal.aborted) {
            this.#report(mode, { state: 'offline' })
            throw bleErrors.create('ERR_BLE_SHUT_DOWN', 'Bluetooth was stopped before it had begun', { cause: error })
          }
          this.#report(mode, { state: 'failed', error: error as Error })
          throw error
        }
      },
      stop: async () => {
        try {
          await (mode === 'browse' ? this.#endBrowsing() : this.#withdraw())
        } finally {
          // After it failed the status stays: it is the news, not that it was cleared away.
          if (this.#states[mode] === 'online') this.#report(mode, { state: 'offline' })
          await this.#shared.release(mode)
        }
      }
    })
  }

  async #browse(signal: AbortSignal): Promise<void> {
    const { central } = await this.#shared.acquire('browse', signal)
    const joined = joinSignals(signal, this.#shared.signal)
    try {
      joined.signal.throwIfAborted()
      const session = new BrowseSession({
        context: this.#context,
        central,
        options: this.#options,
        serviceUuid: this.#serviceUuid,
        held: (id) => this.#streams.has(id)
      })
      this.#session = session
      await session.start(joined.signal)
      joined.signal.throwIfAborted()
      this.#report('browse', { state: 'online' })
      session.goLive()
    } finally {
      joined.release()
    }
  }

  async #endBrowsing(): Promise<void> {
    const session = this.#session
    this.#session = undefined
    await session?.stop(this.#shared.running)
  }

  async #publish(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    const wanted = this.#wanted as Publication
    const { publisher, description } = await this.#shared.acquire('publish', signal)
    const joined = joinSignals(signal, this.#shared.signal)
    try {
      joined.signal.throwIfAborted()
      if (publisher === undefined) throw bleErrors.create('ERR_BLE_UNSUPPORTED', `${description} cannot publish`)
      const publish = (): Promise<void> =>
        publisher.publish({
          serviceUuid: this.#serviceUuid,
          displayName: wanted.displayName,
          metadata: wanted.txt,
          onStream: (stream, id) => {
            this.#incoming(stream, id)
          }
        })
      this.#published = wanted
      await withDeadline(publish, { clock: this.#context.clock, ms: publishMs, what: 'Publishing over Bluetooth', signal: joined.signal })
      joined.signal.throwIfAborted()
      this.#report('publish', { state: 'online' })
    } finally {
      joined.release()
    }
  }

  async #withdraw(): Promise<void> {
    const published = this.#published
    this.#published = undefined
    if (published === undefined || !this.#shared.running) return
    const { publisher } = this.#shared.backend
    const unpublish = async (): Promise<void> => {
      await publisher?.unpublish()
    }
    await withDeadline(unpublish, { clock: this.#context.clock, ms: publishMs / 2, what: 'Withdrawing from Bluetooth' })
  }

  /** Brings what is published up to what is wanted, after whatever change is under way. */
  async #bringUp(): Promise<void> {
    const run = async (): Promise<void> => {
      const wanted = this.#wanted
      const published = this.#published
      const { publisher } = this.#shared.backend
      if (wanted === undefined || published === undefined || publisher === undefined || this.#states.publish !== 'online') return
      if (wanted.displayName !== published.displayName) {
        await this.#lives.publish.stop()
        if (this.#wanted !== undefined) await this.#lives.publish.start()
        return
      }
      if (wanted.txt.equals(published.txt)) return
      await withDeadline(() => publisher.updateMetadata(wanted.txt), {
        clock: this.#context.clock,
        ms: publishMs,
        what: 'Publishing over Bluetooth',
        signal: this.#shared.signal
      })
      if (this.#published === published) this.#published = wanted
    }
    const update = this.#updates.then(run)
    this.#updates = update.catch(() => {})
    await update
  }

  #incoming(stream: Duplex, id: string | undefined): void {
    const listed = id !== undefined && this.#session?.lists(id) === true
    if (this.#states.publish !== 'online' || !this.#context.incomingConnection(listed ? idPrefix + id : undefined, stream)) {
      stream.on('error', () => {})
      stream.destroy()
      return
    }
    this.#streams.add(stream, id)
  }

  /** Bluetooth is gone: what ran has failed, and can be started again. */
  #lost(error: Error): void {
    for (const mode of modes) {
      if (this.#states[mode] !== 'online') continue
      this.#report(mode, { state: 'failed', error })
      this.#lives[mode].stop().catch((cause: unknown) => {
        this.#context.logger.debug('clearing away after Bluetooth was lost failed', { mode, error: cause })
      })
    }
  }

  #assertUsable(): void {
    if (this.#shutDown !== undefined) throw bleErrors.create('ERR_BLE_SHUT_DOWN', 'The provider was shut down')
  }

  #report(mode: ProviderMode, status: ProviderStatus): void {
    this.#states[mode] = status.state
    this.#context.statusChanged(mode, status)
  }
}

/** @throws ERR_BLE_METADATA */
function txtData(metadata: Metadata): Buffer {
  const txt = encodeTxt(metadata)
  checkMetadataLength(txt.length)
  return txt
}

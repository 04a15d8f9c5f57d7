import { Buffer } from 'node:buffer'
import { hostname } from 'node:os'
import { checkInteger, coreErrors, decodeTxt, encodeTxt } from '@kithmesh/core/plugin'
import type {
  Metadata,
  PeerDiscoveryProvider,
  PeerSighting,
  ProviderContext,
  ProviderMode,
  ProviderStatus,
  PublishOptions,
  ResolvedUrl
} from '@kithmesh/core'
import { Browser } from './browser.ts'
import type { FoundService } from './browser.ts'
import type { Engine } from './engine.ts'
import { dnssdErrors } from './errors.ts'
import { displayName, hostLabel, instanceLabel, nameKey, truncateText } from './names.ts'
import type { CheckedOptions } from './options.ts'
import { largePacketBytes } from './packets.ts'
import type { PublishedService } from './published-service.ts'
import { resolveService } from './resolve.ts'

/** How long a name of ours stays ours after it was withdrawn: late echoes are not peers. */
const ownNameMs = 3000
const publishTimeoutMs = 60_000
/** Room for names and headers beside the TXT data in the largest packet. */
const maxTxtBytes = largePacketBytes - 900
/** Metadata key under which a device publishes its peer id, as lowercase hex or as 32 bytes. */
const peerIdKey = '_PID'

/** DNS-SD for one peer group. Starts and stops of each mode run one after the other; a stop also ends a start under way. */
export class DnssdProvider implements PeerDiscoveryProvider {
  readonly #context: ProviderContext
  readonly #options: CheckedOptions
  readonly #engine: Engine
  readonly #turns: Record<ProviderMode, Promise<void>> = { browse: Promise.resolve(), publish: Promise.resolve() }
  readonly #ownNames = new Map<string, number>()
  #browser: Browser | undefined
  #browseEnd = new AbortController()
  #publication: { readonly service: PublishedService; readonly options: PublishOptions } | undefined
  #probing: PublishedService | undefined
  #publishEpoch = 0
  #shutDown: Promise<void> | undefined

  constructor(context: ProviderContext, options: CheckedOptions, engine: Engine) {
    this.#context = context
    this.#options = options
    this.#engine = engine
  }

  startBrowsing(): Promise<void> {
    return this.#inTurn('browse', async () => {
      this.#assertUsable()
      if (this.#browser !== undefined) return
      this.#report('browse', { state: 'starting' })
      try {
        await this.#engine.acquire()
      } catch (error) {
        this.#report('browse', { state: 'failed', error: error as Error })
        throw error
      }
      const { clock, logger, peerGroupId } = this.#context
      this.#browseEnd = new AbortController()
      this.#browser = new Browser({
        group: peerGroupId,
        serviceType: this.#options.serviceType,
        clock,
        logger: logger.child('browser'),
        random: this.#options.random,
        isOwn: (name, txt) => this.#isOwn(name, txt),
        found: (services) => {
          this.#context.peersFound(services.map(sighting))
        },
        lost: (names) => {
          this.#context.peersLost(names)
        },
        txtChanged: (name, txt) => {
          this.#context.metadataChanged(name, decodeTxt(txt))
        }
      })
      this.#report('browse', { state: 'online' })
      this.#engine.addBrowser(this.#browser)
    })
  }

  stopBrowsing(): Promise<void> {
    return this.#inTurn('browse', () => this.#endBrowsing())
  }

  async startPublishing(wanted: PublishOptions): Promise<void> {
    const epoch = this.#publishEpoch
    // A copy: the map stays the caller's, and the turn may come later.
    const options = { ...wanted, metadata: new Map(wanted.metadata) }
    await this.#inTurn('publish', async () => {
      this.#assertUsable()
      checkInteger('port', options.port, 1, 65_535)
      const txt = txtData(options.metadata)
      if (epoch !== this.#publishEpoch) throw dnssdErrors.create('ERR_DNSSD_STOPPED', 'Publishing was stopped before it began')
      const current = this.#publication
      if (current !== undefined && current.options.displayName === options.displayName && current.options.port === options.port) {
        this.#engine.responder.updateTxt(current.service, txt)
        return
      }
      if (current !== undefined) await this.#endPublishing()
      this.#report('publish', { state: 'starting' })
      try {
        await this.#engine.acquire()
      } catch (error) {
        this.#report('publish', { state: 'failed', error: error as Error })
        throw error
      }
      try {
        await this.#publish(options, txt, epoch)
        this.#report('publish', { state: 'online' })
      } catch (error) {
        await this.#engine.release()
        this.#report('publish', epoch === this.#publishEpoch ? { state: 'failed', error: error as Error } : { state: 'offline' })
        throw error
      }
    })
  }

  stopPublishing(): Promise<void> {
    this.#publishEpoch++
    this.#probing?.withdraw()
    return this.#inTurn('publish', () => this.#endPublishing())
  }

  async updateMetadata(metadata: Metadata): Promise<void> {
    if (this.#publication === undefined) throw coreErrors.create('ERR_PD_NOT_PUBLISHING', 'Nothing is published')
    const txt = txtData(metadata)
    this.#engine.responder.updateTxt(this.#publication.service, txt)
  }

  /** Nothing to do: the TXT records of listed peers are kept fresh anyway, and every change is reported. */
  monitorMetadata(_id: string, _on: boolean): void {}

  async resolveUrl(id: string, { signal }: { readonly signal: AbortSignal }): Promise<ResolvedUrl> {
    signal.throwIfAborted()
    if (this.#browser?.get(id) === undefined)
      throw dnssdErrors.create('ERR_DNSSD_UNKNOWN_PEER', `No peer ${JSON.stringify(truncateText(id, 300))} is listed`)
    // A turn later, so that whoever cancels at once is heard.
    await Promise.resolve()
    return await resolveService(this.#browser, id, this.#options.databaseName, this.#context.clock, signal, this.#browseEnd.signal)
  }

  socketFactory(): undefined {}

  shutdown(): Promise<void> {
    this.#shutDown ??= this.#shutdown()
    return this.#shutDown
  }

  async #shutdown(): Promise<void> {
    await Promise.allSettled([this.stopBrowsing(), this.stopPublishing()])
  }

  async #endBrowsing(): Promise<void> {
    const browser = this.#browser
    if (browser === undefined) return
    this.#browser = undefined
    this.#browseEnd.abort()
    this.#engine.removeBrowser(browser)
    await this.#engine.release()
    this.#report('browse', { state: 'offline' })
  }

  async #publish(options: PublishOptions, txt: Buffer, epoch: number): Promise<void> {
    const { localPeerId, clock } = this.#context
    const service = this.#engine.responder.publish(
      {
        label: instanceLabel(options.displayName, `kithmesh ${localPeerId.slice(0, 8)}`),
        serviceType: this.#options.serviceType,
        groups: [this.#context.peerGroupId],
        host: this.#options.hostName ?? `${truncateText(hostLabel(hostname().split('.')[0] as string), 54)}-${localPeerId.slice(0, 8)}`,
        port: options.port,
        txt
      },
      this.#options.probe,
      (error) => {
        this.#lostName(error)
      }
    )
    this.#probing = service
    const cancel = clock.after(publishTimeoutMs, () => {
      service.withdraw()
    })
    try {
      if (epoch !== this.#publishEpoch) service.withdraw()
      await service.ready
    } catch (error) {
      await this.#engine.responder.withdraw(service)
      if (service.state === 'withdrawn' && epoch === this.#publishEpoch) {
        throw dnssdErrors.create('ERR_DNSSD_PUBLISH_TIMEOUT', `"${service.label}" could not be announced within ${publishTimeoutMs} ms`, {
          cause: error
        })
      }
      throw error
    } finally {
      cancel()
      this.#probing = undefined
    }
    this.#publication = { service, options }
  }

  async #endPublishing(): Promise<void> {
    const publication = this.#publication
    if (publication === undefined) return
    this.#publication = undefined
    this.#ownNames.set(nameKey(publication.service.name), this.#context.clock.monotonic() + ownNameMs)
    await this.#engine.responder.withdraw(publication.service)
    await this.#engine.release()
    this.#report('publish', { state: 'offline' })
  }

  /** A published service had to give up its name and found no other. */
  #lostName(error: Error): void {
    if (this.#publication === undefined) return
    this.#publication = undefined
    this.#report('publish', { state: 'failed', error })
    this.#engine.release().catch((cause: unknown) => {
      this.#context.logger.warn('Closing the sockets failed', { error: cause })
    })
  }

  #isOwn(name: string, txt: Buffer): boolean {
    const key = nameKey(name)
    const now = this.#context.clock.monotonic()
    for (const [own, until] of this.#ownNames) if (until < now) this.#ownNames.delete(own)
    if (this.#ownNames.has(key)) return true
    const service = this.#publication?.service ?? this.#probing
    if (service?.announced === true && nameKey(service.name) === key) return true
    const claimed = decodeTxt(txt).get(peerIdKey)
    if (claimed === undefined) return false
    const bytes = Buffer.from(claimed)
    return (bytes.length === 32 ? bytes.toString('hex') : bytes.toString('latin1').toLowerCase()) === this.#context.localPeerId
  }

  #assertUsable(): void {
    if (this.#shutDown !== undefined) throw dnssdErrors.create('ERR_DNSSD_STOPPED', 'The provider was shut down')
  }

  #report(mode: ProviderMode, status: ProviderStatus): void {
    this.#context.statusChanged(mode, status)
  }

  #inTurn(mode: ProviderMode, run: () => Promise<void>): Promise<void> {
    const result = this.#turns[mode].then(run)
    this.#turns[mode] = result.catch(() => {})
    return result
  }
}

function txtData(metadata: Metadata): Buffer {
  const txt = encodeTxt(metadata)
  if (txt.length > maxTxtBytes)
    throw dnssdErrors.create('ERR_DNSSD_TOO_LARGE', `The metadata takes ${txt.length} bytes, ${maxTxtBytes} fit`)
  return txt
}

function sighting({ name, txt }: FoundService): PeerSighting {
  return { id: name, displayName: displayName(name), connectable: true, metadata: decodeTxt(txt) }
}

import { setMaxListeners } from 'node:events'
import type { Duplex } from 'node:stream'
import type { Clock, Logger } from '@kithmesh/core/plugin'
import { uuidDigits } from '@kithmesh/core/plugin'
import type { Advertisement, BleCentral, DeviceRecord } from '../backend/contracts.ts'
import { bleErrors } from '../errors.ts'
import type { HciHost } from '../hci/hci-host.ts'
import type { LoadedNoble } from '../library/noble-like.ts'
import { toAdvertisement } from './advertisement.ts'
import { Connector } from './connector.ts'
import type { DeviceLink } from './device-link.ts'
import type { DeviceService } from './gatt-client.ts'
import { HeardDevices } from './heard-devices.ts'
import { LinkAccess } from './link-access.ts'
import { LinkPool } from './link-pool.ts'
import { LinkSession } from './link-session.ts'
import { Operation } from './operation.ts'
import { Scanner } from './scanner.ts'
import { type StreamRoutes, holdWhileOpen, openStream } from './stream-routes.ts'

export interface NobleCentralOptions {
  /** Started and powered on. It is not released here. */
  readonly loaded: LoadedNoble
  /** The owner of the controller, for L2CAP and for links that the other side made; undefined above bindings of the platform. */
  readonly host?: HciHost | undefined
  readonly clock: Clock
  readonly logger: Logger
  /** How long a link stays when nobody needs it any more. @default 2000 */
  readonly lingerMs?: number
  /** Links made by this side, at most; of those that are idle, the one idle the longest goes first. @default 16 */
  readonly maxLinks?: number
  /** For one attempt to connect. @default 4000 */
  readonly attemptMs?: number
  /** For a device to be heard of that is not known yet. @default 5000 */
  readonly hearMs?: number
  /** For one request of the attribute protocol, and for one channel to open. @default 5000 */
  readonly requestMs?: number
  /** For reading, and for what comes before a watch or a stream is there, all in all. @default 15000 */
  readonly operationMs?: number
  /** After how long without a sign of the other side a link counts as lost. @default 2000 */
  readonly supervisionMs?: number
  /** For pauses of different lengths. @default Math.random */
  readonly random?: () => number
}

/** The central side above noble, of either family, over a host of our own or over the platform's bindings. */
export class NobleCentral implements BleCentral {
  readonly #options: NobleCentralOptions
  readonly #heard: HeardDevices
  readonly #scanner: Scanner
  readonly #connector: Connector
  readonly #pool: LinkPool
  readonly #access: LinkAccess
  readonly #sessions = new WeakMap<DeviceLink, LinkSession>()
  readonly #stopped = new AbortController()
  readonly #running = new Set<Promise<unknown>>()
  readonly #operationMs: number
  readonly #requestMs: number
  #service: string | undefined
  #onAdvertisement: ((advertisement: Advertisement) => void) | undefined
  #unwant: (() => Promise<void>) | undefined

  constructor(options: NobleCentralOptions) {
    const { loaded, host, clock, logger, lingerMs = 2000, maxLinks = 16, random = Math.random } = options
    // One listener for each operation under way.
    setMaxListeners(0, this.#stopped.signal)
    this.#options = options
    this.#operationMs = options.operationMs ?? 15_000
    this.#requestMs = options.requestMs ?? 5000
    this.#heard = new HeardDevices(
      ({ id }) => {
        loaded.forget(id)
      },
      (id) => this.#pool.has(id)
    )
    this.#scanner = new Scanner({
      noble: loaded.noble,
      clock,
      logger,
      onReport: (peripheral) => {
        this.#heard.heard(peripheral)
        this.#onAdvertisement?.(toAdvertisement(peripheral))
      }
    })
    this.#connector = new Connector({
      loaded,
      heard: this.#heard,
      scanner: this.#scanner,
      clock,
      logger,
      random,
      attemptMs: options.attemptMs ?? 4000,
      hearMs: options.hearMs ?? 5000,
      supervisionMs: options.supervisionMs ?? 2000
    })
    this.#pool = new LinkPool({
      connect: (id, signal) => this.#connector.connect(id, signal),
      clock,
      logger,
      lingerMs,
      maxLinks
    })
    this.#access = new LinkAccess({ pool: this.#pool, host, clock, random })
  }

  async startScan(serviceUuid: string, onAdvertisement: (advertisement: Advertisement) => void): Promise<void> {
    const service = uuidDigits(serviceUuid)
    if (service === undefined) throw new TypeError(`Not the UUID of a service: ${JSON.stringify(serviceUuid)}`)
    this.#throwIfStopped()
    await this.stopScan()
    this.#service = service
    this.#onAdvertisement = onAdvertisement
    this.#scanner.select(service)
    const unwant = await this.#scanner.want()
    if (this.#onAdvertisement === onAdvertisement && this.#unwant === undefined) this.#unwant = unwant
    else await unwant()
  }

  async stopScan(): Promise<void> {
    this.#onAdvertisement = undefined
    const unwant = this.#unwant
    this.#unwant = undefined
    await unwant?.()
  }

  read(id: string, { signal }: { readonly signal: AbortSignal }): Promise<DeviceRecord> {
    return this.#run(id, signal, (operation) =>
      this.#access.onLink(id, operation, async ({ link }) => {
        const { session, service } = await this.#serviceOn(link, operation)
        operation.phase('reading')
        const psm = await session.gatt.readPort(service, operation.signal)
        const metadata = await session.gatt.readMetadata(service, operation.signal)
        return { psm, metadata, stream: service.stream !== undefined }
      })
    )
  }

  watch(
    id: string,
    handlers: { metadata(bytes: Uint8Array): void; ended(error: Error): void },
    { signal }: { readonly signal: AbortSignal }
  ): Promise<() => void> {
    return this.#run(id, signal, (operation) =>
      this.#access.onLink(id, operation, async ({ link }) => {
        const { session, service } = await this.#serviceOn(link, operation)
        operation.phase('subscribing to its metadata')
        const use = link.use()
        try {
          const end = await session.watch(
            service,
            {
              metadata: (bytes) => {
                handlers.metadata(bytes)
              },
              ended: (error) => {
                use.release()
                handlers.ended(this.#stopped.signal.aborted ? (this.#stopped.signal.reason as Error) : error)
              }
            },
            operation.signal
          )
          return () => {
            end()
            use.release()
          }
        } catch (error) {
          use.release()
          throw error
        }
      })
    )
  }

  openStream(id: string, psm: number, { signal }: { readonly signal: AbortSignal }): Promise<Duplex> {
    const { clock, host } = this.#options
    return this.#run(id, signal, (operation) => {
      const routes: StreamRoutes = {
        channelMs: this.#requestMs,
        clock,
        l2cap: host?.l2cap === true,
        onAclLink: (run) => this.#access.onAclLink(id, operation, run),
        tunnel: () =>
          this.#access.onLink(id, operation, async ({ link }) => {
            const { session, service } = await this.#serviceOn(link, operation)
            if (service.stream === undefined) return undefined
            operation.phase('subscribing to its streams')
            const tunnel = await session.tunnel(service.stream, operation.signal)
            operation.phase('opening a stream')
            const stream = await tunnel.open({ signal: operation.signal })
            holdWhileOpen(link.use(), stream)
            return stream
          })
      }
      return openStream(id, psm, routes, operation)
    })
  }

  /** Ends everything: what is under way fails with ERR_BLE_SHUT_DOWN, links are cut. Idempotent; not to be used afterwards. */
  async stop(): Promise<void> {
    if (!this.#stopped.signal.aborted) {
      const error = bleErrors.create('ERR_BLE_SHUT_DOWN', 'Bluetooth was stopped')
      this.#stopped.abort(error)
      this.#onAdvertisement = undefined
      this.#scanner.end()
      this.#connector.end()
      this.#pool.end(error)
      this.#heard.clear()
    }
    await Promise.allSettled([...this.#running])
    await this.#connector.idle()
  }

  #throwIfStopped(): void {
    this.#stopped.signal.throwIfAborted()
  }

  async #run<T>(id: string, signal: AbortSignal, run: (operation: Operation) => Promise<T>): Promise<T> {
    this.#throwIfStopped()
    signal.throwIfAborted()
    const operation = new Operation(this.#options.clock, id, this.#operationMs, this.#stopped.signal, signal)
    const running = run(operation)
    this.#running.add(running)
    try {
      return await running
    } catch (error) {
      // Whatever failed in consequence, the caller gets the reason.
      operation.signal.throwIfAborted()
      throw error
    } finally {
      this.#running.delete(running)
      operation.end()
    }
  }

  async #serviceOn(link: DeviceLink, operation: Operation): Promise<{ session: LinkSession; service: DeviceService }> {
    const { clock, logger } = this.#options
    let session = this.#sessions.get(link)
    if (session === undefined) {
      session = new LinkSession(link, { clock, logger, requestMs: this.#requestMs })
      this.#sessions.set(link, session)
    }
    operation.phase('looking for the service')
    return { session, service: await session.gatt.service(this.#service, operation.signal) }
  }
}

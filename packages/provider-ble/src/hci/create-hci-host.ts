import { Lifecycle, checkInteger, silentLogger, systemClock } from '@kithmesh/core/plugin'
import type { Clock, Logger } from '@kithmesh/core/plugin'
import type { Duplex } from 'node:stream'
import { bleErrors } from '../errors.ts'
import { channelLimits, type ChannelLimits } from '../l2cap/channel-limits.ts'
import type { HciLink } from './acl-link.ts'
import { Controller } from './controller.ts'
import { ControllerRun } from './controller-run.ts'
import type { AclLink, BleAddress, ChannelListener, HciHost, LibraryStack } from './hci-host.ts'
import type { HciAdapter } from './hci-port.ts'
import type { ControllerInfo } from './initialise.ts'
import { ControllerView } from './library-stack.ts'
import type { StackOwner } from './library-stack.ts'

export interface HciHostOptions {
  /** The controller to own. */
  readonly adapter: HciAdapter
  readonly clock?: Clock
  readonly logger?: Logger
  /**
   * The adapter is ours alone: it is reset, tuned, and L2CAP channels can be opened and accepted. False where a kernel uses it as well, which
   * answers L2CAP by itself (ble.md §4). @default true
   */
  readonly l2cap?: boolean
  /** Connections at a time, 1 to 1000; what comes beyond is refused. @default 16 */
  readonly maxLinks?: number
  /** Milliseconds the controller may take to answer a command before it counts as lost, 1 to 300,000. @default 5000 */
  readonly commandMs?: number
  /** What the channels of one link may use. */
  readonly channels?: Partial<ChannelLimits>
  /** Milliseconds after which a link that this side made and nobody here uses any more is ended, 1 to 3,600,000. @default 3000 */
  readonly idleMs?: number
}

/** The PSMs that are free for any use (Core Specification, vol. 3, part A, §4.22). */
const FIRST_PSM = 0x80
const LAST_PSM = 0xff

/**
 * Makes the one owner of a controller. Nothing is opened before {@link HciHost.start}.
 * @throws TypeError for options that make no sense
 *
 * @example
 * const host = createHciHost({ adapter: h4Socket({ host: '127.0.0.1', port: 7300 }) })
 * await host.start()
 * const { Socket } = host.stack('central') // what noble's HCI layer constructs
 */
export function createHciHost(options: HciHostOptions): HciHost {
  for (const [name, most] of [
    ['maxLinks', 1_000],
    ['commandMs', 300_000],
    ['idleMs', 3_600_000]
  ] as const)
    checkInteger(name, options[name] ?? 1, 1, most)
  channelLimits(options.channels)
  return new Host(options)
}

class Host implements HciHost {
  readonly l2cap: boolean
  readonly #options: HciHostOptions
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #lifecycle: Lifecycle
  readonly #views: ControllerView[] = []
  readonly #lostListeners = new Set<(error: Error) => void>()
  readonly #linkListeners = new Set<(link: AclLink) => void>()
  readonly #listeners = new Map<number, (channel: Duplex, link: AclLink) => void>()
  #run: ControllerRun | undefined

  constructor(options: HciHostOptions) {
    this.#options = options
    this.l2cap = options.l2cap ?? true
    this.#clock = options.clock ?? systemClock
    this.#logger = options.logger ?? silentLogger
    this.#lifecycle = new Lifecycle({ start: (signal) => this.#open(signal), stop: () => this.#close() })
  }

  get description(): string {
    return this.#options.adapter.description
  }

  get address(): BleAddress | undefined {
    return this.#controller?.info.address
  }

  get links(): readonly AclLink[] {
    return [...(this.#controller?.links.values() ?? [])].filter((link) => !link.closed)
  }

  start(): Promise<void> {
    return this.#lifecycle.start()
  }

  stop(): Promise<void> {
    return this.#lifecycle.stop()
  }

  onLost(listener: (error: Error) => void): () => void {
    this.#lostListeners.add(listener)
    return () => {
      this.#lostListeners.delete(listener)
    }
  }

  onLink(listener: (link: AclLink) => void): () => void {
    this.#linkListeners.add(listener)
    return () => {
      this.#linkListeners.delete(listener)
    }
  }

  linkTo(id: string): AclLink | undefined {
    return this.#controller?.linkTo(id)
  }

  stack(role: 'central' | 'peripheral'): LibraryStack {
    const host = this
    const owner: StackOwner = {
      get up() {
        return host.#controller !== undefined
      },
      command: (view, packet) => {
        this.#controller?.commands.run(view, packet)
      },
      acl: (view, packet) => {
        if (packet.length >= 5) this.#controller?.links.get(packet.readUInt16LE(1) & 0x0fff)?.libraries.write(view, packet)
      },
      released: (view) => {
        const index = this.#views.indexOf(view)
        if (index >= 0) this.#views.splice(index, 1)
        this.#controller?.released(view)
      },
      failed: (view, error) => {
        this.#logger.warn('a Bluetooth library failed at an event of the adapter', {
          role: view.role,
          error: error instanceof Error ? error.message : String(error)
        })
      }
    }
    const view = new ControllerView(role, owner)
    this.#views.push(view)
    return view
  }

  listen({ psm, onChannel }: { readonly psm?: number; readonly onChannel: (channel: Duplex, link: AclLink) => void }): ChannelListener {
    if (!this.l2cap) throw bleErrors.create('ERR_BLE_UNSUPPORTED', 'The adapter is shared with the system, which keeps L2CAP to itself')
    let chosen = checkInteger('The PSM', psm ?? FIRST_PSM, FIRST_PSM, LAST_PSM)
    while (psm === undefined && this.#listeners.has(chosen)) chosen++
    if (chosen > LAST_PSM || this.#listeners.has(chosen)) {
      throw bleErrors.create('ERR_BLE_LIMIT', psm === undefined ? 'All PSMs are in use' : `PSM ${psm} is in use`)
    }
    this.#listeners.set(chosen, onChannel)
    return {
      psm: chosen,
      close: () => {
        if (this.#listeners.get(chosen) === onChannel) this.#listeners.delete(chosen)
      }
    }
  }

  get #controller(): Controller | undefined {
    return this.#run?.controller
  }

  async #open(signal: AbortSignal): Promise<void> {
    const { adapter, commandMs = 5_000 } = this.#options
    const run = new ControllerRun({
      clock: this.#clock,
      commandMs,
      packet: (packet) => {
        this.#inform(run.controller, packet)
      },
      lost: (error) => {
        this.#lost(run, error)
      }
    })
    this.#run = run
    const info = await run.open(adapter, this.l2cap, signal)
    if (run.failure !== undefined) throw run.failure
    run.controller = this.#newController(run, info)
    const { address, aclBytes, aclPackets } = info
    this.#logger.info('Bluetooth adapter in use', { adapter: this.description, address: address.id, aclBytes, aclPackets })
    for (const view of [...this.#views]) view.stateChanged(true)
  }

  #newController(run: ControllerRun, info: ControllerInfo): Controller {
    return new Controller({
      info,
      queue: run.queue,
      send: (packet) => {
        run.send(packet)
      },
      clock: this.#clock,
      logger: this.#logger,
      dedicated: this.l2cap,
      maxLinks: this.#options.maxLinks ?? 16,
      idleMs: this.#options.idleMs ?? 3_000,
      limits: this.#options.channels ?? {},
      accept: (psm) => this.#listeners.get(psm),
      linked: (link) => {
        this.#linked(link)
      },
      guard: (listener, error) => {
        this.#guard(listener, error)
      },
      servers: () => this.#views.filter((view) => view.role === 'peripheral')
    })
  }

  /** A mistake of ours over what comes from the air must not end the program. */
  #inform(controller: Controller | undefined, packet: Buffer): void {
    try {
      controller?.packet(packet)
    } catch (error) {
      this.#logger.error('a packet of the Bluetooth adapter could not be dealt with', { packet: packet.toString('hex'), error })
    }
  }

  #linked(link: HciLink): void {
    for (const listener of [...this.#linkListeners]) this.#guard(listener, link)
  }

  /** The controller went without being asked to. */
  #lost(run: ControllerRun, cause: Error): void {
    if (this.#run !== run) return
    this.#teardown(run, cause)
    if (this.#lifecycle.state === 'stopping') return
    this.#logger.warn('Bluetooth adapter lost', { adapter: this.description, error: cause.message })
    // Not awaited: a start that follows waits for its end.
    this.#lifecycle.stop().catch(() => {})
    for (const listener of [...this.#lostListeners]) this.#guard(listener, cause)
  }

  /** Ends all links and tells the libraries. Idempotent. */
  #teardown(run: ControllerRun, error: Error): void {
    const { controller } = run
    if (controller === undefined) return
    run.controller = undefined
    controller.close(error)
    for (const view of [...this.#views]) {
      run.queue.withdraw(view)
      view.stateChanged(false)
    }
  }

  async #close(): Promise<void> {
    const run = this.#run
    if (run === undefined) return
    const error = bleErrors.create('ERR_BLE_SHUT_DOWN', 'Bluetooth was stopped')
    const { controller } = run
    if (controller !== undefined && run.failure === undefined) {
      // Peers are told of the end by Disconnect; a Reset would leave them waiting.
      await controller.end(error)
      this.#teardown(run, error)
      if (this.l2cap) await run.reset()
    }
    await run.close(error)
    if (this.#run === run) this.#run = undefined
  }

  #guard<T>(listener: (value: T) => void, value: T): void {
    try {
      listener(value)
    } catch (error) {
      this.#logger.warn('a listener of Bluetooth links failed', { error: error instanceof Error ? error.message : String(error) })
    }
  }
}

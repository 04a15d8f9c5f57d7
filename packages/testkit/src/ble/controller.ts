import type { HciPort, HciPortHandlers } from '@kithmesh/provider-ble'
import { Advertiser } from './advertiser.ts'
import { DataLength, H4 } from './codes.ts'
import { runCommand } from './commands.ts'
import type { AirLinkView, AirViolation, ControllerOptions, VirtualController } from './controller-types.ts'
import { sameAddress } from './device-address.ts'
import type { AirAddress, WireAddress } from './device-address.ts'
import { adapterError } from './errors.ts'
import { bufferOverflow, connectionComplete } from './events.ts'
import { Initiator } from './initiator.ts'
import type { LinkEnd } from './link.ts'
import type { Medium } from './medium.ts'
import { Outbox } from './outbox.ts'
import { Scanner } from './scanner.ts'

const MOST_VIOLATIONS = 100
/** Handles are taken in turn from a small range, so that hosts meet one again while it is still in use elsewhere in them. */
const FIRST_HANDLE = 0x0040
const HANDLES = 0x40

/** A controller: the state its host's commands change, and the links it has. */
export class Controller implements VirtualController {
  readonly medium: Medium
  readonly address: WireAddress
  readonly aclLength: number
  readonly aclCount: number
  readonly sharedBuffers: boolean
  readonly maxLinks: number
  readonly fragments: 'as-sent' | 'data-pdus' | number
  readonly linkEnds = new Map<number, LinkEnd>()
  readonly advertiser: Advertiser
  readonly scanner: Scanner
  readonly initiator: Initiator
  readonly acceptList: AirAddress[] = []
  readonly violations: AirViolation[] = []
  /** What the host set by LE Set Random Address. */
  randomAddress: WireAddress | undefined
  /** Octets of data PDUs that new links start with. */
  suggestedOctets: number = DataLength.least
  outbox: Outbox | undefined
  #port: VirtualPort | undefined
  #plugged = true
  #nextHandle = 0
  #ready: () => boolean = () => true

  constructor(medium: Medium, address: WireAddress, options: ControllerOptions) {
    this.medium = medium
    this.address = address
    this.aclLength = options.aclLength ?? 251
    this.aclCount = options.aclCount ?? 8
    this.sharedBuffers = options.sharedBuffers ?? false
    this.maxLinks = options.maxLinks ?? 16
    this.fragments = options.fragments ?? 'as-sent'
    if (!(this.aclLength >= 27 && this.aclLength <= 0xffff)) throw new TypeError('aclLength is from 27 to 65535')
    if (!(this.aclCount >= 1 && this.aclCount <= 255)) throw new TypeError('aclCount is from 1 to 255')
    if (!(this.maxLinks >= 1 && this.maxLinks <= HANDLES / 2)) throw new TypeError(`maxLinks is from 1 to ${HANDLES / 2}`)
    if (typeof this.fragments === 'number' && !(this.fragments >= 4)) throw new TypeError('a fragment has at least 4 octets')
    this.advertiser = new Advertiser(this)
    this.scanner = new Scanner(this)
    this.initiator = new Initiator(this)
  }

  get description(): string {
    return `virtual ${this.address.id}`
  }

  get inUse(): boolean {
    return this.#port !== undefined
  }

  get advertising(): boolean {
    return this.advertiser.enabled
  }

  get scanning(): boolean {
    return this.scanner.enabled
  }

  get links(): readonly AirLinkView[] {
    return [...this.linkEnds.values()].map(({ handle, peer: { id, type }, role }) => ({ handle, peer: { id, type }, role }))
  }

  /** Whether its host takes more data now; when not, data waits at the other side and reports are lost. */
  get ready(): boolean {
    return this.#ready()
  }

  /** Whether advertisements are of interest to it. */
  get listening(): boolean {
    return this.scanner.enabled || this.initiator.pending
  }

  async open(handlers: HciPortHandlers, { signal }: { readonly signal: AbortSignal }): Promise<HciPort> {
    signal.throwIfAborted()
    if (!this.#plugged) throw adapterError('ERR_BLE_NO_ADAPTER', `There is no ${this.description}`)
    if (this.#port !== undefined) throw adapterError('ERR_BLE_ADAPTER_BUSY', `The ${this.description} has a host already`)
    return this.attach(handlers)
  }

  /** Gives it a host. @param ready whether the host takes more now; it says so by {@link Controller.resume} when it does again */
  attach(handlers: HciPortHandlers, ready: () => boolean = () => true): HciPort {
    this.#ready = ready
    this.outbox = new Outbox(handlers, this.medium.deliver)
    this.#port = new VirtualPort(this, handlers)
    return this.#port
  }

  /** The host takes more again. */
  resume(): void {
    for (const end of [...this.linkEnds.values()]) end.other.pump()
  }

  unplug(): void {
    if (!this.#plugged) return
    this.#plugged = false
    const port = this.#port
    if (port === undefined) return
    this.#forget()
    port.lose(adapterError('ERR_BLE_ADAPTER_FAILED', `The ${this.description} was unplugged`))
  }

  plugIn(): void {
    this.#plugged = true
  }

  /** The host of a port is gone; the controller forgets everything, unless it has another one by now. */
  release(port: HciPort): void {
    if (this.#port !== port) return
    this.#port = undefined
    this.#forget()
  }

  #forget(): void {
    this.reset()
    this.outbox?.close()
    this.outbox = undefined
  }

  /** As after Reset: links are forgotten without a word to the other side. */
  reset(): void {
    this.advertiser.reset()
    this.scanner.reset()
    this.initiator.reset()
    this.acceptList.length = 0
    this.randomAddress = undefined
    this.suggestedOctets = DataLength.least
    for (const end of [...this.linkEnds.values()]) end.link.drop(end)
    this.outbox?.reset()
  }

  /** One H4 packet from the host. */
  take(packet: Uint8Array): void {
    const kind = packet[0]
    if (kind === H4.acl && packet.length >= 5 && packet.length === 5 + (packet[3] as number) + ((packet[4] as number) << 8))
      this.#takeData(packet)
    else if (kind === H4.command && packet.length >= 4 && packet.length === 4 + (packet[3] as number))
      runCommand(this, Buffer.from(packet.buffer, packet.byteOffset, packet.length))
    else this.violation('malformed', `a packet of type ${kind} with ${packet.length} bytes`)
  }

  violation(rule: AirViolation['rule'], detail: string): void {
    this.medium.logger?.warn('a host broke a rule', { controller: this.address.id, rule, detail })
    if (this.violations.length < MOST_VIOLATIONS) this.violations.push({ rule, detail })
  }

  /** The address that the host's choice of own address type stands for; undefined when it has not set it. */
  ownAddress(ownType: number): WireAddress | undefined {
    if (this.address.type === 'random' || ownType % 2 === 0) return this.address
    return this.randomAddress
  }

  accepts(address: AirAddress): boolean {
    return this.acceptList.some((known) => sameAddress(known, address))
  }

  linkBetween(own: AirAddress, peer: AirAddress): LinkEnd | undefined {
    for (const end of this.linkEnds.values()) if (sameAddress(end.peer, peer) && sameAddress(end.own, own)) return end
    return undefined
  }

  nextHandle(): number {
    for (;;) {
      const handle = FIRST_HANDLE + (this.#nextHandle++ % HANDLES)
      if (!this.linkEnds.has(handle)) return handle
    }
  }

  /** Tells the host of a new link. */
  connected(end: LinkEnd): void {
    this.outbox?.event(connectionComplete(0, end.handle, end.role === 'central' ? 0 : 1, end.peer, end.link.parameters))
  }

  #takeData(packet: Uint8Array): void {
    const { outbox } = this
    if (outbox === undefined) return
    const flags = packet[2] as number
    const handle = (packet[1] as number) | ((flags & 0x0f) << 8)
    const end = this.linkEnds.get(handle)
    const octets = packet.length - 5
    if (octets > this.aclLength) this.violation('acl', `${octets} octets of data, where ${this.aclLength} fit`)
    else if ((flags & 0xc0) !== 0 || (flags & 0x30) === 0x30) this.violation('acl', `flags ${flags >> 4}`)
    else if (end === undefined) {
      // A link may just have ended without the host knowing.
      if (!this.#everHad(handle)) this.violation('acl', `handle ${handle}, which never was`)
    } else if (outbox.held >= this.aclCount) {
      this.violation('buffers', `more than ${this.aclCount} ACL packets`)
      outbox.event(bufferOverflow())
    } else {
      outbox.hold(handle)
      end.send(packet)
    }
  }

  #everHad(handle: number): boolean {
    return handle >= FIRST_HANDLE && handle < FIRST_HANDLE + Math.min(this.#nextHandle, HANDLES)
  }
}

/** What a host holds of an open controller. */
class VirtualPort implements HciPort {
  readonly #controller: Controller
  readonly #handlers: HciPortHandlers
  #open = true
  #closed = false

  constructor(controller: Controller, handlers: HciPortHandlers) {
    this.#controller = controller
    this.#handlers = handlers
  }

  send(packet: Uint8Array): void {
    if (this.#open) this.#controller.take(packet)
  }

  async close(): Promise<void> {
    this.#open = false
    this.#closed = true
    this.#controller.release(this)
  }

  lose(error: Error): void {
    this.#open = false
    setImmediate(() => {
      if (this.#closed) return
      this.#closed = true
      // Until it is told, the host has it open.
      this.#controller.release(this)
      this.#handlers.closed(error)
    })
  }
}

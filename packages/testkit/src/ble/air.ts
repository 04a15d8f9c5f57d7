import type { Clock, Logger } from '@kithmesh/core'
import { Controller } from './controller.ts'
import type { ControllerOptions, VirtualController } from './controller-types.ts'
import { parseAddress } from './device-address.ts'
import { Medium } from './medium.ts'
import type { ConnectionFailures } from './medium.ts'
import type { Loss, Position } from './propagation.ts'
import { seededRandom } from './random.ts'
import type { Random } from './random.ts'

/** What an air is made of. */
export interface AirOptions {
  /** All its time: advertising intervals, supervision timeouts, the time data takes. */
  readonly clock: Clock
  /** All its chance: delays of advertisements, losses, failures. @default a generator that always starts alike */
  readonly random?: Random
  /** Told when a host breaks a rule. */
  readonly logger?: Logger
}

/** How fast data is. Without any of it, it arrives in the next turn of the event loop. */
export interface Pace {
  /** For each link and direction. About 90 000 is what a 1M PHY with extended data length reaches. @default no limit */
  readonly bytesPerSecond?: number
  /** Data, and the end of a link, wait for the link's next connection event. @default false */
  readonly connectionEvents?: boolean
}

const FIRST_ADDRESS = 0xc0ffee000001

/**
 * A piece of space in which virtual controllers hear each other: everybody in reach hears everybody, unless told otherwise. Events reach hosts in
 * a later turn of the event loop, each controller's in order. Nothing happens but by the clock and by what hosts do.
 */
export class VirtualAir {
  readonly #medium: Medium
  #nextAddress = FIRST_ADDRESS
  #closed = false

  constructor(options: AirOptions) {
    this.#medium = new Medium(options.clock, options.random ?? seededRandom(), options.logger)
  }

  get controllers(): readonly VirtualController[] {
    return [...this.#medium.controllers]
  }

  /**
   * Adds a controller.
   * @throws TypeError for an address that is taken or none, and for sizes out of range; when the air is closed
   */
  controller(options: ControllerOptions = {}): VirtualController {
    if (this.#closed) throw new TypeError('the air is closed')
    const address = parseAddress(options.address ?? this.#freeAddress(), options.addressType)
    if (this.#isTaken(address.id)) throw new TypeError(`there is a controller ${address.id} already`)
    const controller = new Controller(this.#medium, address, options)
    this.#medium.controllers.add(controller)
    return controller
  }

  /** Takes a controller out for good; see {@link VirtualController.unplug}. Idempotent. */
  remove(controller: VirtualController): void {
    controller.unplug()
    this.#medium.controllers.delete(controller as Controller)
    this.#medium.propagation.forget(controller)
  }

  /** Devices that are placed hear each other up to so many metres. @default without limit */
  setRange(metres: number): void {
    this.#medium.propagation.setRange(metres)
    this.#medium.checkLinks()
  }

  /** Puts a device somewhere, or moves it. Signals between placed devices weaken with the distance. */
  place(controller: VirtualController, position: Position): void {
    this.#medium.propagation.place(controller, position)
    this.#medium.checkLinks()
  }

  /** Fixes how two hear each other, dBm; `undefined` leaves it to their places again. */
  setRssi(a: VirtualController, b: VirtualController, dBm: number | undefined): void {
    this.#medium.propagation.setRssi(a, b, dBm)
    this.#medium.checkLinks()
  }

  /** From now on the two, or one and everybody, do not hear each other. A link of theirs ends with its supervision timeout, unless they are joined before. */
  separate(a: VirtualController, b?: VirtualController): void {
    this.#medium.propagation.separate(a, b ?? 'all')
    this.#medium.checkLinks()
  }

  /** Undoes `separate`; without `b`, every separation of `a`. */
  join(a: VirtualController, b?: VirtualController): void {
    this.#medium.propagation.join(a, b ?? 'all')
    this.#medium.checkLinks()
  }

  setLoss({ advertising = 0, data = 0 }: Loss): void {
    this.#medium.propagation.advertisingLoss = advertising
    this.#medium.propagation.dataLoss = data
  }

  /** Lets connections fail although both sides hear each other. What is not given is set back. */
  failConnections({ next = 0, rate = 0, how = 'complete' }: ConnectionFailures): void {
    this.#medium.failNext = next
    this.#medium.failRate = rate
    this.#medium.failHow = how
  }

  setPace({ bytesPerSecond, connectionEvents = false }: Pace): void {
    this.#medium.bytesPerSecond = bytesPerSecond
    this.#medium.connectionEvents = connectionEvents
  }

  /** Removes all controllers; their hosts lose them. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true
    for (const controller of this.controllers) this.remove(controller)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #isTaken(id: string): boolean {
    return this.controllers.some(({ address }) => address.id === id)
  }

  #freeAddress(): string {
    for (;;) {
      const id = (this.#nextAddress++).toString(16).padStart(12, '0')
      if (!this.#isTaken(id)) return id
    }
  }
}

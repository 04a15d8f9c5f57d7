import { AdvertisingType, Status } from './codes.ts'
import type { Controller } from './controller.ts'
import type { WireAddress } from './device-address.ts'

/** Milliseconds of the random delay that every advertising event is given (vol. 6, part B, §4.4.2.2). */
const MOST_DELAY_MS = 10
const EMPTY = Buffer.alloc(0)

/** Legacy advertising of a controller. */
export class Advertiser {
  type: number = AdvertisingType.connectable
  data: Buffer = EMPTY
  scanResponse: Buffer = EMPTY
  #intervalMs = 1280
  #ownType = 0
  #address: WireAddress
  #cancel: (() => void) | undefined
  readonly #controller: Controller

  constructor(controller: Controller) {
    this.#controller = controller
    this.#address = controller.address
  }

  get enabled(): boolean {
    return this.#cancel !== undefined
  }

  get scannable(): boolean {
    return this.type === AdvertisingType.connectable || this.type === AdvertisingType.scannable
  }

  /** The address it advertises under. */
  get address(): WireAddress {
    return this.#address
  }

  /** LE Set Advertising Parameters. */
  setParameters(parameters: Buffer): number {
    if (this.enabled) return Status.disallowed
    const [least, most, type, ownType] = [
      parameters.readUInt16LE(0),
      parameters.readUInt16LE(2),
      parameters[4] as number,
      parameters[5] as number
    ]
    if (least < 0x20 || most > 0x4000 || least > most || ownType > 3 || type > 4) return Status.invalidParameters
    // Directed advertising is not needed by anybody here.
    if (type !== AdvertisingType.connectable && type !== AdvertisingType.scannable && type !== AdvertisingType.plain)
      return Status.unsupported
    this.#intervalMs = least * 0.625
    this.type = type
    this.#ownType = ownType
    return Status.success
  }

  /** LE Set Advertising Data and LE Set Scan Response Data. */
  setData(which: 'data' | 'scanResponse', parameters: Buffer): number {
    const length = parameters[0] as number
    if (length > 31) return Status.invalidParameters
    this[which] = Buffer.from(parameters.subarray(1, 1 + length))
    return Status.success
  }

  /** LE Set Advertising Enable. */
  enable(on: boolean): number {
    if (!on) {
      this.stop()
      return Status.success
    }
    const address = this.#controller.ownAddress(this.#ownType)
    if (address === undefined) return Status.invalidParameters
    if (this.type === AdvertisingType.connectable && this.#controller.linkEnds.size >= this.#controller.maxLinks)
      return Status.connectionLimit
    if (this.enabled) return Status.success
    this.#address = address
    this.#next(0)
    return Status.success
  }

  /** A connection was made, which ends legacy advertising. */
  connected(): void {
    this.stop()
  }

  stop(): void {
    this.#cancel?.()
    this.#cancel = undefined
  }

  reset(): void {
    this.stop()
    this.type = AdvertisingType.connectable
    this.data = EMPTY
    this.scanResponse = EMPTY
    this.#intervalMs = 1280
    this.#ownType = 0
  }

  #next(intervalMs: number): void {
    const { clock, random } = this.#controller.medium
    this.#cancel = clock.after(intervalMs + random() * MOST_DELAY_MS, () => {
      this.#next(this.#intervalMs)
      this.#controller.medium.advertise(this.#controller)
    })
  }
}

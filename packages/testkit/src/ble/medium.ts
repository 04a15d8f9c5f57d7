import type { Clock, Logger } from '@kithmesh/core'
import { AdvertisingType, Status } from './codes.ts'
import type { Controller } from './controller.ts'
import type { AirAddress } from './device-address.ts'
import { Link } from './link.ts'
import type { Outbox } from './outbox.ts'
import { Propagation } from './propagation.ts'
import type { Random } from './random.ts'

/** Connections that are not established although both sides hear each other. */
export interface ConnectionFailures {
  /** So many of the next ones. */
  readonly next?: number
  /** The share of all, from 0 to 1. */
  readonly rate?: number
  /**
   * How the initiating host hears of it: Connection Complete with 0x3e, or a successful Connection Complete followed by Disconnection Complete
   * with 0x3e, which the other host hears too. Controllers do either. @default 'complete'
   */
  readonly how?: 'complete' | 'disconnected'
}

/** What all controllers of an air share. */
export class Medium {
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger | undefined
  readonly propagation: Propagation
  readonly controllers = new Set<Controller>()
  readonly links = new Set<Link>()
  bytesPerSecond: number | undefined
  connectionEvents = false
  failNext = 0
  failRate = 0
  failHow: 'complete' | 'disconnected' = 'complete'
  #waiting: Outbox[] = []

  constructor(clock: Clock, random: Random, logger: Logger | undefined) {
    this.clock = clock
    this.random = random
    this.logger = logger
    this.propagation = new Propagation(random)
  }

  /** Whether data takes time. */
  get paced(): boolean {
    return this.bytesPerSecond !== undefined || this.connectionEvents || this.propagation.dataLoss > 0
  }

  /** Hands over what an outbox has gathered, in the next turn of the event loop. */
  readonly deliver = (outbox: Outbox): void => {
    this.#waiting.push(outbox)
    if (this.#waiting.length === 1) setImmediate(this.#flush)
  }

  readonly #flush = (): void => {
    const waiting = this.#waiting
    this.#waiting = []
    let failure: { readonly error: unknown } | undefined
    for (const outbox of waiting) {
      try {
        outbox.flush()
      } catch (error) {
        failure ??= { error }
        this.logger?.error('a host failed to take a packet', { error })
      }
    }
    // A defect of a host under test is to be seen, but not to be the end of the other hosts.
    if (failure !== undefined) throw failure.error
  }

  /** Looks again who hears whom. */
  checkLinks(): void {
    for (const link of [...this.links]) link.check()
  }

  /** One advertising event: whoever listens hears it, and at most one of those that want to connect does. */
  advertise(from: Controller): void {
    const { advertiser } = from
    const initiators: Controller[] = []
    for (const controller of this.controllers) {
      if (controller === from || !controller.listening) continue
      const rssi = this.propagation.rssi(from, controller)
      if (rssi === undefined || this.propagation.loses(this.propagation.advertisingLoss)) continue
      if (controller.scanner.hears()) {
        controller.scanner.report(advertiser.type, advertiser.address, advertiser.data, rssi)
        if (advertiser.scannable && controller.scanner.active && !this.propagation.loses(this.propagation.advertisingLoss))
          controller.scanner.report(AdvertisingType.scanResponse, advertiser.address, advertiser.scanResponse, rssi)
      }
      if (advertiser.type === AdvertisingType.connectable && controller.initiator.wants(advertiser.address)) initiators.push(controller)
    }
    const chosen = initiators.length < 2 ? initiators[0] : initiators[Math.floor(this.random() * initiators.length)]
    if (chosen !== undefined) this.#connect(chosen, from)
  }

  #connect(central: Controller, peripheral: Controller): void {
    const request = central.initiator.take()
    if (request === undefined) return
    const { address } = peripheral.advertiser
    const failing = this.#fails()
    const refusal =
      refusalOf(central, peripheral, request.own) ?? (failing && this.failHow === 'complete' ? Status.establishmentFailed : undefined)
    if (refusal !== undefined) {
      central.initiator.failed(refusal, address)
      return
    }
    peripheral.advertiser.connected()
    const link = new Link(this, { central, peripheral, from: request.own, to: address }, request.parameters)
    this.links.add(link)
    central.connected(link.central)
    peripheral.connected(link.peripheral)
    if (failing) link.fail(Status.establishmentFailed)
  }

  #fails(): boolean {
    if (this.failNext > 0) {
      this.failNext--
      return true
    }
    return this.propagation.loses(this.failRate)
  }
}

/** Why there can be no link between the two, as the initiating side learns it. */
function refusalOf(central: Controller, peripheral: Controller, own: AirAddress): number | undefined {
  const { address } = peripheral.advertiser
  if (central.linkBetween(own, address) !== undefined) return Status.connectionExists
  if (central.linkEnds.size >= central.maxLinks) return Status.connectionLimit
  if (peripheral.linkEnds.size >= peripheral.maxLinks || peripheral.linkBetween(address, own) !== undefined)
    return Status.establishmentFailed
  return undefined
}

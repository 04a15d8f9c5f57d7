import { Buffer } from 'node:buffer'
import type { Clock } from '@kithmesh/core'
import { silentLogger } from '@kithmesh/core'
import { Browser } from '../../dist/browser.js'
import { groupName } from '../../dist/names.js'
import { Responder } from '../../dist/responder.js'
import type { Link, Sender } from '../../dist/sockets.js'
import { decodeMessage } from '../../dist/dns-message.js'
import type { Message } from '../../dist/dns-message.js'

export const serviceType = '_couchbaseP2P._tcp'
const group = 'com.example.shop'
export const listName = groupName(group, serviceType)

/** One packet that was on the link. */
export interface Sent {
  readonly from: string
  readonly raw: Buffer
  readonly message: Message
  readonly at: number
}

/** A multicast link in memory, on a clock that the test moves. Every station hears every packet, its own included. */
export class VirtualLink {
  readonly sent: Sent[] = []
  readonly replies: Array<{ readonly to: Sender; readonly message: Message }> = []
  /** Which packets get lost on the way to a station. */
  loses: (packet: Message, from: string, to: string) => boolean = () => false
  readonly #clock: Clock
  readonly #stations: Station[] = []

  constructor(clock: Clock) {
    this.#clock = clock
  }

  station(address: string, random: () => number = () => 0.5): Station {
    const station = new Station(this, address, this.#clock, random)
    this.#stations.push(station)
    return station
  }

  transmit(from: string, packet: Buffer, port = 5353): void {
    const copy = Buffer.from(packet)
    const message = decodeMessage(copy)
    if (message === undefined) throw new Error('A malformed packet was sent')
    this.sent.push({ from, raw: copy, message, at: this.#clock.monotonic() })
    this.#clock.after(1, () => {
      for (const station of this.#stations)
        if (!this.loses(message, from, station.address)) station.receive(message, { address: from, port, family: 4 })
    })
  }
}

/** A host of the link with a responder and, after `browse`, a browser. */
export class Station {
  readonly address: string
  readonly responder: Responder
  readonly link: Link
  readonly events: string[] = []
  browser: Browser | undefined
  readonly #clock: Clock
  readonly #random: () => number
  #crashed = false

  constructor(medium: VirtualLink, address: string, clock: Clock, random: () => number) {
    this.address = address
    this.#clock = clock
    this.#random = random
    this.link = {
      name: 'lan0',
      addresses: [address],
      send: (packet) => {
        if (!this.#crashed) medium.transmit(address, packet)
      },
      reply: (packet, to) => {
        medium.replies.push({ to, message: decodeMessage(packet) as Message })
      },
      idle: () => Promise.resolve()
    }
    this.responder = new Responder({ clock, logger: silentLogger, random, port: 5353 })
    this.responder.addLink(this.link)
  }

  receive(message: Message, from: Sender): void {
    if (this.#crashed) return
    this.responder.receive(this.link, message, from)
    if (message.response) this.browser?.receive(this.link, message)
  }

  /** From now on it neither speaks nor hears. */
  crash(): void {
    this.#crashed = true
    this.responder.stop()
  }

  browse(isOwn: (name: string) => boolean = () => false): Browser {
    const text = (txt: Buffer): string => txt.toString('latin1').slice(1)
    this.browser = new Browser({
      group,
      serviceType,
      clock: this.#clock,
      logger: silentLogger,
      random: this.#random,
      isOwn,
      found: (services) => {
        for (const { name, txt } of services) this.events.push(`found ${name} ${text(txt)}`.trim())
      },
      lost: (names) => {
        for (const name of names) this.events.push(`lost ${name}`)
      },
      txtChanged: (name, txt) => {
        this.events.push(`changed ${name} ${text(txt)}`)
      }
    })
    this.browser.addLink(this.link)
    return this.browser
  }
}

export function txt(text: string): Buffer {
  return Buffer.concat([Buffer.from([text.length]), Buffer.from(text)])
}

export function service(
  label: string,
  more: { readonly port?: number; readonly host?: string; readonly txt?: string; readonly groups?: readonly string[] } = {}
): Parameters<Responder['publish']>[0] {
  return {
    label,
    serviceType,
    groups: more.groups ?? [group],
    host: more.host ?? label.toLowerCase().replace(/[^a-z0-9]/g, '-'),
    port: more.port ?? 4984,
    txt: txt(more.txt ?? 'a=1')
  }
}

import { EVENT, LE_EVENT, PACKET, STATUS } from './opcodes.ts'
import { ACL_HEADER, readConnectionComplete } from './packet-codec.ts'
import type { ConnectionComplete } from './packet-codec.ts'

/** Who is told what a controller says. Packets have all the fields of their kind. */
export interface ControllerPacketHandlers {
  acl(handle: number, packet: Buffer): void
  connected(event: ConnectionComplete): void
  disconnected(handle: number, reason: number): void
  /** An event for whoever uses the link. */
  aboutLink(handle: number, packet: Buffer): void
  /** The peer wants to encrypt with a key of an earlier pairing. */
  keyWanted(handle: number): void
  /** LE Advertising Report. */
  reported(packet: Buffer): void
  completed(handle: number, count: number): void
  /** All counts of an event were told. */
  completedAll(): void
  malformed(what: string): void
}

/** Events that are passed on as they are: where their handle is, and how long they are at least. */
const ABOUT_LINKS = new Map<number, { readonly offset: number; readonly length: number }>([
  [EVENT.encryptionChange, { offset: 4, length: 7 }],
  [EVENT.encryptionKeyRefresh, { offset: 4, length: 6 }]
])
const LE_ABOUT_LINKS = new Map<number, { readonly offset: number; readonly length: number }>([
  [LE_EVENT.connectionUpdateComplete, { offset: 5, length: 13 }],
  [LE_EVENT.readRemoteFeaturesComplete, { offset: 5, length: 15 }],
  [LE_EVENT.dataLengthChange, { offset: 4, length: 14 }]
])

/** Reads what a controller sends, other than answers to commands; what is not known is left out. */
export class ControllerPackets {
  readonly #handlers: ControllerPacketHandlers

  constructor(handlers: ControllerPacketHandlers) {
    this.#handlers = handlers
  }

  take(packet: Buffer): void {
    if (packet[0] === PACKET.acl) {
      if (packet.length < ACL_HEADER || packet.readUInt16LE(3) !== packet.length - ACL_HEADER) {
        this.#handlers.malformed('ACL packet of a wrong length')
      } else this.#handlers.acl(packet.readUInt16LE(1) & 0x0fff, packet)
    } else if (packet[0] === PACKET.event) {
      if (packet.length < 3 || packet[2] !== packet.length - 3) this.#handlers.malformed('event of a wrong length')
      else this.#event(packet)
    }
  }

  #event(packet: Buffer): void {
    switch (packet[1]) {
      case EVENT.numberOfCompletedPackets:
        this.#completed(packet)
        return
      case EVENT.leMeta:
        this.#leEvent(packet)
        return
      case EVENT.disconnectionComplete:
        if (packet.length >= 7 && packet[3] === STATUS.success) this.#handlers.disconnected(handleAt(packet, 4), packet[6]!)
        return
      default:
        this.#passOn(packet, ABOUT_LINKS.get(packet[1]!))
    }
  }

  #leEvent(packet: Buffer): void {
    switch (packet[3]) {
      case LE_EVENT.advertisingReport:
        this.#handlers.reported(packet)
        return
      case LE_EVENT.connectionComplete:
      case LE_EVENT.enhancedConnectionComplete: {
        const event = readConnectionComplete(packet)
        if (event === undefined) this.#handlers.malformed('Connection Complete that is too short')
        else this.#handlers.connected(event)
        return
      }
      case LE_EVENT.longTermKeyRequest:
        if (packet.length >= 6) this.#handlers.keyWanted(handleAt(packet, 4))
        return
      default:
        this.#passOn(packet, LE_ABOUT_LINKS.get(packet[3]!))
    }
  }

  #passOn(packet: Buffer, form: { readonly offset: number; readonly length: number } | undefined): void {
    if (form !== undefined && packet.length >= form.length) this.#handlers.aboutLink(handleAt(packet, form.offset), packet)
  }

  #completed(packet: Buffer): void {
    const count = Math.min(packet[3] ?? 0, Math.floor((packet.length - 4) / 4))
    for (let index = 0; index < count; index++) {
      const offset = 4 + index * 4
      this.#handlers.completed(handleAt(packet, offset), packet.readUInt16LE(offset + 2))
    }
    this.#handlers.completedAll()
  }
}

function handleAt(packet: Buffer, offset: number): number {
  return packet.readUInt16LE(offset) & 0x0fff
}

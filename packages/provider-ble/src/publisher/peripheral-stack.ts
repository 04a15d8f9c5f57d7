import type { LibraryStack } from '../hci/hci-host.ts'
import { CID, EVENT, OP, PACKET } from '../hci/opcodes.ts'

/** Where the parameters of a command begin in its H4 packet (Core Specification, vol. 4, part E, §5.4.1). */
const PARAMETERS_AT = 4
/** Handle Value Notification (vol. 3, part F, §3.4.7.1). */
const NOTIFICATION = 0x1b
const MIN_UNITS = 0x20
const MAX_UNITS = 0x4000

export interface PeripheralStackOptions {
  /** 20 to 10,240. */
  readonly intervalMs: number
  /** The controller refused to begin or to end advertising. The libraries do not say so when they began by themselves. */
  readonly refused: () => void
  /** A notification was taken off the library's hands, which is when another one makes sense. The libraries queue any number of them. */
  readonly notified: (connection: number) => void
}

/** What a library's HCI layer constructs. */
interface LibrarySocket {
  write(packet: Buffer): unknown
  emit(event: string, ...values: unknown[]): boolean
}

/**
 * A stack for bleno, which advertises at an interval of our choice, as the libraries take theirs from the environment only, which belongs to
 * the whole program; and tells what the libraries do not.
 * @throws TypeError for an interval that no controller does
 */
export function peripheralStack(stack: LibraryStack, { intervalMs, refused, notified }: PeripheralStackOptions): LibraryStack {
  const units = advertisingUnits(intervalMs)
  const Base = stack.Socket as new () => LibrarySocket
  class Socket extends Base {
    /** By connection, what was written and is not completed: whether it was a notification. */
    readonly #written = new Map<number, boolean[]>()

    override write(packet: Buffer): unknown {
      if (packet.length >= 5 && packet[0] === PACKET.acl) {
        const connection = packet.readUInt16LE(1) & 0x0fff
        const written = this.#written.get(connection)
        if (written === undefined) this.#written.set(connection, [isNotification(packet)])
        else written.push(isNotification(packet))
      }
      return super.write(withInterval(packet, units))
    }

    override emit(event: string, ...values: unknown[]): boolean {
      const heard = super.emit(event, ...values)
      const packet = values[0]
      if (event === 'data' && Buffer.isBuffer(packet) && packet[0] === PACKET.event) {
        if (isRefusal(packet)) refused()
        else if (packet[1] === EVENT.disconnectionComplete && packet.length >= 6) this.#written.delete(packet.readUInt16LE(4) & 0x0fff)
        else if (packet[1] === EVENT.numberOfCompletedPackets) this.#completed(packet)
      }
      return heard
    }

    #completed(packet: Buffer): void {
      for (let at = 4; at + 4 <= packet.length; at += 4) {
        const connection = packet.readUInt16LE(at) & 0x0fff
        for (const notification of this.#written.get(connection)?.splice(0, packet.readUInt16LE(at + 2)) ?? [])
          if (notification) notified(connection)
      }
    }
  }
  return {
    Socket,
    release: () => {
      stack.release()
    }
  }
}

/** @throws TypeError when no controller could do it */
export function advertisingUnits(ms: number): number {
  const units = Math.round(ms / 0.625)
  if (!(units >= MIN_UNITS && units <= MAX_UNITS)) throw new TypeError(`An advertising interval is 20 to 10240 ms, not ${ms}`)
  return units
}

function withInterval(packet: Buffer, units: number): Buffer {
  if (packet.length < PARAMETERS_AT + 4 || packet[0] !== PACKET.command || packet.readUInt16LE(1) !== OP.leSetAdvertisingParameters)
    return packet
  const changed = Buffer.from(packet)
  changed.writeUInt16LE(units, PARAMETERS_AT)
  changed.writeUInt16LE(units, PARAMETERS_AT + 2)
  return changed
}

function isRefusal(packet: Buffer): boolean {
  return (
    packet.length >= 7 && packet[1] === EVENT.commandComplete && packet.readUInt16LE(4) === OP.leSetAdvertisingEnable && packet[6] !== 0
  )
}

/** Its first fragment. */
function isNotification(packet: Buffer): boolean {
  return packet.length >= 10 && (packet[2]! & 0x30) === 0 && packet.readUInt16LE(7) === CID.att && packet[9] === NOTIFICATION
}

import type { HciAdapter } from '@kithmesh/provider-ble'

/** Of the virtual controllers. */
const FIRST_HANDLE = 0x40
/** Where the connection handle is in commands, by opcode; they all begin with it. */
const COMMANDS = new Set([0x0406, 0x1405, 0x2013, 0x2016, 0x2019, 0x201a, 0x201b, 0x2022, 0x2030, 0x2032])
/** Where it is in LE Meta events, by subevent. */
const LE_META: Readonly<Record<number, number>> = { 1: 5, 3: 5, 4: 5, 5: 4, 7: 4 }

/**
 * A controller whose connection handles begin with 0, as some do; the virtual ones begin further up.
 * @param stuck handles of links whose other side takes no more data: its packets are not completed
 */
export function lowHandles(adapter: HciAdapter, stuck: ReadonlySet<number> = new Set()): HciAdapter {
  return {
    get description() {
      return adapter.description
    },
    async open(handlers, options) {
      const port = await adapter.open(
        {
          packet: (packet) => {
            shift(packet, handleAt(packet), -FIRST_HANDLE)
            const told = withoutCompleted(packet, stuck)
            if (told !== undefined) handlers.packet(told)
          },
          closed: (error) => {
            handlers.closed(error)
          }
        },
        options
      )
      return {
        send: (packet) => {
          const copy = Buffer.from(packet)
          const isCommand = copy[0] === 0x01
          if (!isCommand || COMMANDS.has(copy.readUInt16LE(1))) shift(copy, [isCommand ? 4 : 1], FIRST_HANDLE)
          port.send(copy)
        },
        close: () => port.close()
      }
    }
  }
}

function handleAt(packet: Buffer): number[] {
  if (packet[0] === 0x02) return [1]
  switch (packet[1]) {
    case 0x05:
    case 0x08:
      return [4]
    case 0x13:
      return Array.from({ length: packet[3]! }, (_, index) => 4 + 4 * index)
    case 0x0e:
      return COMMANDS.has(packet.readUInt16LE(4)) && packet.length >= 9 ? [7] : []
    case 0x3e:
      return packet[3] === 1 && packet[4] !== 0 ? [] : [LE_META[packet[3]!] ?? -1].filter((at) => at > 0)
    default:
      return []
  }
}

function shift(packet: Buffer, offsets: readonly number[], by: number): void {
  for (const offset of offsets) {
    const value = packet.readUInt16LE(offset)
    packet.writeUInt16LE((value & 0xf000) | (((value & 0x0fff) + by) & 0x0fff), offset)
  }
}

/** Number Of Completed Packets without those of some links. */
function withoutCompleted(packet: Buffer, stuck: ReadonlySet<number>): Buffer | undefined {
  if (packet[0] !== 0x04 || packet[1] !== 0x13) return packet
  const entries = handleAt(packet)
    .filter((at) => !stuck.has(packet.readUInt16LE(at)))
    .map((at) => packet.subarray(at, at + 4))
  return entries.length === 0 ? undefined : Buffer.concat([Buffer.of(0x04, 0x13, 1 + 4 * entries.length, entries.length), ...entries])
}

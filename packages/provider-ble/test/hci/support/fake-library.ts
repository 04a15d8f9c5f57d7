import type { EventEmitter } from 'node:events'
import type { LibraryStack } from '../../../dist/hci/hci-host.js'

interface LibrarySocket extends EventEmitter {
  bindRaw(device?: number): number
  start(): void
  stop(): void
  isDevUp(): boolean
  write(packet: Buffer): void
}

/** What a library does with its socket, and nothing more. */
export interface FakeLibrary {
  readonly socket: LibrarySocket
  /** All packets it was given, as hex. */
  readonly packets: string[]
  command(opcode: number, parameters?: string): void
  /** Writes a whole PDU in one ACL packet, as libraries do: boundary flags 00. */
  pdu(handle: number, cid: number, payload: string): void
  write(hex: string): void
  /** Packets of one kind that it was given: those that begin with this hex. */
  of(prefix: string): string[]
}

export function fakeLibrary(stack: LibraryStack, onPacket: (packet: Buffer) => void = () => {}): FakeLibrary {
  const socket = new stack.Socket() as LibrarySocket
  const packets: string[] = []
  socket.on('data', (packet: Buffer) => {
    packets.push(packet.toString('hex'))
    onPacket(packet)
  })
  socket.bindRaw()
  socket.start()
  const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex')
  const write = (hex: string): void => {
    socket.write(bytes(hex))
  }
  return {
    socket,
    packets,
    write,
    command(opcode, parameters = '') {
      const given = bytes(parameters)
      socket.write(Buffer.concat([Buffer.of(1, opcode & 0xff, opcode >> 8, given.length), given]))
    },
    pdu(handle, cid, payload) {
      const given = bytes(payload)
      const head = Buffer.alloc(9)
      head[0] = 2
      head.writeUInt16LE(handle, 1)
      head.writeUInt16LE(given.length + 4, 3)
      head.writeUInt16LE(given.length, 5)
      head.writeUInt16LE(cid, 7)
      socket.write(Buffer.concat([head, given]))
    },
    of: (prefix) => packets.filter((packet) => packet.startsWith(prefix.replaceAll(' ', '')))
  }
}

/** Lets everything that waits for the next turns of the event loop happen. */
export async function settled(turns = 6): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve))
}

import { EventEmitter } from 'node:events'
import type { LibraryStack } from '../../dist/hci/hci-host.js'

/** A stack whose controller answers each command as one does that has nothing to do: enough for a library to come up. */
export interface AnsweringStack extends LibraryStack {
  readonly released: boolean
  /** Opcodes of the commands it was given. */
  readonly commands: number[]
}

const returnParameters: Readonly<Record<number, string>> = {
  4097: '0909000900000000',
  4105: '0100 00ee ffc0',
  8194: 'fb0008',
  8195: '0000000000000000',
  8239: 'fb004808fb004808',
  3180: '0100'
}

export function answeringStack(): AnsweringStack {
  const commands: number[] = []
  let released = false
  class Socket extends EventEmitter {
    bindRaw(): number {
      return 0
    }
    bindUser(): number {
      return 0
    }
    bindControl(): void {}
    isDevUp(): boolean {
      return true
    }
    start(): void {}
    stop(): void {}
    setFilter(): void {}
    write(packet: Buffer): void {
      if (packet[0] !== 1) return
      const opcode = packet.readUInt16LE(1)
      commands.push(opcode)
      const parameters = Buffer.from((returnParameters[opcode] ?? '').replaceAll(' ', ''), 'hex')
      const event = Buffer.from([4, 0x0e, 4 + parameters.length, 1, packet[1] ?? 0, packet[2] ?? 0, 0, ...parameters])
      setImmediate(() => {
        if (!released) this.emit('data', event)
      })
    }
  }
  return {
    Socket,
    commands,
    get released() {
      return released
    },
    release() {
      released = true
    }
  }
}

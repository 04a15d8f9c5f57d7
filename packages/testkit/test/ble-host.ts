import type { HciAdapter, HciPort } from '@kithmesh/provider-ble'
import { eventually } from '@kithmesh/testkit'

/** An event as it came: code, or for LE Meta 0x3e00 + subevent, and its parameters. */
export interface HostEvent {
  readonly code: number
  readonly parameters: Buffer
}

/** An ACL packet as it came. */
export interface HostData {
  readonly handle: number
  readonly flags: number
  readonly data: Buffer
}

/** A host that does what it is told and notes all it hears; nothing of it is shared with the host of the product. */
export class HandHost {
  readonly events: HostEvent[] = []
  readonly data: HostData[] = []
  closed: Error | undefined
  port!: HciPort
  #answers: ((answer: Buffer) => void)[] = []
  onPacket: ((packet: Buffer) => void) | undefined

  static async open(adapter: HciAdapter, { masks = true } = {}): Promise<HandHost> {
    const host = new HandHost()
    host.port = await adapter.open(
      {
        packet: (packet) => {
          host.#take(packet)
        },
        closed: (error) => {
          host.closed = error
        }
      },
      { signal: new AbortController().signal }
    )
    if (masks) {
      await host.command(0x0c03)
      await host.command(0x0c01, Buffer.alloc(8, 0xff))
      await host.command(0x2001, Buffer.alloc(8, 0xff))
    }
    return host
  }

  /** Sends a command; resolves with the return parameters of Command Complete, or the status of Command Status. */
  command(opcode: number, parameters: Uint8Array = new Uint8Array()): Promise<Buffer> {
    return new Promise((resolve) => {
      this.#answers.push(resolve)
      this.port.send(Buffer.concat([Uint8Array.of(1, opcode & 0xff, opcode >> 8, parameters.length), parameters]))
    })
  }

  async advertise({
    interval = 0xa0,
    type = 0,
    ownType = 0,
    data = Buffer.from('020106', 'hex'),
    answer = Buffer.alloc(0)
  } = {}): Promise<number> {
    const parameters = Buffer.alloc(15)
    parameters.writeUInt16LE(interval, 0)
    parameters.writeUInt16LE(interval, 2)
    parameters[4] = type
    parameters[5] = ownType
    parameters[13] = 7
    const status = (await this.command(0x2006, parameters))[0] as number
    if (status !== 0) return status
    await this.command(0x2008, Buffer.concat([Uint8Array.of(data.length), data, Buffer.alloc(31 - data.length)]))
    await this.command(0x2009, Buffer.concat([Uint8Array.of(answer.length), answer, Buffer.alloc(31 - answer.length)]))
    return (await this.command(0x200a, Uint8Array.of(1)))[0] as number
  }

  async scan({ active = true, filter = false } = {}): Promise<number> {
    const status = (await this.command(0x200b, Uint8Array.of(active ? 1 : 0, 0x10, 0, 0x10, 0, 0, 0)))[0] as number
    return status === 0 ? ((await this.command(0x200c, Uint8Array.of(1, filter ? 1 : 0)))[0] as number) : status
  }

  /** LE Create Connection to an address. Resolves with the status of the command. */
  async connect(id: string, { type = 0, ownType = 0, timeout = 100, policy = 0, interval = 24 } = {}): Promise<number> {
    const parameters = Buffer.alloc(25)
    parameters.writeUInt16LE(0x10, 0)
    parameters.writeUInt16LE(0x10, 2)
    parameters[4] = policy
    parameters[5] = type
    Buffer.from(id, 'hex').reverse().copy(parameters, 6)
    parameters[12] = ownType
    parameters.writeUInt16LE(interval, 13)
    parameters.writeUInt16LE(interval, 15)
    parameters.writeUInt16LE(0, 17)
    parameters.writeUInt16LE(timeout, 19)
    return (await this.command(0x200d, parameters))[0] as number
  }

  disconnect(handle: number, reason = 0x13): Promise<Buffer> {
    return this.command(0x0406, Uint8Array.of(handle & 0xff, handle >> 8, reason))
  }

  send(handle: number, data: Uint8Array, flags = 0): void {
    const header = Uint8Array.of(2, handle & 0xff, (handle >> 8) | (flags << 4), data.length & 0xff, data.length >> 8)
    this.port.send(Buffer.concat([header, data]))
  }

  of(code: number): HostEvent[] {
    return this.events.filter((event) => event.code === code)
  }

  /** Waits for the next event of a kind, and takes it. */
  async next(code: number): Promise<Buffer> {
    const event = await eventually(`event 0x${code.toString(16)}`, () => this.events.find((one) => one.code === code))
    this.events.splice(this.events.indexOf(event), 1)
    return event.parameters
  }

  /** Waits for the failure of the next connection and returns its status. */
  async refused(): Promise<number> {
    const parameters = await this.next(0x3e01)
    return parameters[0] as number
  }

  /** Handle of the next LE Connection Complete, whose status must be success. */
  async linked(): Promise<number> {
    const parameters = await this.next(0x3e01)
    if (parameters[0] !== 0) throw new Error(`the connection failed with status ${parameters[0]}`)
    return parameters.readUInt16LE(1)
  }

  #take(packet: Buffer): void {
    this.onPacket?.(packet)
    if (packet[0] === 2) {
      const word = packet.readUInt16LE(1)
      if (packet.readUInt16LE(3) !== packet.length - 5) throw new Error('a data packet of the wrong length')
      this.data.push({ handle: word & 0x0fff, flags: word >> 12, data: packet.subarray(5) })
      return
    }
    if (packet[0] !== 4 || packet[2] !== packet.length - 3) throw new Error(`not an event: ${packet.toString('hex')}`)
    const code = packet[1] as number
    const parameters = packet.subarray(3)
    if (code === 0x0e) this.#answers.shift()?.(parameters.subarray(3))
    else if (code === 0x0f) this.#answers.shift()?.(parameters.subarray(0, 1))
    else if (code === 0x3e) this.events.push({ code: 0x3e00 + (parameters[0] as number), parameters: parameters.subarray(1) })
    else this.events.push({ code, parameters })
  }
}

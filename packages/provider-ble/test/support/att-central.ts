import { setTimeout as delay } from 'node:timers/promises'
import type { HciAdapter, HciPort } from '@kithmesh/provider-ble'
import { within } from '@kithmesh/testkit'

const ATT_CID = 0x0004
const SMP_CID = 0x0006

/** A central that speaks HCI and ATT by hand, so that it can say anything. One connection at a time. */
export class AttCentral {
  readonly #port: HciPort
  readonly #events: { readonly matches: (event: Buffer) => boolean; readonly resolve: (event: Buffer) => void }[] = []
  readonly #answers: ((pdu: Buffer) => void)[] = []
  readonly #queue: Buffer[] = []
  #credits = 4
  #handle = -1
  #partial: Buffer = Buffer.alloc(0)
  #advertised: (id: string, data: Buffer) => void = () => {}
  connected = false
  readonly notifications: Buffer[] = []
  /** What was said about pairing. */
  readonly pairing: Buffer[] = []

  private constructor(port: HciPort) {
    this.#port = port
  }

  static async open(adapter: HciAdapter): Promise<AttCentral> {
    let central: AttCentral | undefined
    const port = await adapter.open(
      {
        packet: (packet) => central?.packet(packet),
        closed: () => {
          if (central !== undefined) central.connected = false
        }
      },
      { signal: AbortSignal.timeout(30_000) }
    )
    central = new AttCentral(port)
    for (const command of ['030c00', '010c08ffffffffffffff3f', '0120081f00000000000000']) {
      await central.command(Buffer.from(command, 'hex'))
    }
    return central
  }

  /** Listens for a moment to what a device advertises, with its scan responses. */
  async scan(id: string, ms: number): Promise<Buffer[]> {
    const heard: Buffer[] = []
    this.#advertised = (address, data) => {
      if (address === id) heard.push(data)
    }
    await this.command(Buffer.from('0b200701100010000000', 'hex'))
    await this.command(Buffer.from('0c20020100', 'hex'))
    await delay(ms)
    await this.command(Buffer.from('0c20020000', 'hex'))
    this.#advertised = () => {}
    return heard
  }

  /** Connects to a device that advertises. @param id twelve hex digits */
  async connect(id: string): Promise<void> {
    const peer = Buffer.from(id, 'hex').reverse()
    const parameters = Buffer.concat([
      Buffer.from('6000300000' + '00', 'hex'),
      peer,
      Buffer.from('00' + '0600' + '0c00' + '0000' + 'c800' + '0000' + '0000', 'hex')
    ])
    const complete = this.#event('a connection', (event) => event[1] === 0x3e && event[3] === 0x01)
    this.#send(Buffer.concat([Buffer.of(0x01, 0x0d, 0x20, parameters.length), parameters]))
    const event = await complete
    if (event[4] !== 0) throw new Error(`the connection failed with 0x${event[4]?.toString(16)}`)
    this.#handle = event.readUInt16LE(5)
    this.connected = true
  }

  async disconnect(): Promise<void> {
    const gone = this.#event('the end of the connection', (event) => event[1] === 0x05)
    this.#send(Buffer.of(0x01, 0x06, 0x04, 3, this.#handle & 0xff, this.#handle >> 8, 0x13))
    await gone
  }

  /** Sends an ATT request and waits for what is answered. */
  request(pdu: Uint8Array, ms = 30_000): Promise<Buffer> {
    const answer = new Promise<Buffer>((resolve) => {
      this.#answers.push(resolve)
    })
    this.write(pdu)
    return within(answer, ms, `the answer to ${Buffer.from(pdu).toString('hex').slice(0, 20)}`)
  }

  /** Sends an ATT PDU that is not answered. */
  write(pdu: Uint8Array, cid = ATT_CID): void {
    const frame = Buffer.concat([Buffer.of(pdu.length & 0xff, pdu.length >> 8, cid & 0xff, cid >> 8), pdu])
    for (let offset = 0; offset < frame.length; offset += 251) {
      const part = frame.subarray(offset, offset + 251)
      const flags = (this.#handle & 0x0fff) | (offset === 0 ? 0 : 0x1000)
      this.#queue.push(Buffer.concat([Buffer.of(0x02, flags & 0xff, flags >> 8, part.length & 0xff, part.length >> 8), part]))
    }
    this.#flush()
  }

  async mtu(bytes: number): Promise<number> {
    const answer = await this.request(Buffer.of(0x02, bytes & 0xff, bytes >> 8))
    return answer.readUInt16LE(1)
  }

  /** Handles of values by the UUID of their characteristic, in hex as on the air. */
  async values(): Promise<Map<string, number>> {
    const found = new Map<string, number>()
    for (let start = 1; ; ) {
      const answer = await this.request(Buffer.of(0x08, start & 0xff, start >> 8, 0xff, 0xff, 0x03, 0x28))
      if (answer[0] !== 0x09) return found
      for (let offset = 2; offset < answer.length; offset += answer[1]!) {
        const uuid = Buffer.from(answer.subarray(offset + 5, offset + answer[1]!))
          .reverse()
          .toString('hex')
        found.set(uuid, answer.readUInt16LE(offset + 3))
        start = answer.readUInt16LE(offset) + 1
      }
    }
  }

  close(): Promise<void> {
    return this.#port.close()
  }

  command(command: Buffer): Promise<Buffer> {
    const done = this.#event('a command', (event) => event[1] === 0x0e && event[4] === command[0] && event[5] === command[1])
    this.#send(Buffer.concat([Buffer.of(0x01), command]))
    return done
  }

  packet(packet: Buffer): void {
    if (packet[0] === 0x04) {
      if (packet[1] === 0x13) {
        for (let index = 0; index < packet[3]!; index++) this.#credits += packet.readUInt16LE(6 + 4 * index)
        this.#flush()
      }
      if (packet[1] === 0x05) this.connected = false
      if (packet[1] === 0x3e && packet[3] === 0x02) {
        const id = Buffer.from(packet.subarray(7, 13)).reverse().toString('hex')
        this.#advertised(id, packet.subarray(14, 14 + packet[13]!))
      }
      const index = this.#events.findIndex(({ matches }) => matches(packet))
      if (index >= 0) this.#events.splice(index, 1)[0]?.resolve(packet)
      return
    }
    const first = (packet[2]! & 0x30) !== 0x10
    this.#partial = first ? packet.subarray(5) : Buffer.concat([this.#partial, packet.subarray(5)])
    if (this.#partial.length < 4 || this.#partial.length < 4 + this.#partial.readUInt16LE(0)) return
    const pdu = Buffer.from(this.#partial.subarray(4))
    const cid = this.#partial.readUInt16LE(2)
    if (cid === SMP_CID) this.pairing.push(pdu)
    if (cid !== ATT_CID) return
    if (pdu[0] === 0x1b) this.notifications.push(pdu.subarray(3))
    else this.#answers.shift()?.(pdu)
  }

  #event(what: string, matches: (event: Buffer) => boolean): Promise<Buffer> {
    return within(
      new Promise<Buffer>((resolve) => {
        this.#events.push({ matches, resolve })
      }),
      30_000,
      what
    )
  }

  #flush(): void {
    while (this.#credits > 0 && this.#queue.length > 0) {
      this.#credits--
      this.#send(this.#queue.shift()!)
    }
  }

  #send(packet: Buffer): void {
    this.#port.send(packet)
  }
}

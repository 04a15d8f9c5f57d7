import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { generate, parser } from 'mqtt-packet'
import type { IConnectPacket, IPublishPacket, Packet } from 'mqtt-packet'

/** A publication on its way through the broker. */
export interface Publication {
  readonly topic: string
  readonly payload: Buffer
  readonly retain: boolean
}

export interface ScriptedBrokerOptions {
  /** The protocol versions it answers to; others are refused as their specifications say. Default both. */
  readonly versions?: readonly (4 | 5)[]
  /** Closes the connection of an unknown version instead of refusing it. */
  readonly silent?: boolean
  /** Acknowledges connections and nothing else. */
  readonly deaf?: boolean
  /** Says whom it lets in. */
  readonly admits?: (packet: IConnectPacket) => boolean
  /** Topics that nobody may subscribe to or publish on. */
  readonly denies?: (topic: string) => boolean
  /** What is delivered instead of a publication, in this order. Default: itself. */
  readonly deliver?: (publication: Publication) => readonly Publication[]
}

interface Client {
  readonly socket: Socket
  version: 4 | 5
  readonly filters: Set<string>
  will: Publication | undefined
}

/** An address that nothing else listens on: the port of a broker that was killed is free for its return. */
const host = '127.0.67.2'

/** A small broker of MQTT 3.1.1 and 5 on loopback that does what a test wants of it, lies included. QoS 1 to it, QoS 0 from it. */
export class ScriptedBroker {
  readonly retained = new Map<string, Buffer>()
  readonly published: Publication[] = []
  readonly connects: IConnectPacket[] = []
  readonly #options: ScriptedBrokerOptions
  readonly #clients = new Set<Client>()
  #server: Server | undefined
  #port = 0

  constructor(options: ScriptedBrokerOptions = {}) {
    this.#options = options
  }

  static async start(options: ScriptedBrokerOptions = {}): Promise<ScriptedBroker> {
    const broker = new ScriptedBroker(options)
    await broker.start()
    return broker
  }

  get url(): string {
    return `mqtt://${host}:${this.#port}`
  }

  get clients(): number {
    return this.#clients.size
  }

  async start(): Promise<void> {
    const server = createServer({ noDelay: true }, (socket) => {
      this.accept(socket)
    })
    this.#server = server
    server.listen(this.#port, host)
    await once(server, 'listening')
    this.#port = (server.address() as AddressInfo).port
  }

  async kill(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (server === undefined) return
    const closed = once(server, 'close')
    server.close()
    this.retained.clear()
    const clients = [...this.#clients]
    for (const client of clients) {
      client.will = undefined
      client.socket.destroy()
    }
    await closed
  }

  /** Cuts all connections; last wills are executed when `executeWills` is called, late as after a keep-alive. */
  cut(): () => void {
    const wills = [...this.#clients].flatMap(({ will }) => will ?? [])
    for (const client of this.#clients) {
      client.will = undefined
      client.socket.destroy()
    }
    return () => {
      for (const will of wills) this.publish(will)
    }
  }

  /** Forgets all subscriptions to topics with this part, and how many there were. */
  mute(part: string): number {
    let count = 0
    for (const { filters } of this.#clients) for (const filter of filters) if (filter.includes(part) && filters.delete(filter)) count++
    return count
  }

  /** Sends bytes as they are to everybody. */
  sendRaw(bytes: Uint8Array): void {
    for (const { socket } of this.#clients) socket.write(bytes)
  }

  /** Delivers it to those who subscribed, and keeps it where it is retained; without a look at `deliver`. */
  publish({ topic, payload, retain }: Publication): void {
    if (retain && payload.length === 0) this.retained.delete(topic)
    else if (retain) this.retained.set(topic, payload)
    this.inject({ topic, payload, retain: false })
  }

  /** Delivers it to those who subscribed, retain flag and all. */
  inject(publication: Publication): void {
    for (const client of this.#clients)
      if ([...client.filters].some((filter) => matches(filter, publication.topic))) send(client, { ...publication })
  }

  accept(socket: Socket): void {
    const client: Client = { socket, version: 4, filters: new Set(), will: undefined }
    const parse = parser()
    parse.on('packet', (packet) => {
      this.#packet(client, packet)
    })
    socket.on('data', (chunk: Buffer) => {
      parse.parse(chunk)
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#clients.delete(client)
      if (client.will !== undefined) this.publish(client.will)
    })
  }

  #packet(client: Client, packet: Packet): void {
    const reply = (answer: Packet): void => {
      client.socket.write(generate(answer, { protocolVersion: client.version }))
    }
    const { denies = () => false, deliver = (publication: Publication) => [publication] } = this.#options
    if (this.#options.deaf === true && packet.cmd !== 'connect') return
    switch (packet.cmd) {
      case 'connect':
        this.#connect(client, packet, reply)
        return
      case 'subscribe': {
        const granted = packet.subscriptions.map(({ topic }) => (denies(topic) ? 128 : 1))
        reply({ cmd: 'suback', messageId: packet.messageId ?? 0, granted: granted as never })
        for (const { topic } of packet.subscriptions.filter(({ topic }) => !denies(topic))) {
          client.filters.add(topic)
          for (const [kept, payload] of this.retained) if (matches(topic, kept)) send(client, { topic: kept, payload, retain: true })
        }
        return
      }
      case 'unsubscribe':
        for (const topic of packet.unsubscriptions) client.filters.delete(topic)
        reply({ cmd: 'unsuback', messageId: packet.messageId ?? 0, granted: packet.unsubscriptions.map(() => 0) } as never)
        return
      case 'publish': {
        const payload = Buffer.from(packet.payload)
        const publication = { topic: packet.topic, payload, retain: packet.retain }
        this.published.push(publication)
        const heard = [...this.#clients].some(({ filters }) => [...filters].some((filter) => matches(filter, packet.topic)))
        const denied = denies(packet.topic)
        if (!denied) for (const delivered of deliver(publication)) this.publish(delivered)
        const reasonCode = denied ? 0x87 : heard ? 0 : 0x10
        reply({ cmd: 'puback', messageId: packet.messageId ?? 0, ...(client.version === 5 ? { reasonCode } : {}) } as never)
        return
      }
      case 'pingreq':
        reply({ cmd: 'pingresp' })
        return
      case 'disconnect':
        client.will = undefined
        client.socket.end()
    }
  }

  #connect(client: Client, packet: IConnectPacket, reply: (answer: Packet) => void): void {
    const { versions = [4, 5], silent = false, admits = () => true } = this.#options
    this.connects.push(packet)
    const version = packet.protocolVersion === 5 ? 5 : 4
    if (!versions.includes(version)) {
      if (!silent) reply({ cmd: 'connack', sessionPresent: false, returnCode: 1 })
      client.socket.end()
      return
    }
    client.version = version
    if (!admits(packet)) {
      reply({ cmd: 'connack', sessionPresent: false, ...(version === 5 ? { reasonCode: 0x86 } : { returnCode: 4 }) })
      client.socket.end()
      return
    }
    if (packet.will !== undefined)
      client.will = { topic: packet.will.topic, payload: Buffer.from(packet.will.payload), retain: packet.will.retain === true }
    this.#clients.add(client)
    reply({ cmd: 'connack', sessionPresent: false, ...(version === 5 ? { reasonCode: 0 } : { returnCode: 0 }) })
  }
}

function send({ socket, version }: Client, { topic, payload, retain }: Publication): void {
  const packet: IPublishPacket = { cmd: 'publish', topic, payload, retain, qos: 0, dup: false }
  socket.write(generate(packet, { protocolVersion: version }))
}

function matches(filter: string, topic: string): boolean {
  const [wanted, given] = [filter.split('/'), topic.split('/')]
  return wanted.length === given.length && wanted.every((level, index) => level === '+' || level === given[index])
}

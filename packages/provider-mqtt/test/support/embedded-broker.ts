import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { Aedes } from 'aedes'
import type { AedesOptions } from 'aedes'

/** An address that nothing else listens on: the port of a broker that was killed is free for its return. */
const host = '127.0.67.1'

/** A broker of MQTT 3.1.1 inside the test, on loopback. */
export class EmbeddedBroker {
  readonly #options: AedesOptions
  readonly #sockets = new Set<Socket>()
  #aedes: Aedes | undefined
  #server: Server | undefined
  #port = 0

  constructor(options: AedesOptions = {}) {
    this.#options = options
  }

  static async start(options: AedesOptions = {}): Promise<EmbeddedBroker> {
    const broker = new EmbeddedBroker(options)
    await broker.start()
    return broker
  }

  get port(): number {
    return this.#port
  }

  get url(): string {
    return `mqtt://${host}:${this.#port}`
  }

  get aedes(): Aedes {
    if (this.#aedes === undefined) throw new Error('the broker does not run')
    return this.#aedes
  }

  /** On the port it had before, with nothing of what it kept. */
  async start(): Promise<void> {
    const aedes = await Aedes.createBroker(this.#options)
    const server = createServer({ noDelay: true }, (socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => {
        this.#sockets.delete(socket)
      })
      aedes.handle(socket)
    })
    this.#aedes = aedes
    this.#server = server
    server.listen(this.#port, host)
    await once(server, 'listening')
    this.#port = (server.address() as AddressInfo).port
  }

  /** Drops all connections at once. */
  async kill(): Promise<void> {
    const aedes = this.#aedes
    const server = this.#server
    this.#aedes = undefined
    this.#server = undefined
    if (aedes === undefined || server === undefined) return
    const closed = once(server, 'close')
    server.close()
    for (const socket of this.#sockets) socket.destroy()
    await closed
    await new Promise<void>((resolve) => {
      aedes.close(() => {
        resolve()
      })
    })
  }

  /** Cuts the connections without a goodbye; the broker goes on. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }
}

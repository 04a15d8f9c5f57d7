import type { MessageSocket, SocketCloseInfo } from '@kithmesh/core'

/** Handlers that remember, and promises for what is awaited. */
export class Recorder {
  readonly messages: Buffer[] = []
  readonly closes: SocketCloseInfo[] = []
  drains = 0
  #wake: Array<() => void> = []

  attach(socket: MessageSocket): this {
    socket.attach({
      message: (data) => {
        this.messages.push(data)
        this.#changed()
      },
      drained: () => {
        this.drains++
        this.#changed()
      },
      closed: (info) => {
        this.closes.push(info)
        this.#changed()
      }
    })
    return this
  }

  /** Resolves once the condition holds; rejects after five seconds. */
  async until(condition: () => boolean): Promise<void> {
    const deadline = Date.now() + 5_000
    while (!condition()) {
      if (Date.now() > deadline) throw new Error('the condition did not come true within five seconds')
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 50)
        this.#wake.push(() => {
          clearTimeout(timer)
          resolve()
        })
      })
    }
  }

  async closed(): Promise<SocketCloseInfo> {
    await this.until(() => this.closes.length > 0)
    return this.closes[0]!
  }

  texts(): string[] {
    return this.messages.map((message) => message.toString())
  }

  #changed(): void {
    const wake = this.#wake
    this.#wake = []
    for (const run of wake) run()
  }
}

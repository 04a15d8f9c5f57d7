import type { MessageSocket, SocketCloseInfo } from '@kithmesh/core'
import { eventually } from '@kithmesh/testkit'

/** Handlers that remember, and promises for what is awaited. */
export class Recorder {
  readonly messages: Buffer[] = []
  readonly closes: SocketCloseInfo[] = []
  drains = 0

  attach(socket: MessageSocket): this {
    socket.attach({
      message: (data) => {
        this.messages.push(data)
      },
      drained: () => {
        this.drains++
      },
      closed: (info) => {
        this.closes.push(info)
      }
    })
    return this
  }

  /** Resolves once there are so many messages. */
  async received(count: number): Promise<void> {
    await eventually(`${count} messages`, () => this.messages.length === count)
  }

  closed(): Promise<SocketCloseInfo> {
    return eventually('the end of the socket', () => this.closes[0])
  }

  texts(): string[] {
    return this.messages.map((message) => message.toString())
  }
}

import { checkRange, systemClock } from '@kithmesh/core/plugin'
import type { Clock } from '@kithmesh/core/plugin'
import type { Socket } from 'node:net'
import { bleErrors } from '../../errors.ts'
import type { HciAdapter, HciPort, HciPortHandlers } from '../hci-port.ts'
import { dial } from './dial.ts'
import type { H4Address } from './dial.ts'
import { H4Splitter } from './h4-splitter.ts'

export type { H4Address } from './dial.ts'

export interface H4SocketOptions {
  /** Milliseconds to connect, 1 to 300,000. @default 10000 */
  readonly deadlineMs?: number
  readonly clock?: Clock
}

/** Bytes that a peer that does not read may leave here: flow control of HCI keeps a working one far below. */
const MOST_UNSENT = 1024 * 1024
/** Milliseconds for the last bytes to be taken. */
const LAST_BYTES_MS = 500
const MAX_DEADLINE_MS = 300_000

/**
 * A controller that speaks H4 over a TCP or Unix socket: an emulated one, or a real one at another machine. Nothing protects the connection,
 * so it belongs on the loopback interface or in a tunnel.
 * @throws TypeError for a deadline that makes no sense
 *
 * @example
 * const host = createHciHost({ adapter: h4Socket({ host: '127.0.0.1', port: 7300 }) })
 */
export function h4Socket(address: H4Address, { deadlineMs = 10_000, clock = systemClock }: H4SocketOptions = {}): HciAdapter {
  checkRange('deadlineMs', deadlineMs, 1, MAX_DEADLINE_MS)
  const description = 'path' in address ? address.path : `${address.host}:${address.port}`
  return {
    description,
    open: async (handlers, { signal }) =>
      new SocketPort(await dial(address, description, { signal, clock, deadlineMs }), description, handlers, clock)
  }
}

class SocketPort implements HciPort {
  readonly #socket: Socket
  readonly #handlers: HciPortHandlers
  readonly #description: string
  readonly #clock: Clock
  #corked = false
  #closed = false

  constructor(socket: Socket, description: string, handlers: HciPortHandlers, clock: Clock) {
    this.#socket = socket
    this.#description = description
    this.#clock = clock
    this.#handlers = handlers
    const splitter = new H4Splitter((packet) => {
      if (!this.#closed) handlers.packet(packet)
    })
    socket.on('data', (bytes) => {
      if (this.#closed) return
      try {
        splitter.push(bytes)
      } catch (error) {
        this.#lose(error as Error)
      }
    })
    socket.on('error', (error) => {
      this.#lose(bleErrors.create('ERR_BLE_ADAPTER_FAILED', `The connection to the controller at ${description} broke`, { cause: error }))
    })
    socket.on('close', () => {
      this.#lose(bleErrors.create('ERR_BLE_ADAPTER_FAILED', `The controller at ${description} closed the connection`))
    })
  }

  send(packet: Uint8Array): void {
    if (this.#closed) return
    if (this.#socket.writableLength > MOST_UNSENT) {
      this.#lose(bleErrors.create('ERR_BLE_ADAPTER_FAILED', `The controller at ${this.#description} takes nothing any more`))
      return
    }
    // What is sent in one turn goes in one call of the system.
    if (!this.#corked) {
      this.#corked = true
      this.#socket.cork()
      process.nextTick(() => {
        this.#corked = false
        this.#socket.uncork()
      })
    }
    this.#socket.write(packet)
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    const { closed } = this.#socket
    this.#socket.destroySoon()
    if (closed) return
    // A controller that does not take the last bytes is not waited for, even if it goes on sending.
    await new Promise<void>((resolve) => {
      const cancel = this.#clock.after(LAST_BYTES_MS, () => {
        this.#socket.destroy()
      })
      this.#socket.once('close', () => {
        cancel()
        resolve()
      })
    })
  }

  #lose(error: Error): void {
    if (this.#closed) return
    this.#closed = true
    this.#socket.destroy()
    this.#handlers.closed(error)
  }
}

import type { Clock } from '@kithmesh/core/plugin'
import { bleErrors } from '../errors.ts'
import { CommandQueue } from './command-queue.ts'
import type { CommandResult } from './command-queue.ts'
import type { Controller } from './controller.ts'
import type { HciAdapter, HciPort } from './hci-port.ts'
import { initialise } from './initialise.ts'
import type { ControllerInfo } from './initialise.ts'
import { EVENT, OP, PACKET } from './opcodes.ts'
import { commandPacket } from './packet-codec.ts'

/** Milliseconds for the controller to answer the last command. */
const RESET_MS = 1_000

export interface ControllerRunOptions {
  readonly clock: Clock
  /** Milliseconds for one answer. */
  readonly commandMs: number
  /** Packets other than answers to commands. */
  readonly packet: (packet: Buffer) => void
  /** The controller went after it was initialised, without being asked to. Told once. */
  readonly lost: (error: Error) => void
}

/** A controller from its opening to its end: its port and its commands. */
export class ControllerRun {
  readonly queue: CommandQueue
  controller: Controller | undefined
  readonly #options: ControllerRunOptions
  #port: HciPort | undefined
  #failure: Error | undefined
  /** Told of the failure, while somebody waits for something. */
  #onFailure: ((error: Error) => void) | undefined

  constructor(options: ControllerRunOptions) {
    this.#options = options
    this.queue = new CommandQueue({
      clock: options.clock,
      deadlineMs: options.commandMs,
      send: (packet) => {
        this.send(packet)
      },
      stuck: (error) => {
        this.#fail(error)
      }
    })
  }

  get failure(): Error | undefined {
    return this.#failure
  }

  send(packet: Uint8Array): void {
    this.#port?.send(packet)
  }

  /** Opens and initialises it. When that fails, `close` gives back what was opened. */
  async open(adapter: HciAdapter, dedicated: boolean, signal: AbortSignal): Promise<ControllerInfo> {
    const failed = new Promise<never>((_resolve, reject) => {
      this.#onFailure = reject
    })
    failed.catch(() => {})
    const onAbort = (): void => {
      this.#fail(signal.reason as Error)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      this.#port = await adapter.open(
        {
          packet: (packet) => {
            this.#packet(packet)
          },
          closed: (error) => {
            this.#fail(error)
          }
        },
        { signal }
      )
      const info = await initialise((opcode, parameters) => Promise.race([failed, this.#request(opcode, parameters)]), dedicated)
      if (this.#failure !== undefined) throw this.#failure
      this.#onFailure = this.#options.lost
      return info
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  /** Lets the controller forget everything, after the commands it is still busy with; not for long. */
  async reset(): Promise<void> {
    if (this.#failure !== undefined) return
    await new Promise<void>((resolve) => {
      const done = (): void => {
        cancel()
        resolve()
      }
      const cancel = this.#options.clock.after(RESET_MS, done)
      this.#onFailure = done
      this.queue.submit(OP.reset, commandPacket(OP.reset), done)
    })
  }

  /** Gives it back. Idempotent. */
  async close(error: Error): Promise<void> {
    this.#failure ??= error
    this.queue.close()
    await this.#port?.close()
  }

  #request(opcode: number, parameters?: Uint8Array): Promise<CommandResult> {
    return new Promise<CommandResult>((resolve) => {
      this.queue.submit(opcode, commandPacket(opcode, parameters), resolve)
    })
  }

  #fail(error: Error): void {
    if (this.#failure !== undefined) return
    this.#failure = error
    this.queue.close()
    this.#onFailure?.(error)
  }

  #packet(packet: Buffer): void {
    if (this.#failure !== undefined) return
    const answer = packet[0] === PACKET.event && packet.length >= 3 && packet[2] === packet.length - 3 ? packet[1] : undefined
    if (answer === EVENT.commandComplete) this.queue.complete(packet)
    else if (answer === EVENT.commandStatus) this.queue.status(packet)
    else if (answer === EVENT.hardwareError) {
      const code = packet[3]
      this.#fail(bleErrors.create('ERR_BLE_ADAPTER_FAILED', `The adapter reports that it failed, with code ${code}`, { details: { code } }))
    } else this.#options.packet(packet)
  }
}

import type { Clock } from '@kithmesh/core/plugin'
import { bleErrors } from '../errors.ts'
import { STATUS } from './opcodes.ts'

/** How a command ended: its status, and for Command Complete what it returned. */
export interface CommandResult {
  readonly status: number
  readonly result: Buffer
  /** It ended with Command Status: more comes with an event of its own when the status is 0. */
  readonly byStatus: boolean
}

interface Command {
  readonly opcode: number
  readonly packet: Uint8Array
  readonly owner: object | undefined
  readonly done: (result: CommandResult) => void
}

interface InFlight {
  readonly command: Command
  readonly cancel: () => void
}

const NOTHING = Buffer.alloc(0)
/** What a controller claims beyond it is not believed: a count of 255 would let one library flood it. */
const MOST_IN_FLIGHT = 8
const MOST_QUEUED = 256

export interface CommandQueueOptions {
  readonly clock: Clock
  /** Milliseconds a controller may take for one answer. */
  readonly deadlineMs: number
  readonly send: (packet: Uint8Array) => void
  /** The controller left a command without an answer; nothing more can be expected from it. */
  readonly stuck: (error: Error) => void
}

/**
 * The commands of everybody, one after the other, as many at a time as the controller grants (Core Specification, vol. 4, part E, §4.4). An
 * answer belongs to the oldest command in flight of its opcode; an answer to nothing only moves the grant.
 */
export class CommandQueue {
  readonly #options: CommandQueueOptions
  readonly #waiting: Command[] = []
  readonly #inFlight: InFlight[] = []
  #granted = 1
  #closed = false

  constructor(options: CommandQueueOptions) {
    this.#options = options
  }

  /** Queues a command. `done` is told exactly once, unless the queue is closed or the owner withdrawn before. */
  submit(opcode: number, packet: Uint8Array, done: (result: CommandResult) => void, owner?: object): void {
    if (this.#closed) return
    if (this.#waiting.length >= MOST_QUEUED) {
      done({ status: STATUS.memoryCapacityExceeded, result: NOTHING, byStatus: false })
      return
    }
    this.#waiting.push({ opcode, packet, owner, done })
    this.#pump()
  }

  /** Sends a command that is answered to somebody else, if at all. */
  post(packet: Uint8Array): void {
    if (!this.#closed) this.#options.send(packet)
  }

  /** Command Complete (`04 0e len granted opcode16 status …`). */
  complete(packet: Buffer): void {
    if (packet.length < 6) return
    const answered = packet.readUInt16LE(4)
    const status = packet.length > 6 ? packet[6]! : STATUS.success
    this.#answered(packet[3]!, answered, { status, result: packet.subarray(7), byStatus: false })
  }

  /** Command Status (`04 0f len status granted opcode16`). */
  status(packet: Buffer): void {
    if (packet.length < 7) return
    this.#answered(packet[4]!, packet.readUInt16LE(5), { status: packet[3]!, result: NOTHING, byStatus: true })
  }

  /** Forgets the commands of one library that were not sent; answers to those that were reach nobody. */
  withdraw(owner: object): void {
    for (let index = this.#waiting.length - 1; index >= 0; index--) {
      if (this.#waiting[index]!.owner === owner) this.#waiting.splice(index, 1)
    }
  }

  close(): void {
    this.#closed = true
    this.#waiting.length = 0
    for (const { cancel } of this.#inFlight.splice(0)) cancel()
  }

  #answered(granted: number, opcode: number, result: CommandResult): void {
    if (this.#closed) return
    this.#granted = Math.min(granted, MOST_IN_FLIGHT)
    const index = this.#inFlight.findIndex(({ command }) => command.opcode === opcode)
    if (index >= 0) {
      const [{ command, cancel }] = this.#inFlight.splice(index, 1) as [InFlight]
      cancel()
      command.done(result)
    }
    // A controller that grants nothing and has nothing left to answer would never be heard of again.
    if (this.#granted === 0 && this.#inFlight.length === 0) this.#granted = 1
    this.#pump()
  }

  #pump(): void {
    while (!this.#closed && this.#granted > 0 && this.#waiting.length > 0) {
      const command = this.#waiting.shift()!
      this.#granted--
      const { clock, deadlineMs } = this.#options
      const cancel = clock.after(deadlineMs, () => {
        this.#options.stuck(
          bleErrors.create(
            'ERR_BLE_ADAPTER_FAILED',
            `The adapter did not answer command 0x${command.opcode.toString(16)} within ${deadlineMs} ms`
          )
        )
      })
      this.#inFlight.push({ command, cancel })
      this.#options.send(command.packet)
    }
  }
}

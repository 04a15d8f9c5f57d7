import { basebandCommands } from './commands-baseband.ts'
import { leCommands } from './commands-le.ts'
import { linkCommands } from './commands-links.ts'
import { Status } from './codes.ts'
import type { Controller } from './controller.ts'
import { commandComplete, commandStatus } from './events.ts'

/**
 * A command that controllers know.
 * `complete` answers Command Complete with what it returns: a status, or all return parameters.
 * `status` answers Command Status: with the status it returns, or with success, before the function it returns goes on.
 */
export type Command = CommandShape &
  (
    | { readonly complete: (controller: Controller, parameters: Buffer) => number | Uint8Array | AndThen }
    | { readonly status: (controller: Controller, parameters: Buffer) => number | (() => void) }
  )

interface CommandShape {
  readonly opcode: number
  /** Bytes of its parameters. */
  readonly length: number
  /** Its place in the answer to Read Local Supported Commands: octet and bit (vol. 4, part E, §6.27). */
  readonly bit: readonly [number, number]
}

/** An answer of success, after which something happens. */
export interface AndThen {
  readonly afterwards: () => void
  readonly returned: Uint8Array
}

const commands: ReadonlyMap<number, Command> = new Map(
  [...basebandCommands(supported), ...leCommands, ...linkCommands].map((command) => [command.opcode, command])
)

const RESET = 0x0c03

/** The 64 octets of supported commands. */
function supported(): Buffer {
  const octets = Buffer.alloc(64)
  for (const { bit } of commands.values()) octets[bit[0]] = (octets[bit[0]] as number) | (1 << bit[1])
  return octets
}

/** Carries out a command packet, H4 type byte and all, and answers it. */
export function runCommand(controller: Controller, packet: Buffer): void {
  const { outbox } = controller
  if (outbox === undefined) return
  const opcode = packet.readUInt16LE(1)
  const name = `0x${opcode.toString(16).padStart(4, '0')}`
  // Reset may come at any time: it is how a host gets hold of a controller whose state it does not know.
  if (outbox.unanswered > 0 && opcode !== RESET) controller.violation('commands', `${name} before the command before it was answered`)
  outbox.unanswered++
  const command = commands.get(opcode)
  if (command === undefined) {
    outbox.push(commandComplete(opcode, Uint8Array.of(Status.unknownCommand)))
    return
  }
  const parameters = packet.subarray(4)
  if (parameters.length !== command.length) controller.violation('malformed', `${name} with ${parameters.length} bytes of parameters`)
  const fits = parameters.length === command.length
  if ('complete' in command) {
    const result = fits ? command.complete(controller, parameters) : Status.invalidParameters
    if (typeof result === 'number') outbox.push(commandComplete(opcode, Uint8Array.of(result)))
    else if (result instanceof Uint8Array) outbox.push(commandComplete(opcode, result))
    else {
      outbox.push(commandComplete(opcode, result.returned))
      result.afterwards()
    }
    return
  }
  const result = fits ? command.status(controller, parameters) : Status.invalidParameters
  outbox.push(commandStatus(opcode, typeof result === 'number' ? result : Status.success))
  if (typeof result === 'function') result()
}

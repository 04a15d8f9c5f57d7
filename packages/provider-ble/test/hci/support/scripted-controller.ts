import type { HciAdapter, HciPort, HciPortHandlers } from '../../../dist/hci/hci-port.js'

/** A command that a controller was given. */
export interface SeenCommand {
  readonly opcode: number
  readonly parameters: Buffer
}

/** A controller that does what a test tells it, and answers the rest as one does that has nothing to do. */
export interface ScriptedController extends HciAdapter {
  readonly commands: SeenCommand[]
  readonly acl: Buffer[]
  /** Hex of the answer to a command, status first; undefined for none, and then the test answers by itself. */
  readonly answers: Map<number, string | undefined>
  /** Why it cannot be opened. */
  refuses: Error | undefined
  readonly opened: boolean
  opens: number
  /** What Num_HCI_Command_Packets says. */
  grant: number
  /** Tells the host a packet, from hex, in this very moment. */
  tell(hex: string): void
  complete(opcode: number, hex: string): void
  status(opcode: number, status: number): void
  /** From now on what was and is asked to be disconnected is, at once. */
  letGo(): void
  /** The controller vanishes. */
  vanish(error?: Error): void
  opcodes(): number[]
  clear(): void
}

const byStatus = new Set([0x0406, 0x200d, 0x2013, 0x2016, 0x2019, 0x2032])

export function scriptedController(description = 'scripted'): ScriptedController {
  let handlers: HciPortHandlers | undefined
  const commands: SeenCommand[] = []
  const acl: Buffer[] = []
  const answers = new Map<number, string | undefined>([
    [0x1001, '00 09 0000 09 ffff 0000'],
    [0x1009, '00 01 00 00 ee ff c0'],
    [0x2002, '00 1b00 04'],
    [0x2003, '00 0000000000000000']
  ])
  const tell = (hex: string): void => {
    handlers?.packet(Buffer.from(hex.replaceAll(' ', ''), 'hex'))
  }
  let lettingGo = false
  const leaving: number[] = []
  const two = (value: number): string => Buffer.of(value & 0xff, value >> 8).toString('hex')
  const controller: ScriptedController = {
    description,
    commands,
    acl,
    answers,
    refuses: undefined,
    opens: 0,
    grant: 1,
    get opened() {
      return handlers !== undefined
    },
    tell,
    complete(opcode, hex) {
      const body = `${Buffer.of(controller.grant).toString('hex')}${two(opcode)}${hex.replaceAll(' ', '')}`
      tell(`040e${Buffer.of(body.length / 2).toString('hex')}${body}`)
    },
    status(opcode, status) {
      tell(`040f04${Buffer.of(status, controller.grant).toString('hex')}${two(opcode)}`)
    },
    letGo() {
      lettingGo = true
      for (const handle of leaving.splice(0)) tell(disconnected(handle, 0x16))
    },
    vanish(error = new Error('unplugged')) {
      const told = handlers
      handlers = undefined
      told?.closed(error)
    },
    opcodes: () => commands.map(({ opcode }) => opcode),
    clear() {
      commands.length = 0
      acl.length = 0
    },
    async open(given: HciPortHandlers): Promise<HciPort> {
      if (controller.refuses !== undefined) throw controller.refuses
      controller.opens++
      handlers = given
      return {
        send(packet) {
          if (handlers !== given) return
          const bytes = Buffer.from(packet)
          if (bytes[0] === 0x02) {
            acl.push(bytes)
            return
          }
          const opcode = bytes.readUInt16LE(1)
          commands.push({ opcode, parameters: bytes.subarray(4) })
          if (opcode === 0x0406) leaving.push(bytes.readUInt16LE(4))
          const answer = answers.has(opcode) ? answers.get(opcode) : byStatus.has(opcode) ? 'status' : '00'
          if (answer === undefined) return
          setImmediate(() => {
            if (handlers !== given) return
            if (answer === 'status') controller.status(opcode, 0)
            else controller.complete(opcode, answer)
            if (lettingGo) controller.letGo()
          })
        },
        async close() {
          if (handlers === given) handlers = undefined
        }
      }
    }
  }
  return controller
}

/** LE Connection Complete. */
export function connected(handle: number, role: 0 | 1, address: string, status = 0): string {
  const reversed = Buffer.from(address, 'hex').reverse().toString('hex')
  return `043e13 01 ${hex(status)} ${hex16(handle)} ${hex(role)} 00 ${reversed} 1800 0000 2a00 00`
}

export function disconnected(handle: number, reason = 0x13): string {
  return `040504 00 ${hex16(handle)} ${hex(reason)}`
}

export function completed(handle: number, count: number): string {
  return `041305 01 ${hex16(handle)} ${hex16(count)}`
}

/** An ACL packet with a whole L2CAP PDU, as a controller delivers it. */
export function pdu(handle: number, cid: number, payload: string): string {
  const bytes = payload.replaceAll(' ', '')
  const length = bytes.length / 2
  return `02 ${hex16(handle | 0x2000)} ${hex16(length + 4)} ${hex16(length)} ${hex16(cid)} ${bytes}`
}

/** A fragment of one: the boundary flags are 2 for the first and 1 for the rest. */
export function fragment(handle: number, boundary: number, bytes: string): string {
  const data = bytes.replaceAll(' ', '')
  return `02 ${hex16(handle | (boundary << 12))} ${hex16(data.length / 2)} ${data}`
}

function hex(value: number): string {
  return Buffer.of(value).toString('hex')
}

export function hex16(value: number): string {
  return Buffer.of(value & 0xff, value >> 8).toString('hex')
}

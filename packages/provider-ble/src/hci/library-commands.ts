import type { CommandQueue } from './command-queue.ts'
import { featuresForLibraries } from './initialise.ts'
import type { ControllerInfo } from './initialise.ts'
import type { ControllerView } from './library-stack.ts'
import { OP, STATUS } from './opcodes.ts'
import { addressId, commandComplete, commandPacket, COMMAND_HEADER, commandStatus } from './packet-codec.ts'

/** What the libraries are told of the controller's buffers: room for any PDU of theirs in one packet, as the host fragments by itself. */
const LIBRARY_BUFFERS = { bytes: 1024, packets: 16 } as const

/** What library commands change beyond the controller. */
export interface CommandEffects {
  /** A connection is asked for. @returns the status to answer at once; undefined when the controller is to be asked */
  connect(view: ControllerView, addressType: number, id: string): number | undefined
  /** The controller refused to begin it. */
  connectRefused(view: ControllerView): void
  /** @returns false when the library has no attempt under way */
  cancelConnect(view: ControllerView): boolean
  /** @returns the status to answer */
  disconnect(view: ControllerView, handle: number, reason: number): number
  /** Advertising was enabled for a library: it is ready for one more central. */
  advertises(): void
  /** Whether the library has the link. */
  uses(view: ControllerView, handle: number): boolean
}

/** Return parameters of commands whose results the libraries read without looking at the length, after the status. */
const RESULT_BYTES = new Map<number, number>([
  [OP.readRssi, 3],
  [OP.leLongTermKeyNegativeReply, 2],
  [OP.leReadMaximumDataLength, 8]
])

/** Commands that begin with a handle: a library may give them for its own links only. */
const BY_HANDLE = new Set<number>([
  OP.readRssi,
  OP.leConnectionUpdate,
  OP.leReadRemoteFeatures,
  OP.leStartEncryption,
  OP.leLongTermKeyNegativeReply,
  OP.leSetDataLength,
  OP.leSetPhy
])

/** Of those, the ones that are answered with Command Status. */
const ANSWERED_BY_STATUS = new Set<number>([OP.leConnectionUpdate, OP.leReadRemoteFeatures, OP.leStartEncryption, OP.leSetPhy])

/** Length and number of ACL packets, and after each the same of synchronous ones, of which there are none. */
const BUFFER_SIZE = Buffer.from([LIBRARY_BUFFERS.bytes & 0xff, LIBRARY_BUFFERS.bytes >> 8, 0, LIBRARY_BUFFERS.packets, 0, 0, 0])

/** The commands of the libraries: which the controller sees, which are answered from what is known, and who scans and advertises. */
export class LibraryCommands {
  readonly #info: ControllerInfo
  readonly #dedicated: boolean
  readonly #queue: CommandQueue
  readonly #effects: CommandEffects
  #eventMask: Buffer | undefined
  #leEventMask: Buffer | undefined
  /** Who enabled scanning, while it is enabled. */
  #scanner: ControllerView | undefined
  /** Who enabled advertising last, and whether it is enabled. */
  #advertiser: ControllerView | undefined
  #advertising = false
  /** The advertiser was given a central on a link that did not come from advertising, and may not be able to serve two (ble.md §6.4). */
  #taken = false

  constructor(info: ControllerInfo, dedicated: boolean, queue: CommandQueue, effects: CommandEffects) {
    this.#info = info
    this.#dedicated = dedicated
    this.#queue = queue
    this.#effects = effects
    this.#eventMask = info.eventMask
    this.#leEventMask = info.leEventMask
  }

  /** Who is told of advertisements. */
  get scanner(): ControllerView | undefined {
    return this.#scanner
  }

  /** Whose the next incoming link is. */
  get advertiser(): ControllerView | undefined {
    return this.#advertiser
  }

  /** The one that is ready for one more central: what it serves is complete before it advertises, and a library that is taken ends that. */
  get open(): ControllerView | undefined {
    return this.#advertising && !this.#taken ? this.#advertiser : undefined
  }

  /** The advertiser got a central on a link of ours; it is open again when it advertises again. */
  taken(): void {
    this.#taken = true
  }

  /** Somebody connected to us, which ended the advertising (Core Specification, vol. 6, part B, §4.4.2.3). */
  advertisingEnded(): void {
    this.#advertising = false
  }

  /** Goes on advertising in the name of whoever did, as what came of it is of no use to anybody. */
  advertiseAgain(): void {
    const view = this.#advertiser
    if (view === undefined) return
    this.#queue.submit(OP.leSetAdvertisingEnable, commandPacket(OP.leSetAdvertisingEnable, Buffer.from([1])), ({ status }) => {
      if (status === STATUS.success && this.#advertiser === view) this.#advertising = true
    })
  }

  /** The library is gone: what it left running is stopped. */
  released(view: ControllerView): void {
    this.#queue.withdraw(view)
    this.#stopRunning(view)
    if (this.#advertiser === view) this.#advertiser = undefined
  }

  /** A command packet that a library wrote. */
  run(view: ControllerView, packet: Buffer): void {
    if (packet.length < COMMAND_HEADER || packet[3] !== packet.length - COMMAND_HEADER) return
    const opcode = packet.readUInt16LE(1)
    const parameters = packet.subarray(COMMAND_HEADER)
    const answer = this.#fromHere(view, opcode, parameters)
    if (answer !== undefined) view.deliver(answer)
    else if (opcode === OP.leCreateConnection && !this.#dedicated) {
      // The socket package has the kernel connect, which answers to itself (ble.md §2); the end is reported to all.
      this.#queue.post(packet)
      view.deliver(commandStatus(opcode, STATUS.success))
    } else this.#forward(view, opcode, this.#withOwnAddress(opcode, packet), parameters)
  }

  /** The answer where the controller need not be asked. */
  #fromHere(view: ControllerView, opcode: number, parameters: Buffer): Buffer | undefined {
    const { version, addressBytes, features } = this.#info
    switch (opcode) {
      case OP.reset:
        this.#stopRunning(view)
        return commandComplete(opcode, STATUS.success)
      case OP.setEventMask:
      case OP.leSetEventMask:
        return this.#mask(opcode, parameters) ? undefined : commandComplete(opcode, STATUS.success)
      case OP.readLeHostSupport:
        return commandComplete(opcode, STATUS.success, Buffer.from([1, 0]))
      case OP.writeLeHostSupport:
        return commandComplete(opcode, STATUS.success)
      case OP.readLocalVersion:
        return commandComplete(opcode, STATUS.success, version)
      case OP.readBdAddr:
        return commandComplete(opcode, STATUS.success, addressBytes)
      case OP.leReadLocalFeatures:
        return commandComplete(opcode, STATUS.success, featuresForLibraries(features))
      case OP.leReadBufferSize:
        return bufferSize()
      case OP.readBufferSize:
        return commandComplete(opcode, STATUS.success, BUFFER_SIZE)
      case OP.leSetAdvertisingParameters:
        return this.#advertising && this.#advertiser !== view ? commandComplete(opcode, STATUS.success) : undefined
      case OP.leSetAdvertisingEnable:
        return parameters[0] === 0 && this.#advertising && this.#advertiser !== view ? commandComplete(opcode, STATUS.success) : undefined
      case OP.leSetScanEnable:
        return parameters[0] === 0 && this.#scanner !== undefined && this.#scanner !== view
          ? commandComplete(opcode, STATUS.success)
          : undefined
      default:
        return this.#aboutLinks(view, opcode, parameters)
    }
  }

  #aboutLinks(view: ControllerView, opcode: number, parameters: Buffer): Buffer | undefined {
    switch (opcode) {
      case OP.leCreateConnection: {
        if (parameters.length < 25) return commandStatus(opcode, 0x12)
        const status = this.#effects.connect(view, parameters[5]!, addressId(parameters.subarray(6, 12)))
        return status === undefined ? undefined : commandStatus(opcode, status)
      }
      case OP.leCreateConnectionCancel:
        return this.#effects.cancelConnect(view) ? undefined : commandComplete(opcode, STATUS.commandDisallowed)
      case OP.disconnect:
        if (parameters.length < 3) return commandStatus(opcode, 0x12)
        return commandStatus(opcode, this.#effects.disconnect(view, parameters.readUInt16LE(0) & 0x0fff, parameters[2]!))
      case OP.leSetDataLength:
        // Every link of a controller of our own has it already.
        return this.#dedicated && parameters.length >= 2
          ? commandComplete(opcode, STATUS.success, parameters.subarray(0, 2))
          : this.#unlessItsOwn(view, opcode, parameters)
      default:
        return BY_HANDLE.has(opcode) ? this.#unlessItsOwn(view, opcode, parameters) : undefined
    }
  }

  #unlessItsOwn(view: ControllerView, opcode: number, parameters: Buffer): Buffer | undefined {
    if (parameters.length >= 2 && this.#effects.uses(view, parameters.readUInt16LE(0) & 0x0fff)) return undefined
    if (ANSWERED_BY_STATUS.has(opcode)) return commandStatus(opcode, STATUS.unknownConnection)
    return commandComplete(opcode, STATUS.unknownConnection, padded(opcode, parameters.subarray(0, 2)))
  }

  #forward(view: ControllerView, opcode: number, packet: Buffer, parameters: Buffer): void {
    this.#queue.submit(
      opcode,
      packet,
      ({ status: told, result, byStatus }) => {
        const status = this.#isRunning(opcode, parameters, told) ? STATUS.success : told
        if (status === STATUS.success) this.#succeeded(view, opcode, parameters)
        else if (opcode === OP.leCreateConnection) this.#effects.connectRefused(view)
        if (view.released) return
        view.deliver(byStatus ? commandStatus(opcode, status) : commandComplete(opcode, status, padded(opcode, result)))
      },
      view
    )
  }

  /** Some controllers refuse to begin what is under way already; others do not mind, and the libraries count on that. */
  #isRunning(opcode: number, parameters: Buffer, status: number): boolean {
    return status === STATUS.commandDisallowed && opcode === OP.leSetAdvertisingEnable && parameters[0] === 1 && this.#advertising
  }

  #succeeded(view: ControllerView, opcode: number, parameters: Buffer): void {
    const on = parameters[0] === 1
    if (opcode === OP.leSetScanEnable) {
      if (on) this.#scanner = view
      else if (this.#scanner === view) this.#scanner = undefined
      if (on && view.released) this.#stopRunning(view)
    } else if (opcode === OP.leSetAdvertisingEnable) {
      if (on) {
        this.#advertiser = view
        this.#taken = false
      }
      this.#advertising = on
      if (on && view.released) this.#stopRunning(view)
      else if (on) this.#effects.advertises()
    }
  }

  #stopRunning(view: ControllerView): void {
    if (this.#scanner === view) {
      this.#scanner = undefined
      this.#queue.submit(OP.leSetScanEnable, commandPacket(OP.leSetScanEnable, Buffer.from([0, 0])), () => {})
    }
    if (this.#advertiser === view && this.#advertising) {
      this.#advertising = false
      this.#queue.submit(OP.leSetAdvertisingEnable, commandPacket(OP.leSetAdvertisingEnable, Buffer.from([0])), () => {})
    }
  }

  /** Adds a library's mask to the common one. @returns whether the controller has to be told; the parameters are the common mask then */
  #mask(opcode: number, parameters: Buffer): boolean {
    const common = opcode === OP.setEventMask ? this.#eventMask : this.#leEventMask
    if (common === undefined || parameters.length !== 8) return false
    const union = Buffer.from(common.map((byte, index) => byte | parameters[index]!))
    if (union.equals(common)) return false
    if (opcode === OP.setEventMask) this.#eventMask = union
    else this.#leEventMask = union
    union.copy(parameters)
    return true
  }

  /** A controller without a public address uses the random one that it was given. */
  #withOwnAddress(opcode: number, packet: Buffer): Buffer {
    if (this.#info.address.type === 'public') return packet
    const at = opcode === OP.leSetAdvertisingParameters || opcode === OP.leSetScanParameters ? 9 : opcode === OP.leCreateConnection ? 16 : 0
    if (at > 0 && packet.length > at) packet[at] = 1
    return packet
  }
}

/** What a library that does not ask for the size of the buffers waits for in vain (ble.md §6.2). */
function bufferSize(): Buffer {
  return commandComplete(
    OP.leReadBufferSize,
    STATUS.success,
    Buffer.from([LIBRARY_BUFFERS.bytes & 0xff, LIBRARY_BUFFERS.bytes >> 8, LIBRARY_BUFFERS.packets])
  )
}

function padded(opcode: number, result: Buffer): Buffer {
  const bytes = RESULT_BYTES.get(opcode) ?? 0
  return result.length >= bytes ? result : Buffer.concat([result, Buffer.alloc(bytes - result.length)])
}

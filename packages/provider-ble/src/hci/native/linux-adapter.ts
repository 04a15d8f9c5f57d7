import { checkInteger, isKithmeshError, systemClock } from '@kithmesh/core/plugin'
import type { Clock } from '@kithmesh/core/plugin'
import { bleErrors } from '../../errors.ts'
import { libraryError } from '../../library/library-errors.ts'
import type { HciAdapter, HciPort, HciPortHandlers } from '../hci-port.ts'
import { loadNativeSocket } from './native-socket.ts'
import type { NativeSocket, NativeSocketClass } from './native-socket.ts'

export interface LinuxAdapterOptions {
  /** The number of the adapter: 0 for `hci0`. Without it the first that is free for the purpose. */
  readonly device?: number
  readonly clock?: Clock
}

/** Milliseconds between two looks whether the adapter is still there: the native socket falls silent when it is not. */
const LOOK_MS = 2_000
/** Every packet type and event; the opcode matters for no type that is let through. */
const EVERYTHING = Buffer.from('14000000ffffffffffffffff00000000', 'hex')

/**
 * An adapter of this Linux machine for this program alone, through the kernel's HCI user channel: everything works there. The adapter must be
 * down (`btmgmt power off`, `hciconfig hci0 down`), and the program needs CAP_NET_ADMIN. The system has it back when the program ends; until
 * then it can be opened again through this same object.
 *
 * @throws TypeError for what is no number of an adapter; when it is opened, ERR_BLE_NOT_INSTALLED, ERR_BLE_UNSUPPORTED, ERR_BLE_NO_ADAPTER, ERR_BLE_NOT_PERMITTED,
 * ERR_BLE_ADAPTER_BUSY
 */
export function userChannel(options: LinuxAdapterOptions = {}): HciAdapter {
  return new LinuxAdapter('user', options, loadNativeSocket)
}

/**
 * An adapter of this Linux machine that the system uses as well, through a raw HCI socket: discovery and GATT work there, L2CAP channels do
 * not, so the host above is made with `l2cap: false`. The adapter must be up, and the program needs CAP_NET_RAW.
 *
 * @throws as {@link userChannel}, and when it is opened ERR_BLE_POWERED_OFF
 */
export function sharedChannel(options: LinuxAdapterOptions = {}): HciAdapter {
  return new LinuxAdapter('raw', options, loadNativeSocket)
}

/** @internal exported for tests, which have a class of their own */
export class LinuxAdapter implements HciAdapter {
  readonly #channel: 'user' | 'raw'
  readonly #options: LinuxAdapterOptions
  readonly #load: () => NativeSocketClass
  /** Bound once and kept: the native socket cannot be closed, only silenced, and a second one would find the adapter taken. */
  #bound: { readonly socket: NativeSocket; readonly device: number } | undefined
  #probe: NativeSocket | undefined
  #open = false

  constructor(channel: 'user' | 'raw', options: LinuxAdapterOptions, load: () => NativeSocketClass) {
    const { device = 0 } = options
    checkInteger('device', device, 0, 0xffff)
    this.#channel = channel
    this.#options = options
    this.#load = load
  }

  get description(): string {
    const device = this.#bound?.device ?? this.#options.device
    return device === undefined ? 'a Bluetooth adapter' : `hci${device}`
  }

  async open(handlers: HciPortHandlers, { signal }: { readonly signal: AbortSignal }): Promise<HciPort> {
    signal.throwIfAborted()
    if (this.#open) throw bleErrors.create('ERR_BLE_ADAPTER_BUSY', `${this.description} is in use by this program already`)
    try {
      const Native = this.#load()
      this.#bound ??= this.#bind(Native)
      this.#probe ??= new Native()
      return this.#listen(this.#bound.socket, this.#bound.device, handlers)
    } catch (error) {
      throw isKithmeshError(error) ? error : libraryError(`${this.description} cannot be used`, error)
    }
  }

  #bind(Native: NativeSocketClass): { socket: NativeSocket; device: number } {
    const socket = new Native()
    const { device } = this.#options
    return { socket, device: this.#channel === 'user' ? socket.bindUser(device) : socket.bindRaw(device) }
  }

  #listen(socket: NativeSocket, device: number, handlers: HciPortHandlers): HciPort {
    if (this.#channel === 'raw') {
      if (!socket.isDevUp()) throw bleErrors.create('ERR_BLE_POWERED_OFF', `hci${device} is switched off`)
      socket.setFilter(EVERYTHING)
    }
    let open = true
    const end = (): boolean => {
      if (!open) return false
      open = false
      this.#open = false
      stopLooking()
      socket.stop()
      socket.removeAllListeners()
      // It may emit what it had begun.
      socket.on('error', () => {})
      return true
    }
    const lose = (error: Error): void => {
      this.#bound = undefined
      if (end()) handlers.closed(error)
    }
    const stopLooking = (this.#options.clock ?? systemClock).every(LOOK_MS, () => {
      const error = this.#missing(device)
      if (error !== undefined) lose(error)
    })
    socket.removeAllListeners()
    socket.on('data', (packet) => {
      if (open) handlers.packet(packet)
    })
    socket.on('error', (error) => {
      lose(libraryError(`hci${device} failed`, error))
    })
    this.#open = true
    try {
      socket.start()
    } catch (error) {
      end()
      throw error
    }
    return {
      send: (packet) => {
        if (open) socket.write(Buffer.from(packet.buffer, packet.byteOffset, packet.byteLength))
      },
      close: async () => {
        end()
      }
    }
  }

  #missing(device: number): Error | undefined {
    const found = this.#probe?.getDeviceList().find(({ devId }) => devId === device)
    if (found === undefined) return bleErrors.create('ERR_BLE_ADAPTER_FAILED', `hci${device} is gone`)
    return this.#channel === 'raw' && !found.devUp ? bleErrors.create('ERR_BLE_POWERED_OFF', `hci${device} was switched off`) : undefined
  }
}

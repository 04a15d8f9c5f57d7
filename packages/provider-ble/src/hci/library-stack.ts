import { EventEmitter } from 'node:events'
import { PACKET } from './opcodes.ts'
import type { LibraryStack } from './hci-host.ts'

/** What a library's view of the controller needs from the owner of the controller. */
export interface StackOwner {
  /** Whether there is a controller. */
  readonly up: boolean
  command(stack: ControllerView, packet: Buffer): void
  acl(stack: ControllerView, packet: Buffer): void
  released(stack: ControllerView): void
  /** A library threw at an event that concerns no link. */
  failed(stack: ControllerView, error: unknown): void
}

/** What a socket of the library does for its view. */
interface BoundSocket {
  emit(event: string, ...values: unknown[]): boolean
  readonly listens: boolean
}

interface Delivery {
  readonly packet: Buffer
  readonly failed: ((error: unknown) => void) | undefined
}

/**
 * One library instance's controller. Whatever the library throws at a packet stays here; packets never come while the library is writing, and
 * in order.
 */
export class ControllerView implements LibraryStack {
  readonly role: 'central' | 'peripheral'
  readonly Socket: new () => unknown
  readonly #owner: StackOwner
  readonly #sockets = new Set<BoundSocket>()
  readonly #backlog: Delivery[] = []
  #released = false
  #writing = 0
  /** The controller was gone since the library last asked whether it is there; a library that polls must not miss that. */
  #wasDown = false

  constructor(role: 'central' | 'peripheral', owner: StackOwner) {
    this.role = role
    this.#owner = owner
    this.Socket = socketClass({
      bound: (socket) => this.#sockets.add(socket),
      isUp: () => this.#isUp(),
      write: (packet) => {
        this.#write(packet)
      }
    })
  }

  get released(): boolean {
    return this.#released
  }

  /**
   * Hands the library a packet: now, or after what it is writing.
   * @param failed told what the library threw; without it the owner is
   */
  deliver(packet: Buffer, failed?: (error: unknown) => void): void {
    if (this.#released) return
    if (this.#writing > 0 || this.#backlog.length > 0) this.deliverLater(packet, failed)
    else this.#emit(packet, failed)
  }

  /** Hands the library a packet once everything that it has begun, promises included, has come to rest. */
  deliverLater(packet: Buffer, failed?: (error: unknown) => void): void {
    if (this.#released) return
    this.#backlog.push({ packet, failed })
    // One per turn: what a library does in promises after one packet must not meet the next.
    setImmediate(() => {
      const next = this.#backlog.shift()
      if (next !== undefined && !this.#released) this.#emit(next.packet, next.failed)
    })
  }

  /** The controller came or went. */
  stateChanged(up: boolean): void {
    if (!up) this.#wasDown = true
    // After the ends of its links, which it was or is going to be told of in turns of their own.
    setImmediate(() => {
      for (const socket of this.#sockets) {
        try {
          socket.emit('state', up ? 'up' : 'down')
        } catch (error) {
          this.#owner.failed(this, error)
        }
      }
    })
  }

  release(): void {
    if (this.#released) return
    this.#owner.released(this)
    this.#released = true
    this.#backlog.length = 0
    this.#sockets.clear()
  }

  #isUp(): boolean {
    if (this.#wasDown) {
      this.#wasDown = false
      return false
    }
    return this.#owner.up && !this.#released
  }

  #write(packet: Buffer): void {
    if (this.#released || !this.#owner.up) return
    this.#writing++
    try {
      if (packet[0] === PACKET.command) this.#owner.command(this, packet)
      else if (packet[0] === PACKET.acl) this.#owner.acl(this, packet)
    } finally {
      this.#writing--
    }
  }

  #emit(packet: Buffer, failed: ((error: unknown) => void) | undefined): void {
    for (const socket of this.#sockets) {
      if (!socket.listens) continue
      try {
        socket.emit('data', packet)
      } catch (error) {
        if (failed === undefined) this.#owner.failed(this, error)
        else failed(error)
      }
    }
  }
}

interface SocketUse {
  bound(socket: BoundSocket): void
  isUp(): boolean
  write(packet: Buffer): void
}

/** The class that a library constructs in place of its native one (ble.md §2). */
function socketClass(use: SocketUse): new () => unknown {
  return class HciSocketFacade extends EventEmitter implements BoundSocket {
    #bound = false
    #started = false

    get listens(): boolean {
      return this.#started
    }

    bindRaw(device?: number): number {
      this.#bound = true
      use.bound(this)
      return device ?? 0
    }

    bindUser(device?: number): number {
      return this.bindRaw(device)
    }

    /** The kernel's management socket, which bleno stores pairing keys through; there is no kernel here. */
    bindControl(): void {}

    isDevUp(): boolean {
      return use.isUp()
    }

    getDeviceList(): { devId: number; devUp: boolean; idVendor: null; idProduct: null; busNumber: null; deviceAddress: null }[] {
      return [{ devId: 0, devUp: use.isUp(), idVendor: null, idProduct: null, busNumber: null, deviceAddress: null }]
    }

    start(): void {
      this.#started = true
    }

    stop(): void {
      this.#started = false
    }

    setFilter(): void {}

    reset(): void {}

    cleanup(): void {}

    write(packet: Buffer): void {
      if (this.#bound && this.#started) use.write(Buffer.isBuffer(packet) ? packet : Buffer.from(packet as Uint8Array))
    }
  }
}

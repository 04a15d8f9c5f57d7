import type { HciLink } from './acl-link.ts'
import type { CommandQueue } from './command-queue.ts'
import type { ControllerView } from './library-stack.ts'
import { OP, STATUS } from './opcodes.ts'
import { commandPacket } from './packet-codec.ts'

/** The connection that the controller is making: it makes one at a time (Core Specification, vol. 4, part E, §7.8.12). */
export class ConnectAttempt {
  readonly #queue: CommandQueue
  /** `givenUp`: the controller was told to end it, and did not report the end yet. */
  #current: { view: ControllerView | undefined; readonly random: boolean; readonly id: string; givenUp: boolean } | undefined
  /** Create Connection Cancel was sent from here, and not answered yet. */
  #cancelling = false

  constructor(queue: CommandQueue) {
    this.#queue = queue
  }

  /** @returns false when there is one already */
  begin(view: ControllerView, addressType: number, id: string): boolean {
    if (this.#current !== undefined) {
      // The report of its end may have been lost: the controller knows whether there still is one.
      if (this.#current.givenUp) this.#cancel()
      return false
    }
    this.#current = { view, random: (addressType & 1) === 1, id, givenUp: false }
    return true
  }

  /** The library cancels it. @returns false when it has none */
  giveUp(view: ControllerView): boolean {
    if (this.#current?.view !== view) return false
    this.#current.givenUp = true
    return true
  }

  /** Whether it is to this peer. */
  isTo(id: string): boolean {
    return this.#current?.id === id
  }

  /** The controller did not begin it. */
  refused(view: ControllerView): void {
    if (this.#current?.view === view || this.#current?.view === undefined) this.#current = undefined
  }

  /** It came to an end, good or bad. @returns whom to tell */
  ended(): ControllerView | undefined {
    const view = this.#current?.view
    this.#current = undefined
    return view
  }

  /**
   * The peer that is being connected to connected to us: that link serves both, and the attempt, which can only fail from now on, is given up.
   * The controller still reports its end, to nobody.
   */
  crossedBy(link: HciLink): void {
    const { view, random, id } = this.#current ?? {}
    if (this.#current === undefined || view === undefined || id !== link.peer.id || random !== (link.peer.type === 'random')) return
    this.#current.view = undefined
    this.#cancel()
    link.libraries.attach(view, 'client')
  }

  released(view: ControllerView): void {
    if (this.#current?.view !== view) return
    this.#current.view = undefined
    this.#cancel()
  }

  close(): void {
    this.#current = undefined
  }

  #cancel(): void {
    if (this.#current !== undefined) this.#current.givenUp = true
    if (this.#cancelling) return
    this.#cancelling = true
    this.#queue.submit(OP.leCreateConnectionCancel, commandPacket(OP.leCreateConnectionCancel), ({ status }) => {
      this.#cancelling = false
      // There was none any more: its end was reported before, or never will be.
      if (status === STATUS.commandDisallowed && this.#current?.givenUp === true) this.#current = undefined
    })
  }
}

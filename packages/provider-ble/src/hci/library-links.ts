import { bleErrors } from '../errors.ts'
import type { HciLink } from './acl-link.ts'
import type { ConnectAttempt } from './connect-attempt.ts'
import type { ControllerView } from './library-stack.ts'
import type { LinkEnds } from './link-ends.ts'
import { STATUS } from './opcodes.ts'
import { connectionComplete } from './packet-codec.ts'

export interface LibraryLinksParts {
  readonly links: ReadonlyMap<number, HciLink>
  readonly attempt: ConnectAttempt
  readonly ends: LinkEnds
  /** Whether another link may begin. */
  readonly room: () => boolean
}

/** Connections as libraries order them. Between two devices there is one link, which several libraries may use without knowing of each other. */
export class LibraryLinks {
  readonly #parts: LibraryLinksParts

  constructor(parts: LibraryLinksParts) {
    this.#parts = parts
  }

  to(id: string): HciLink | undefined {
    for (const link of this.#parts.links.values()) if (link.peer.id === id && !link.closed) return link
    return undefined
  }

  /** @returns the status of the command; undefined when the controller is to make the connection */
  connect(view: ControllerView, addressType: number, id: string): number | undefined {
    const { attempt, ends, room } = this.#parts
    const link = this.to(id)
    if (link !== undefined && (link.peer.type === 'random') === ((addressType & 1) === 1)) {
      if (link.libraries.client !== undefined) return STATUS.connectionAlreadyExists
      // There is one link between two addresses, whoever made it: the library gets that one.
      ends.forget(link)
      setImmediate(() => {
        if (link.closed || link.libraries.client !== undefined || view.released) {
          view.deliver(connectionComplete({ status: STATUS.connectionAlreadyExists }))
        } else link.libraries.attach(view, 'client')
      })
      return STATUS.success
    }
    if (!room()) return STATUS.connectionLimitExceeded
    return attempt.begin(view, addressType, id) ? undefined : STATUS.commandDisallowed
  }

  /** A library ends a connection. The link goes on as long as somebody else uses it. @returns the status of the command */
  disconnect(view: ControllerView, handle: number, reason: number): number {
    const { links, ends } = this.#parts
    const link = links.get(handle)
    if (link === undefined || !link.libraries.uses(view)) return STATUS.unknownConnection
    const asClient = link.libraries.client === view
    const others = (asClient ? link.libraries.server : link.libraries.client) !== undefined || link.streams > 0
    const whose = asClient === (link.role === 'central')
    if (whose && !others) {
      link.cut(reason, bleErrors.create('ERR_BLE_LINK_LOST', `The connection to ${link.peer.id} was ended here`))
      return STATUS.success
    }
    // After the command was answered.
    queueMicrotask(() => {
      link.libraries.detach(view, STATUS.localHostTerminated)
      ends.whenIdle(link)
    })
    return STATUS.success
  }

  /** A library left: its links end where nobody else needs them. */
  released(view: ControllerView): void {
    for (const link of [...this.#parts.links.values()])
      if (link.libraries.uses(view)) this.disconnect(view, link.handle, STATUS.remoteUserTerminated)
  }
}

import type { HciLink } from './acl-link.ts'
import type { AclSender } from './acl-sender.ts'
import type { ControllerView } from './library-stack.ts'

/** What a link needs from the owner of the controller. */
export interface LinkOwner {
  readonly sender: AclSender
  /** Monotonic milliseconds. */
  now(): number
  /** Sends Disconnect. */
  disconnect(link: HciLink, reason: number): void
  /** A library of the peripheral role for a peer that asks although it did not connect to us; it counts as taken. */
  serverFor(): ControllerView | undefined
  /** There is none at the moment. @returns whether there may be one soon; then `serve` of its libraries is called, whatever comes of it */
  awaitServer(link: HciLink): boolean
  /** A Connection Parameter Update Request came. @returns whether it was dealt with */
  parameterRequest(link: HciLink, pdu: Buffer): void
  /** A library answered one. */
  parameterResponse(link: HciLink, pdu: Buffer): void
  /** Tells a listener, whose failure is not the link's. */
  tell(listener: (error: Error) => void, error: Error): void
  /** The rules were broken; counted and logged by the owner. */
  offence(link: HciLink, what: string, cause?: unknown): void
}

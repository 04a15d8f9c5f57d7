import type { Clock, Logger } from '@kithmesh/core'
import { checkPositive } from '@kithmesh/core/plugin'

/** Limits of the connections of a message endpoint or listener. */
export interface MessageLinkOptions {
  /** Until the application's `send` has completed; then the connection ends and may be tried again. @default 30,000 */
  readonly sendTimeoutMs?: number
  /** Until what is queued is sent at the end, and until the application's `close` has completed. @default 5,000 each */
  readonly closeTimeoutMs?: number
  /** Bytes received and not yet taken; more end the connection. @default 16 MiB */
  readonly maxReceiveBytes?: number
  readonly clock?: Clock
  readonly logger?: Logger
}

/** How a link ended: the code and reason of a `SocketCloseInfo`. */
export interface LinkEnd {
  readonly code: number
  readonly reason: string
  readonly error?: Error
  /** Ended by us, not by the application or its transport. */
  readonly local: boolean
}

/** What comes from a link. `ended` comes exactly once, after the application's connection is closed, and nothing after it. */
export interface LinkHandlers {
  received(data: Buffer): void
  /** Bytes were sent. */
  sent(): void
  ended(end: LinkEnd): void
}

/** Which kind of transport the application brings; see {@link MessageEndpoint}. */
export type ProtocolType = 'message-stream' | 'byte-stream'

/** @throws TypeError for limits that make no sense. */
export function checkLinkOptions(options: MessageLinkOptions): void {
  checkPositive(options, 'sendTimeoutMs', 'closeTimeoutMs', 'maxReceiveBytes')
}

export function checkProtocolType(type: string): void {
  if (type !== 'message-stream' && type !== 'byte-stream')
    throw new TypeError(`protocolType must be message-stream or byte-stream, not ${type}`)
}

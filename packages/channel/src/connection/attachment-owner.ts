import type { IncomingRequest } from '@kithmesh/blip'
import type { Clock, IncomingTrustPolicy, Logger } from '@kithmesh/core'
import type { ChannelTrustOptions, HandshakeVerdict } from '../contracts.ts'
import type { ChannelLimits } from '../limits.ts'
import type { Attachment } from './attachment.ts'
import type { Hello } from './hello.ts'
import type { Standing } from './negotiation.ts'

/** What stays the same for all connections of a channel. */
export interface ChannelSettings {
  readonly localPeerId: string
  readonly peerId: string
  /** Of this channel: 32 hex digits. */
  readonly session: string
  readonly policy: IncomingTrustPolicy
  readonly trust: ChannelTrustOptions
  readonly limits: ChannelLimits
  readonly clock: Clock
  readonly logger: Logger
}

/** The channel, as its connections see it. */
export interface AttachmentOwner {
  readonly settings: ChannelSettings
  readonly proven: boolean
  /** What the program decided about the peer, whatever its proofs. */
  readonly decision: Standing | undefined
  /** Why, as the peer may know. */
  readonly decisionReason: string | undefined
  /** The peer's session as far as it is known, and how much of it was handled: for our hello. */
  continuation(): Pick<Hello, 'peer' | 'received' | 'refused'>
  proved(): void
  runHandshake(signal: AbortSignal): Promise<HandshakeVerdict>
  /** Both hellos have been exchanged. @returns whether both sides go on where they were */
  met(attachment: Attachment, remote: Hello): boolean
  /** This side's level, the peer's word, or whether it is foreign has changed. */
  changed(attachment: Attachment): void
  ended(attachment: Attachment): void
  violated(error: Error): void
  droppedControl(): void
  packet(attachment: Attachment, request: IncomingRequest): void
  pull(attachment: Attachment, request: IncomingRequest): void
  disconnecting(attachment: Attachment, request: IncomingRequest): void
}

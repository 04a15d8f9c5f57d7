import type { HciAdapter } from '@kithmesh/provider-ble'
import type { AirAddress } from './device-address.ts'

/** What a host did that no controller would put up with. */
export interface AirViolation {
  /**
   * `malformed`: a packet that is none, or a command whose parameters have the wrong length; `commands`: a command before the one before was
   * answered; `buffers`: more ACL packets than the controller has buffers for; `acl`: an ACL packet that is too long, or for a handle that there never was.
   */
  readonly rule: 'malformed' | 'commands' | 'buffers' | 'acl'
  readonly detail: string
}

/** A link as one of its ends sees it. */
export interface AirLinkView {
  readonly handle: number
  readonly peer: AirAddress
  readonly role: 'central' | 'peripheral'
}

/** A controller on a {@link VirtualAir}. Its host opens it as it opens any other adapter. */
export interface VirtualController extends HciAdapter {
  readonly address: AirAddress
  /** Whether a host has it open. */
  readonly inUse: boolean
  readonly advertising: boolean
  readonly scanning: boolean
  readonly links: readonly AirLinkView[]
  /** What the host did wrong since the controller was made, at most the first hundred. A test of a host ends with: this is empty. */
  readonly violations: readonly AirViolation[]
  /** Takes it out of the machine: the host's port ends with ERR_BLE_ADAPTER_FAILED, its links with their supervision timeouts. Idempotent. */
  unplug(): void
  /** Puts it in again. Idempotent. */
  plugIn(): void
}

/** What a controller is like. */
export interface ControllerOptions {
  /** Twelve hex digits, with or without colons. @default the next free one from `c0ffee000001` */
  readonly address?: string
  /** A device whose only address is a static random one acts under it whatever the host says. @default 'public' */
  readonly addressType?: 'public' | 'random'
  /** Octets of data in an ACL packet from the host, at least 27. @default 251 */
  readonly aclLength?: number
  /** Buffers for ACL packets from the host. @default 8 */
  readonly aclCount?: number
  /** Tells its buffers by Read Buffer Size only, as controllers that share them with BR/EDR do. @default false */
  readonly sharedBuffers?: boolean
  /** Links it can have. @default 16 */
  readonly maxLinks?: number
  /**
   * How data reaches the host: in ACL packets as the other host sent them, in pieces of at most so many octets (at least 4), or as the data PDUs
   * of the Link Layer, 27 octets until the data length was extended. @default 'as-sent'
   */
  readonly fragments?: 'as-sent' | 'data-pdus' | number
}

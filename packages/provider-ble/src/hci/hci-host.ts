import type { Duplex } from 'node:stream'

/** A device's address as the air carries it. The type is part of the identity. */
export interface BleAddress {
  /** Twelve lowercase hex digits, most significant first, as noble's `peripheral.id`: `c0ffee000001`. */
  readonly id: string
  readonly type: 'public' | 'random'
}

/** One library instance's view of the controller, made to look like a controller of its own. */
export interface LibraryStack {
  /** What the library's HCI layer constructs in place of the class of its socket package. */
  readonly Socket: new () => unknown
  /** The library instance is no longer used: its links are cut and nothing reaches it any more. Idempotent. */
  release(): void
}

/** A connection on the air. There is at most one between two addresses, and either side may open channels on it. */
export interface AclLink {
  readonly peer: BleAddress
  /** Our part in it: the central connected, the peripheral was connected to. */
  readonly role: 'central' | 'peripheral'
  readonly closed: boolean
  onClosed(listener: (error: Error) => void): () => void
  /** Ends the link; channels on it end first. Idempotent. */
  disconnect(): void
  /**
   * Keeps the link from ending as idle, for streams that the host knows nothing of because they go through the stream characteristic.
   * @returns ends that; idempotent
   */
  hold(): () => void
  /**
   * Opens an LE credit-based channel.
   * @throws ERR_BLE_CHANNEL_REFUSED with `details.result` (Core Specification, vol. 3, part A, §4.23); ERR_BLE_TIMEOUT; ERR_BLE_LINK_LOST;
   * ERR_BLE_LIMIT; the signal's reason
   */
  openChannel(psm: number, options: { readonly signal: AbortSignal }): Promise<Duplex>
}

export interface ChannelListener {
  /** 0x0080–0x00ff. */
  readonly psm: number
  /** New channels are refused from now on; accepted ones live on. Idempotent. */
  close(): void
}

/**
 * The one owner of a controller. Library instances above it each see a controller of their own; links, and the L2CAP channels on them, are
 * visible to everybody here.
 */
export interface HciHost {
  readonly description: string
  /** Whether this side may accept and open L2CAP channels: not where the kernel shares the adapter (ble.md §4). */
  readonly l2cap: boolean
  /** Opens and initialises the controller. Idempotent; may be called again after `stop` or after the controller was lost. @throws as {@link HciAdapter.open} */
  start(): Promise<void>
  /** Cuts all links and gives the controller back. Idempotent. */
  stop(): Promise<void>
  /** Known once started. */
  readonly address: BleAddress | undefined
  /** The controller is gone; all links were closed before. */
  onLost(listener: (error: Error) => void): () => void
  /** A view for one library instance. Several peripheral ones may exist: an incoming link belongs to the one that enabled advertising last. */
  stack(role: 'central' | 'peripheral'): LibraryStack
  readonly links: readonly AclLink[]
  linkTo(id: string): AclLink | undefined
  onLink(listener: (link: AclLink) => void): () => void
  /** Accepts channels on any link, whoever connected. @throws ERR_BLE_LIMIT when no PSM is free */
  listen(options: { readonly psm?: number; readonly onChannel: (channel: Duplex, link: AclLink) => void }): ChannelListener
}

/**
 * A Bluetooth controller of one's own, before it is opened: an adapter of this machine, a foreign controller behind a socket, a virtual one.
 * May be opened again after it was closed or lost.
 */
export interface HciAdapter {
  /** For people and logs: `hci0`, `127.0.0.1:7300`. */
  readonly description: string
  /**
   * Takes the controller into use. Settles within the adapter's own deadline.
   * @throws ERR_BLE_NOT_INSTALLED, ERR_BLE_NO_ADAPTER, ERR_BLE_NOT_PERMITTED, ERR_BLE_ADAPTER_BUSY, ERR_BLE_ADAPTER_FAILED; the signal's
   * reason, and then nothing stays open
   */
  open(handlers: HciPortHandlers, options: { readonly signal: AbortSignal }): Promise<HciPort>
}

/** What the user of an open controller is told. Packets may come from the moment `open` was called. */
export interface HciPortHandlers {
  /** One H4 packet, with its type byte first: 02 ACL data, 04 event (Core Specification, vol. 4, part A, §2). The bytes belong to the receiver. */
  packet(packet: Buffer): void
  /** The controller is gone. Told once, not after {@link HciPort.close}, and nothing comes after it. */
  closed(error: Error): void
}

/** An open controller: whole H4 packets each way. */
export interface HciPort {
  /** Sends one H4 packet, its type byte first: 01 command, 02 ACL data. The bytes must not be changed afterwards. Does nothing once closed. */
  send(packet: Uint8Array): void
  /** Gives the controller back. Idempotent. */
  close(): Promise<void>
}

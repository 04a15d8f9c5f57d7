import type { Writable } from 'node:stream'
import type { JsonObject } from '../json.ts'

/** How a transfer ended. */
export interface TransferResult {
  readonly bytes: number
  /** Of the whole: 64 lowercase hex digits, the same at both ends. */
  readonly sha256: string
  /** Where it was stored, when it was stored in a file. */
  readonly path?: string
}

/** A file or stream on its way. It survives the loss of connections, and goes on where it was. */
export interface Transfer {
  readonly id: string
  readonly direction: 'outgoing' | 'incoming'
  readonly peerId: string
  /** Safe as the name of a file. */
  readonly name: string
  /** Bytes of the whole; undefined while that is not known. */
  readonly size: number | undefined
  /** Bytes that the receiver has stored, as far as this side knows. */
  readonly transferred: number
  /** `waiting`: for its digest, the other side's decision, or its turn. */
  readonly state: 'waiting' | 'active' | 'done' | 'failed'
  /**
   * Resolves when all has arrived, its digest is right and it is stored. Rejects with ERR_CHANNEL_TRANSFER_REFUSED,
   * ERR_CHANNEL_TRANSFER_CANCELLED, ERR_CHANNEL_DIGEST, ERR_CHANNEL_SOURCE, ERR_CHANNEL_SINK, ERR_CHANNEL_TIMEOUT, ERR_CHANNEL_GATED,
   * ERR_CHANNEL_PEER_RESTARTED or ERR_CHANNEL_CLOSED.
   */
  readonly finished: Promise<TransferResult>
  /** Ends it, and tells the other side. Does nothing after the end. */
  cancel(reason?: string): void
  /** Called when `transferred` or `state` changes. @returns ends it */
  onProgress(listener: (transfer: Transfer) => void): () => void
}

/** Where arriving bytes go. Calls never overlap. */
export interface DataSink {
  /** Takes the next bytes; the promise holds up the sender. The bytes are the sink's. */
  write(bytes: Buffer): void | Promise<void>
  /** Everything has arrived and its digest is right. @returns where it is, if that has a name */
  end?(): string | undefined | Promise<string | undefined>
  /** It will not be completed. */
  abort?(error: Error): void | Promise<void>
}

export interface SaveOptions {
  /** Where the file goes, under the offered name; another is found when there is one of that name. */
  readonly directory: string
}

export interface SaveAsOptions {
  /** Replaces what is there. @default false: ERR_CHANNEL_SINK */
  readonly overwrite?: boolean
}

/**
 * What a peer offers. Exactly one of the ways to take it, or {@link refuse}; it can be decided later, too. What was withdrawn meanwhile and is taken
 * all the same is a transfer that has failed.
 */
export interface DataOffer {
  readonly id: string
  readonly peerId: string
  /** Safe as the name of a file, whatever the peer said: never a path. */
  readonly name: string
  readonly size: number | undefined
  /** Known in advance for files: 64 lowercase hex digits. */
  readonly sha256: string | undefined
  /** What the peer says that it is. */
  readonly contentType: string | undefined
  /** Whatever its program added. */
  readonly info: JsonObject
  /** Aborts when it is not to be had any more: the peer withdrew it, or is gone. For dialogues that ask a person. */
  readonly signal: AbortSignal
  /**
   * Stores it in a directory. It is written beside its place and moved there when it is complete and right. A part that was left by an
   * earlier try of the same content from the same peer, even before a restart, is gone on with.
   */
  save(options: SaveOptions): Transfer
  /** Stores it in this file, as {@link save}. */
  saveAs(path: string, options?: SaveAsOptions): Transfer
  /** Writes it into a stream, which is ended; its back-pressure is the sender's. */
  pipe(writable: Writable): Transfer
  /** Reads it piece by piece. The bytes are not yet verified: only when the loop ends without an error they are. Leaving the loop cancels. */
  read(): AsyncIterableIterator<Buffer>
  /** Takes it in any other way. */
  accept(sink: DataSink): Transfer
  refuse(reason?: string): void
}

/** What is said about a file or stream that is offered. */
export interface OfferOptions {
  readonly name?: string
  readonly contentType?: string
  /** Small facts for the other program: with name and type at most 16 KiB of JSON. */
  readonly info?: JsonObject
  /** Cancels the transfer. */
  readonly signal?: AbortSignal
}

export interface SendFileOptions extends OfferOptions {
  /**
   * When the SHA-256 is computed: `ahead` reads the file twice, and lets the other side go on with a part it has from before a restart.
   * @default ahead
   */
  readonly digest?: 'ahead' | 'end'
}

export interface SendStreamOptions extends OfferOptions {
  /** Bytes of the whole, if that is known. */
  readonly size?: number
}

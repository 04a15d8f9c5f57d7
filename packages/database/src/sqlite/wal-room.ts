import { closeSync, fstatSync, ftruncateSync, openSync, writeSync } from 'node:fs'

/** So much the log is made longer at a time. */
const ROOM_BYTES = 1024 * 1024
/** From this size on the log is checkpointed and begins anew, where it is long enough for ever. */
const ENOUGH_BYTES = 24 * 1024 * 1024
/** What a transaction adds when it waits for the disk more than it writes. */
const SMALL_BYTES = 128 * 1024
/** So many small transactions in a row show that more will come. */
const PATIENCE = 8

/**
 * Makes the write-ahead log longer than it needs to be, before it is needed. An fsync of bytes written over others takes less than half the
 * time of one after which the file is longer, because the file system has no journal of its own to write (100 against 230 µs on ext4). SQLite
 * itself writes over its log once that has been checkpointed for the first time, thousands of small transactions later.
 *
 * The room is zeros behind the log's end. SQLite does not look there while it runs, and after a crash takes no frame without the log's salt
 * and checksum (the WAL format, https://www.sqlite.org/walformat.html). The writer's lock is held meanwhile, so nobody else appends.
 */
export class WalRoom {
  readonly #file: string
  #descriptor: number | undefined
  #bytes = 0
  #smallInARow = 0
  #due = false
  #given = true

  /** @param file The log's path; it need not exist yet. */
  constructor(file: string) {
    this.#file = file
  }

  /** A writing transaction has begun and has written nothing yet. */
  began(): void {
    if (this.#due) this.#extend()
  }

  /** It was committed. */
  committed(): void {
    if (!this.#given) return
    const bytes = this.#measure()
    const added = bytes - this.#bytes
    if (added === 0) return
    this.#bytes = bytes
    this.#smallInARow = added > 0 && added <= SMALL_BYTES ? this.#smallInARow + 1 : 0
    this.#due = this.#smallInARow >= PATIENCE && bytes < ENOUGH_BYTES
  }

  close(): void {
    this.#given = false
    this.#due = false
    const descriptor = this.#descriptor
    this.#descriptor = undefined
    if (descriptor !== undefined) closeSync(descriptor)
  }

  #extend(): void {
    this.#due = false
    const bytes = this.#measure()
    if (this.#descriptor === undefined) return
    try {
      const zeros = Buffer.alloc(ROOM_BYTES)
      for (let written = 0; written < ROOM_BYTES; )
        written += writeSync(this.#descriptor, zeros, written, ROOM_BYTES - written, bytes + written)
      this.#bytes = bytes + ROOM_BYTES
    } catch {
      this.#giveUp(bytes)
    }
  }

  /** A full disk, most likely: the room goes back to those who need it. */
  #giveUp(bytes: number): void {
    try {
      if (this.#descriptor !== undefined) ftruncateSync(this.#descriptor, bytes)
    } catch {
      /* zeros stay behind the end, which do no harm */
    }
    this.close()
  }

  /** The log's size; 0 when it cannot be told, and then nothing is done any more. */
  #measure(): number {
    try {
      this.#descriptor ??= openSync(this.#file, 'r+')
      return fstatSync(this.#descriptor).size
    } catch {
      this.close()
      return 0
    }
  }
}

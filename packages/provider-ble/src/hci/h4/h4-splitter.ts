import { bleErrors } from '../../errors.ts'

const EVENT = 0x04
const ACL = 0x02
const SYNCHRONOUS = 0x03
const ISOCHRONOUS = 0x05

/** Bytes until the length of a packet is known, by its type. */
const HEADER_BYTES: Readonly<Record<number, number>> = { [ACL]: 5, [SYNCHRONOUS]: 4, [EVENT]: 3, [ISOCHRONOUS]: 5 }
const LONGEST_HEADER = 5

/**
 * Cuts a byte stream from a controller into H4 packets (Core Specification, vol. 4, part A, §2). Holds one unfinished packet at most; one that
 * came in a piece is not copied. Packets of audio are skipped.
 */
export class H4Splitter {
  readonly #packet: (packet: Buffer) => void
  readonly #mostBytes: number
  readonly #header = Buffer.alloc(LONGEST_HEADER)
  #headerBytes = 0
  /** The packet that is being put together, and how much of it is there. */
  #body: Buffer | undefined
  #filled = 0

  /** @param mostBytes the longest packet taken; a controller that sends longer ones is not one for Bluetooth LE */
  constructor(packet: (packet: Buffer) => void, mostBytes = 8192) {
    this.#packet = packet
    this.#mostBytes = mostBytes
  }

  /**
   * Takes the next bytes, which belong to the packets from then on.
   * @throws ERR_BLE_ADAPTER_FAILED when they cannot be H4; what follows could not either
   */
  push(bytes: Buffer): void {
    let offset = 0
    while (offset < bytes.length) {
      if (this.#body !== undefined) {
        const taken = Math.min(this.#body.length - this.#filled, bytes.length - offset)
        bytes.copy(this.#body, this.#filled, offset, offset + taken)
        this.#filled += taken
        offset += taken
        if (this.#filled === this.#body.length) this.#finish()
        continue
      }
      if (this.#headerBytes === 0) {
        const length = packetLength(bytes, offset, bytes.length - offset)
        if (length !== undefined && length <= bytes.length - offset) {
          this.#check(length)
          this.#emit(bytes.subarray(offset, offset + length))
          offset += length
          continue
        }
      }
      this.#header[this.#headerBytes++] = bytes[offset++]!
      const length = packetLength(this.#header, 0, this.#headerBytes)
      if (length === undefined) continue
      this.#check(length)
      this.#body = Buffer.allocUnsafe(length)
      this.#filled = this.#header.copy(this.#body, 0, 0, this.#headerBytes)
      this.#headerBytes = 0
      if (this.#filled === length) this.#finish()
    }
  }

  #finish(): void {
    const packet = this.#body!
    this.#body = undefined
    this.#emit(packet)
  }

  #check(length: number): void {
    if (length > this.#mostBytes) throw bleErrors.create('ERR_BLE_ADAPTER_FAILED', `The adapter sent a packet of ${length} bytes`)
  }

  #emit(packet: Buffer): void {
    if (packet[0] === EVENT || packet[0] === ACL) this.#packet(packet)
  }
}

/** The length of the packet that begins at an offset; undefined while too little of it is known. */
function packetLength(bytes: Buffer, offset: number, known: number): number | undefined {
  const type = bytes[offset]!
  const header = HEADER_BYTES[type]
  if (header === undefined)
    throw bleErrors.create('ERR_BLE_ADAPTER_FAILED', `The adapter sent 0x${type.toString(16)}, which begins no packet`)
  if (known < header) return undefined
  if (type === EVENT) return header + bytes[offset + 2]!
  if (type === SYNCHRONOUS) return header + bytes[offset + 3]!
  const length = bytes.readUInt16LE(offset + 3)
  return header + (type === ISOCHRONOUS ? length & 0x3fff : length)
}

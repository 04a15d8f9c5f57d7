import { H4 } from './codes.ts'

/** Finds whole H4 packets in a stream of bytes from a host (vol. 4, part A, §2). Keeps less than one packet. */
export class H4Splitter {
  #rest: Buffer | undefined

  /**
   * Hands over every packet that is whole now; the bytes of `chunk` must not be changed afterwards.
   * @throws RangeError when the bytes are no H4 packets: there is no way to find the beginning of the next one
   */
  push(chunk: Buffer, packet: (packet: Buffer) => void): void {
    let bytes = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk])
    this.#rest = undefined
    while (bytes.length > 0) {
      const length = packetLength(bytes)
      if (length === undefined || length > bytes.length) {
        this.#rest = bytes
        return
      }
      packet(bytes.subarray(0, length))
      bytes = bytes.subarray(length)
    }
  }
}

/** Length of the packet that begins here; undefined while its header is not whole. */
function packetLength(bytes: Buffer): number | undefined {
  switch (bytes[0]) {
    case H4.command:
      return bytes.length < 4 ? undefined : 4 + (bytes[3] as number)
    case H4.acl:
      return bytes.length < 5 ? undefined : 5 + bytes.readUInt16LE(3)
    default:
      throw new RangeError(`a packet of type ${bytes[0]}, which no LE host sends`)
  }
}

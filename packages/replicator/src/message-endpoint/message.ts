/**
 * What goes over a message endpoint in one piece (discovery-api.md §C): a whole message of a message stream, or some bytes of a byte stream.
 */
export class Message {
  readonly #data: Buffer

  private constructor(data: Buffer) {
    this.#data = data
  }

  /** Wraps the bytes without a copy; they must not be changed afterwards. */
  static fromData(data: Uint8Array): Message {
    if (!(data instanceof Uint8Array)) throw new TypeError('A message is made of a Uint8Array or Buffer')
    return new Message(Buffer.from(data.buffer, data.byteOffset, data.byteLength))
  }

  /** The bytes, not a copy. They may be a part of a larger ArrayBuffer: copy them before transferring that to another thread. */
  toData(): Buffer {
    return this.#data
  }
}

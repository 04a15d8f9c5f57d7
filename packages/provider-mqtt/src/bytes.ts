/** Writes big-endian fields one after the other. */
export class ByteWriter {
  readonly #parts: Uint8Array[] = []

  u8(value: number): this {
    this.#parts.push(Uint8Array.of(value))
    return this
  }

  /** A whole number below 2^48, e.g. milliseconds since 1970. */
  u48(value: number): this {
    const bytes = Buffer.alloc(6)
    bytes.writeUIntBE(value, 0, 6)
    this.#parts.push(bytes)
    return this
  }

  raw(bytes: Uint8Array): this {
    this.#parts.push(bytes)
    return this
  }

  /** Bytes behind their length in two bytes. */
  block(bytes: Uint8Array): this {
    if (bytes.length > 0xffff) throw new RangeError('a block holds at most 65,535 bytes')
    const length = Buffer.alloc(2)
    length.writeUInt16BE(bytes.length)
    this.#parts.push(length, bytes)
    return this
  }

  end(): Buffer {
    return Buffer.concat(this.#parts)
  }
}

/** Reads what {@link ByteWriter} wrote; every call throws a RangeError when the bytes end early. */
export class ByteReader {
  readonly #bytes: Buffer
  #offset = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  }

  /** How many bytes were read. */
  get offset(): number {
    return this.#offset
  }

  get left(): number {
    return this.#bytes.length - this.#offset
  }

  u8(): number {
    return this.raw(1)[0] as number
  }

  u48(): number {
    return this.raw(6).readUIntBE(0, 6)
  }

  raw(count: number): Buffer {
    if (count > this.left) throw new RangeError('the bytes end early')
    this.#offset += count
    return this.#bytes.subarray(this.#offset - count, this.#offset)
  }

  block(): Buffer {
    return this.raw(this.raw(2).readUInt16BE(0))
  }

  /** @throws RangeError when bytes are left */
  end(): void {
    if (this.left !== 0) throw new RangeError(`${this.left} bytes too many`)
  }
}

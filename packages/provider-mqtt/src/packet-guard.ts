/**
 * Watches the lengths of the MQTT packets in a byte stream (MQTT 5.0 §2.1.4) without keeping any of it, so that nobody can make the parser
 * behind it collect 256 MB. `relay` reads lengths in the same way, and counts (`broker/packet-meter.ts`): nothing but core is below both packages, and
 * core knows no MQTT.
 */
export class PacketGuard {
  readonly #limit: number
  /** Bytes of the current packet that are still to come. */
  #skip = 0
  /** Undefined: the next byte is a packet's first one. */
  #length: { value: number; shift: number } | undefined

  constructor(limit: number) {
    this.#limit = limit
  }

  /** False when a packet is larger than the limit, or its length malformed. */
  accepts(chunk: Uint8Array): boolean {
    for (let at = 0; at < chunk.length; ) {
      if (this.#skip > 0) {
        const step = Math.min(this.#skip, chunk.length - at)
        this.#skip -= step
        at += step
        continue
      }
      const byte = chunk[at++] as number
      if (this.#length === undefined) {
        this.#length = { value: 0, shift: 0 }
        continue
      }
      this.#length.value += (byte & 0x7f) * 2 ** this.#length.shift
      if (this.#length.value > this.#limit) return false
      if ((byte & 0x80) === 0) {
        this.#skip = this.#length.value
        this.#length = undefined
      } else if ((this.#length.shift += 7) > 21) return false
    }
    return true
  }
}

/**
 * Counts the MQTT packets in a byte stream by their fixed headers (MQTT 3.1.1 §2.2), without keeping any of it, so that nobody can make the
 * parser behind it collect 256 MB. `provider-mqtt` reads lengths in the same way (`packet-guard.ts`): nothing but core is below both packages, and core
 * knows no MQTT.
 */
export class PacketMeter {
  /** Bytes of the current packet that are still to come. */
  #skip = 0
  /** The length as far as it was read; undefined where a packet begins. */
  #length: { value: number; shift: number } | undefined

  /**
   * @param limit of one packet's remaining length, bytes
   * @returns packets that begin in this chunk; undefined when one is larger than the limit, or its length malformed
   */
  count(chunk: Uint8Array, limit: number): number | undefined {
    let packets = 0
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
        packets++
        continue
      }
      this.#length.value += (byte & 0x7f) * 2 ** this.#length.shift
      if (this.#length.value > limit) return undefined
      if ((byte & 0x80) === 0) {
        this.#skip = this.#length.value
        this.#length = undefined
      } else if ((this.#length.shift += 7) > 21) return undefined
    }
    return packets
  }
}

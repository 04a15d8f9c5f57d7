import type { Duplex } from 'node:stream'
import { addressSource } from './rate-limiter.ts'

/** Counts open connections, of all listeners that share it: so many in all, and so many of one address, so that one host cannot have them all. */
export class ConnectionCount {
  readonly #most: number
  readonly #perAddress: number
  readonly #sources = new Map<string, number>()
  #all = 0

  /** @param perAddress of IPv6 those of one /64 together, see {@link addressSource} */
  constructor(most: number, perAddress: number) {
    this.#most = most
    this.#perAddress = perAddress
  }

  /** False when there are too many; otherwise the connection counts until it is closed. */
  add(connection: Duplex, address: string): boolean {
    const source = addressSource(address)
    const same = this.#sources.get(source) ?? 0
    if (this.#all >= this.#most || same >= this.#perAddress) return false
    this.#all++
    this.#sources.set(source, same + 1)
    connection.once('close', () => {
      this.#all--
      const left = (this.#sources.get(source) ?? 1) - 1
      if (left > 0) this.#sources.set(source, left)
      else this.#sources.delete(source)
    })
    return true
  }
}

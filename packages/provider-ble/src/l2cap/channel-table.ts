import type { L2capChannel } from './channel.ts'
import { FIRST_CID, LAST_CID } from './channel-limits.ts'

/** Whether a channel may have this identifier (Core Specification, vol. 3, part A, §2.1). */
export function isDynamicCid(cid: number): boolean {
  return cid >= FIRST_CID && cid <= LAST_CID
}

/** The channels of a link by the identifiers of both sides. */
export class ChannelTable {
  readonly #most: number
  /** Identifiers of this side that are in use, by a channel, a request or an end not yet confirmed. */
  readonly #taken = new Set<number>()
  readonly #byLocal = new Map<number, L2capChannel>()
  readonly #byRemote = new Map<number, L2capChannel>()
  #last = LAST_CID

  constructor(most: number) {
    this.#most = most
  }

  get count(): number {
    return this.#byLocal.size
  }

  get full(): boolean {
    return this.#taken.size >= this.#most
  }

  /**
   * Takes an identifier for a channel to be. To be called only while there is one left. Not the one that was used last, so that what is still
   * on its way to that does not reach another channel.
   */
  reserve(): number {
    do this.#last = this.#last === LAST_CID ? FIRST_CID : this.#last + 1
    while (this.#taken.has(this.#last))
    this.#taken.add(this.#last)
    return this.#last
  }

  /** Gives an identifier back that no channel has got. */
  release(cid: number): void {
    this.#taken.delete(cid)
  }

  local(cid: number): L2capChannel | undefined {
    return this.#byLocal.get(cid)
  }

  remote(cid: number): L2capChannel | undefined {
    return this.#byRemote.get(cid)
  }

  /** Its identifier was reserved before. */
  add(channel: L2capChannel): void {
    this.#byLocal.set(channel.localCid, channel)
    this.#byRemote.set(channel.remoteCid, channel)
  }

  remove(channel: L2capChannel): void {
    this.#byLocal.delete(channel.localCid)
    this.#byRemote.delete(channel.remoteCid)
    this.#taken.delete(channel.localCid)
  }

  /** @returns those there were */
  clear(): L2capChannel[] {
    const channels = [...this.#byLocal.values()]
    this.#byLocal.clear()
    this.#byRemote.clear()
    this.#taken.clear()
    return channels
  }
}

import { type Clock, limitedSignal, waitFor } from '@kithmesh/core/plugin'
import { punchErrors } from './errors.ts'

export interface SlotOptions {
  readonly clock: Clock
  readonly signal: AbortSignal
  /** How long to wait at most, for all of them together. */
  readonly withinMs: number
}

/**
 * One punch at a time from each local address, whoever began it: parallel ones would shift the counters of the router that the other is
 * guessing (nat-lab.md §4, p2pd.md §4). Those that wait come in their order.
 */
export class Slots {
  readonly #taken = new Map<string, Array<() => void>>()

  /**
   * Waits for all the addresses; the returned function gives them back, once.
   * @throws ERR_PUNCH_BUSY when they do not become free in time, or the signal's reason
   */
  async acquire(addresses: readonly string[], { clock, signal, withinMs }: SlotOptions): Promise<() => void> {
    // In one order for everyone, so that two that want the same ones never wait for each other.
    const wanted = [...new Set(addresses)].sort()
    const held: string[] = []
    const busy = (): Error => punchErrors.create('ERR_PUNCH_BUSY', `Other holes are being punched from ${wanted[held.length]}`)
    const limit = limitedSignal(clock, withinMs, busy, signal)
    const release = (): void => {
      for (const address of held.splice(0)) this.#release(address)
    }
    try {
      for (const address of wanted) {
        await this.#take(address, limit.signal)
        held.push(address)
      }
      signal.throwIfAborted()
      return release
    } catch (error) {
      release()
      throw error
    } finally {
      limit.release()
    }
  }

  async #take(address: string, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    const queue = this.#taken.get(address)
    if (queue === undefined) {
      this.#taken.set(address, [])
      return
    }
    await waitFor<void>(signal, (resolve) => {
      queue.push(resolve)
      return () => {
        const index = queue.indexOf(resolve)
        if (index >= 0) queue.splice(index, 1)
      }
    })
  }

  #release(address: string): void {
    const next = this.#taken.get(address)?.shift()
    if (next === undefined) this.#taken.delete(address)
    else next()
  }
}

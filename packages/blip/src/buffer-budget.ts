import type { KithmeshError } from '@kithmesh/core'
import { blipErrors } from './errors.ts'

const MEBIBYTE = 1_048_576

/** A connection that shares a budget, or a part of one with bytes of its own. */
export interface BudgetHolder {
  /** Bytes it holds of messages that are incomplete, or wait for their handler or for blobs. */
  readonly bufferedBytes: number
  /** Ends the connection, because it holds the most and there is no room. */
  evict(): void
}

/**
 * One bound for what many BLIP connections buffer together, above the bounds of each. From half of it on, {@link BufferBudget.pressed} asks to
 * take no new connections, and those there get their messages one at a time; whoever holds the most when all of it is used is cut off. Messages
 * of one frame that are handled at once do not count, nor do the first 16 KiB of a connection.
 */
export class BufferBudget {
  readonly limitBytes: number
  readonly #holders = new Set<BudgetHolder>()
  #used = 0

  /** @param limitBytes Default 512 MiB. @throws TypeError unless it is positive. */
  constructor(limitBytes: number = 512 * MEBIBYTE) {
    if (!(limitBytes > 0)) throw new TypeError('The limit of a BufferBudget must be a positive number of bytes')
    this.limitBytes = limitBytes
  }

  /** Bytes counted now. */
  get usedBytes(): number {
    return this.#used
  }

  get pressed(): boolean {
    return this.#used > this.limitBytes / 2
  }

  /** Counts `change` more or fewer bytes of a connection. False when there is no room and it is the one to end; others are ended here. */
  count(holder: BudgetHolder, change: number): boolean {
    this.#used += change
    if (holder.bufferedBytes > 0) this.#holders.add(holder)
    else this.#holders.delete(holder)
    if (change < 0) return true
    while (this.#used > this.limitBytes) {
      let largest = holder
      for (const each of this.#holders) if (each.bufferedBytes > largest.bufferedBytes) largest = each
      if (largest === holder) return false
      this.#holders.delete(largest)
      largest.evict()
    }
    return true
  }

  /** A connection has ended that had counted so much. */
  leave(holder: BudgetHolder, counted: number): void {
    this.#used -= counted
    this.#holders.delete(holder)
  }
}

/** Why a connection ends for the sake of the others. */
export function outOfBudget({ limitBytes }: BufferBudget): KithmeshError {
  return blipErrors.create('ERR_BLIP_LIMIT', `All connections together buffer more than ${limitBytes} bytes, and this one the most`, {
    details: { limitBytes, shared: true }
  })
}

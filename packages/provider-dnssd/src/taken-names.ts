import { nameKey } from './names.ts'
import { rrType } from './rdata.ts'
import type { ResourceRecord } from './dns-message.ts'

/** How long a name counts as taken after it was last heard of. */
const keepMs = 120_000
const limit = 20_000

/** Names of services on the links, as far as PTR records passed by: who has to choose another name need not try these. */
export class TakenNames {
  readonly #until = new Map<string, number>()

  add(record: ResourceRecord, now: number): void {
    if (record.data.type !== rrType.PTR) return
    if (record.ttl === 0) this.#until.delete(nameKey(record.data.target))
    else this.addName(record.data.target, now)
  }

  addName(name: string, now: number): void {
    if (this.#until.size >= limit) this.#until.clear()
    this.#until.set(nameKey(name), now + keepMs)
  }

  has(name: string, now: number): boolean {
    return (this.#until.get(nameKey(name)) ?? -Infinity) > now
  }
}

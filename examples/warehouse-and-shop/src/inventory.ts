import type { Collection, Database } from '@kithmesh/database'
import { drawPicture } from '@kithmesh-examples/inventory/pictures'
import type { Row } from './messages.ts'
import { type Item, sample } from './sample.ts'

/** The inventory as this program uses it: a view of one collection. */
export class Inventory {
  readonly #database: Database
  readonly #items: Collection

  constructor(database: Database) {
    this.#database = database
    this.#items = database.collection()
  }

  /** Loads those of the sample's items that were never there, with freshly drawn pictures; also after an earlier run was killed in the middle. */
  async seed(): Promise<void> {
    for (const { id, look, ...facts } of sample) {
      if (this.#items.get(id, { deleted: true }) !== undefined) continue
      const picture = await this.#database.blobs.saveBlob(drawPicture(facts.name, look), 'image/png')
      this.#items.put(id, { type: 'item', ...facts, picture } satisfies Item)
    }
  }

  /** Sells or restocks a random item; returns what changed, or undefined while there are none. */
  editAtRandom(random: () => number): { readonly id: string; readonly revId: string } | undefined {
    const rows = this.rows()
    const row = rows[Math.floor(random() * rows.length)]
    if (row === undefined) return undefined
    const current = this.#items.get(row.id)
    if (current === undefined) return undefined
    const step = 1 + Math.floor(random() * 9)
    const item = current.body as unknown as Item
    const quantity = Math.max(0, item.quantity + (random() < 0.5 ? -step : step))
    const saved = this.#items.put(
      row.id,
      { ...item, quantity: quantity === item.quantity ? quantity + step : quantity },
      { parent: current.revId }
    )
    return { id: saved.id, revId: saved.revId }
  }

  rows(): Row[] {
    return [...this.#items.documents()].map((document) => {
      const item = document.body as unknown as Item
      const picture = item.picture as { readonly digest: string; readonly length: number } | undefined
      const here = picture !== undefined && this.#database.blobs.has(picture.digest)
      return {
        id: document.id,
        revId: document.revId,
        name: item.name,
        quantity: item.quantity,
        price: item.price,
        pictureBytes: here ? picture.length : 0
      }
    })
  }

  /** Calls `changed` with every document that is new or different since the last call. */
  watch(changed: (entries: readonly { readonly id: string; readonly revId: string }[]) => void): () => void {
    let since = this.#items.lastSequence
    return this.#items.watch(() => {
      const entries = this.#items.changes({ since })
      since = entries.at(-1)?.sequence ?? since
      if (entries.length > 0) changed(entries)
    })
  }
}

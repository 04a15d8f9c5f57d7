import { asBuffer } from './bytes.ts'
import { DocumentFlag } from './contracts/storage.ts'
import type { StoredDocument } from './contracts/storage.ts'

const EMPTY_OBJECT = '{}'

/** The current revision of a document as it was read; later changes do not show in it. */
export class Document {
  readonly id: string
  /** `<generation>-<hex>` with revision trees, `<hex time>@<source>` with version vectors. */
  readonly revId: string
  readonly sequence: number
  readonly deleted: boolean
  /** A peer brought a rival revision that was not resolved yet. */
  readonly conflicted: boolean
  readonly #bytes: Uint8Array
  #body: Record<string, unknown> | undefined

  /** @internal */
  constructor(stored: StoredDocument) {
    this.id = stored.id
    this.revId = stored.revId
    this.sequence = stored.sequence
    this.deleted = (stored.flags & DocumentFlag.deleted) !== 0
    this.conflicted = (stored.flags & DocumentFlag.conflicted) !== 0
    this.#bytes = stored.body
  }

  /** The body as JSON bytes, exactly as stored. */
  json(): Buffer {
    return this.#bytes.length === 0 ? Buffer.from(EMPTY_OBJECT) : asBuffer(this.#bytes)
  }

  /** The body, parsed at the first use. Changing it changes nothing stored. */
  get body(): Record<string, unknown> {
    this.#body ??= JSON.parse(this.json().toString()) as Record<string, unknown>
    return this.#body
  }
}

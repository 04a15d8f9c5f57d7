import type { KithmeshError } from '@kithmesh/core'
import { blobsIn, parseBody } from '@kithmesh/database/replication'
import type { BlobReference } from '@kithmesh/database/replication'
import { replicatorErrors } from '../errors.ts'
import { BlobFetcher } from './blob-fetcher.ts'
import type { BlobFailure } from './blob-fetcher.ts'
import { BlobProver } from './blob-prover.ts'
import type { ReceivedBody } from './body.ts'
import type { SessionCollection, SessionContext } from './context.ts'
import type { Arrival } from './revision-inserter.ts'

/** Why a revision cannot be stored for its blobs, and what to answer. */
export interface BlobRefusal {
  readonly domain: 'HTTP' | 'LiteCore'
  readonly code: number
  readonly error: KithmeshError
  readonly transient: boolean
}

export interface RevisionBlobsOptions {
  readonly index: number | undefined
  readonly target: SessionCollection
  /** All blobs are here, or will not be; never called from inside {@link RevisionBlobs.take}. */
  readonly settled: (arrival: Arrival, refusal: BlobRefusal | undefined) => void
  /** No blob is on its way to the disk any more. */
  readonly stored: () => void
}

/** LiteCore's own number for it. */
const NOT_FOUND = 7

/** Sees to it that the blobs of received revisions are here, and ours to have, before the revisions are stored (cbmobile.md §9). */
export class RevisionBlobs {
  readonly #context: SessionContext
  readonly #options: RevisionBlobsOptions
  readonly #fetcher: BlobFetcher
  readonly #prover: BlobProver
  #waiting = 0
  /** Something of what the peer owes came since the last tick. */
  #progressed = false
  #progressedAt = 0

  constructor(context: SessionContext, options: RevisionBlobsOptions) {
    this.#context = context
    this.#options = options
    const progressed = (): void => {
      this.#progressed = true
    }
    this.#fetcher = new BlobFetcher(context, options.index, progressed, options.stored)
    this.#prover = new BlobProver(context, options.index, progressed)
  }

  /** Revisions that wait for their blobs. */
  get waiting(): number {
    return this.#waiting
  }

  /** Blobs are on their way to the disk: more revisions settle soon, whatever the peer does. */
  get storing(): boolean {
    return this.#fetcher.storing
  }

  /** Ends the session when the peer owes blobs and sends nothing of them, whatever else it sends. */
  tick(now: number): void {
    if (this.#waiting === 0 || this.#progressed || this.#fetcher.storing || now < this.#progressedAt) {
      this.#progressed = false
      this.#progressedAt = now
      return
    }
    const { inactivityMs } = this.#context.limits
    if (now - this.#progressedAt < inactivityMs) return
    this.#context.fail(
      replicatorErrors.create('ERR_REPL_TIMEOUT', `The peer sent nothing of the blobs it owes for ${inactivityMs} ms`),
      true
    )
  }

  /**
   * True when the revision may be stored at once, which is so for those without blobs. Otherwise it waits, and `settled` is called, or it is
   * refused with what is returned.
   */
  take(arrival: Arrival, { blobs, dangling }: ReceivedBody): true | BlobRefusal | undefined {
    const missing = this.#fetcher.missing(blobs)
    const { id } = arrival.rev
    const lost = missing.find(({ digest }) => dangling.includes(digest))
    if (lost !== undefined) {
      const message = `Document "${id}" mentions the blob ${lost.digest}, which its attachments do not have`
      return { domain: 'LiteCore', code: NOT_FOUND, error: replicatorErrors.create('ERR_REPL_BLOB', message), transient: false }
    }
    const unproven = this.#context.protectBlobs ? this.#unproven(id, blobs, missing) : []
    if (missing.length === 0 && unproven.length === 0) return true
    const bytes = bytesHeld(arrival)
    const { limits, waiting } = this.#context
    if (this.#waiting >= 4 * limits.maxRevsRequested || !waiting.take(bytes, arrival.expected !== undefined)) {
      const message = `Document "${id}" was refused: too many documents are waiting for their blobs`
      return { domain: 'HTTP', code: 503, error: replicatorErrors.create('ERR_REPL_DOC_REJECTED', message), transient: true }
    }
    if (this.#waiting++ === 0) this.#progressed = true
    this.#prove(id, unproven, (refused, unknown) => {
      const wanted = [...missing, ...unknown]
      if (refused !== undefined || wanted.length === 0) this.#settle(arrival, bytes, refused)
      else
        this.#fetcher.fetch(id, wanted, (failure) => {
          this.#settle(arrival, bytes, failure)
        })
    })
    return undefined
  }

  #prove(
    id: string,
    blobs: readonly BlobReference[],
    done: (failure: BlobFailure | undefined, unknown: readonly BlobReference[]) => void
  ): void {
    if (blobs.length === 0) done(undefined, [])
    else this.#prover.prove(id, blobs, done)
  }

  #settle(arrival: Arrival, bytes: number, failure: BlobFailure | undefined): void {
    this.#waiting--
    this.#context.waiting.give(bytes)
    if (failure === undefined) {
      this.#options.settled(arrival, undefined)
      return
    }
    const { transient, status = transient ? 503 : 400, error } = failure
    this.#options.settled(arrival, { domain: 'HTTP', code: status, error: error as KithmeshError, transient })
  }

  /** Blobs that are here already, but not for this document: whoever names them has to show that he has them. */
  #unproven(id: string, blobs: readonly BlobReference[], missing: readonly BlobReference[]): BlobReference[] {
    const revision = this.#options.target.collection.revision(id)
    const own = new Set(revision?.hasBlobs === true ? blobsIn(parseBody(revision.body).value).map(({ digest }) => digest) : [])
    return blobs.filter((blob) => !missing.includes(blob) && !own.has(blob.digest))
  }
}

/** What a revision keeps in memory: its body, the delta it was made of, and the properties, of which the history may be long. */
function bytesHeld({ body, request }: Arrival): number {
  let bytes = body.length
  if (request.body !== body) bytes += request.body.length
  for (const value of Object.values(request.properties)) bytes += value.length
  return bytes
}

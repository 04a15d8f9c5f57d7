import { errorCode } from '@kithmesh/core'
import type { BlobReference } from '@kithmesh/database/replication'
import type { Reply } from '@kithmesh/blip'
import { replicatorErrors } from '../errors.ts'
import { isCompressible } from './body.ts'
import { withCollection } from './context.ts'
import type { SessionContext } from './context.ts'

/** Told how the fetching of one document's blobs ended; undefined means that all are stored. */
export type BlobsDone = (failure: BlobFailure | undefined) => void

export interface BlobFailure {
  readonly error: Error
  /** Trying again may help. */
  readonly transient: boolean
  /** What to answer. @default 503 when transient, else 400 */
  readonly status?: number
}

interface Fetch {
  readonly reference: BlobReference
  readonly docId: string
  readonly waiting: ((failure: BlobFailure | undefined) => void)[]
}

/** Fetches the blobs that received documents mention, a bounded number at a time, straight to the blob store. */
export class BlobFetcher {
  readonly #context: SessionContext
  readonly #index: number | undefined
  readonly #progressed: () => void
  readonly #stored: () => void
  readonly #queue: Fetch[] = []
  readonly #byDigest = new Map<string, Fetch>()
  /** Requested and not completely here. */
  #inFlight = 0
  /** Completely here and on their way to the disk. The next ones are requested meanwhile, so that network and disk work side by side. */
  #storing = 0

  /**
   * @param progressed Told of every piece that comes.
   * @param stored Told when no blob is on its way to the disk any more.
   */
  constructor(context: SessionContext, index: number | undefined, progressed: () => void, stored: () => void) {
    this.#context = context
    this.#index = index
    this.#progressed = progressed
    this.#stored = stored
  }

  get busy(): boolean {
    return this.#byDigest.size > 0
  }

  /** Blobs are on their way to the disk: not everything hangs on the peer. */
  get storing(): boolean {
    return this.#storing > 0
  }

  /** Those of the references that are not stored yet. */
  missing(references: readonly BlobReference[]): BlobReference[] {
    return references.filter((reference) => !this.#context.store.blobs.has(reference.digest))
  }

  /** Fetches all and then calls `done` once, never from inside this call. A blob wanted by several documents comes once. */
  fetch(docId: string, references: readonly BlobReference[], done: BlobsDone): void {
    let left = references.length
    let failed: BlobFailure | undefined
    const othersWait = this.#queue.length > 0
    for (const reference of references) {
      let fetch = this.#byDigest.get(reference.digest)
      if (fetch === undefined) {
        fetch = { reference, docId, waiting: [] }
        this.#byDigest.set(reference.digest, fetch)
        this.#queue.push(fetch)
      }
      fetch.waiting.push((failure) => {
        failed ??= failure
        if (--left === 0) done(failed)
      })
    }
    this.#pump()
    // As many as may be under way: the peer can begin while the rest of what was read is looked at.
    if (!othersWait && this.#queue.length > 0) this.#context.blip.flush?.()
  }

  #pump(): void {
    const { maxBlobsInFlight } = this.#context.limits
    while (this.#inFlight < maxBlobsInFlight && this.#storing < 2 * maxBlobsInFlight) {
      const next = this.#queue.shift()
      if (next === undefined) return
      this.#inFlight++
      this.#request(next)
    }
  }

  #request(fetch: Fetch): void {
    const { blip, store, limits, statistics } = this.#context
    const { digest, length, contentType } = fetch.reference
    const writer = store.blobs.openWrite(length === undefined ? { digest } : { digest, length })
    let received = 0
    let writeError: unknown
    const failed = (error: unknown): void => {
      writeError = error
    }
    const write = (piece: Buffer): Promise<void> | undefined => {
      if (writeError !== undefined) return undefined
      try {
        return writer.write(piece)?.catch(failed)
      } catch (error) {
        failed(error)
        return undefined
      }
    }
    const properties = withCollection(this.#index, { digest, docID: fetch.docId, ...(isCompressible(contentType) && { compress: 'true' }) })
    const unstored = (cause: unknown): BlobFailure =>
      errorCode(cause) === 'ERR_DB_BLOB_MISMATCH'
        ? failure(`Blob ${digest} is not what was announced (${received} bytes came)`, false, cause)
        : failure(`Blob ${digest} could not be stored`, true, cause)
    const finish = async (reply: Reply): Promise<BlobFailure | undefined> => {
      if (reply.kind === 'ok' && writeError === undefined) {
        try {
          await writer.commit()
          statistics.blobsPulled++
          statistics.blobBytesPulled += received
          return undefined
        } catch (cause) {
          return unstored(cause)
        }
      }
      await writer.abort()
      if (writeError !== undefined) return unstored(writeError)
      if (reply.kind === 'error')
        return failure(
          `The peer could not send blob ${digest}: ${reply.domain} ${reply.code} ${reply.message.slice(0, 200)}`.trimEnd(),
          reply.code === 503,
          undefined
        )
      return failure(`The connection ended while blob ${digest} was on its way`, true, undefined)
    }
    blip.request(
      { profile: 'getAttachment', properties },
      (reply) => {
        this.#context.touch()
        this.#progressed()
        this.#inFlight--
        this.#storing++
        this.#pump()
        finish(reply)
          .catch(unstored)
          .then(
            (result) => {
              this.#storing--
              this.#byDigest.delete(digest)
              for (const tell of fetch.waiting) tell(result)
              if (this.#storing === 0) this.#stored()
              this.#pump()
              this.#context.changed()
            },
            (error: unknown) => {
              this.#context.logger.error('A blob could not be finished', { error })
            }
          )
      },
      {
        maxBodyBytes: length ?? limits.maxBlobBytes,
        onBody: (piece) => {
          this.#context.touch()
          this.#progressed()
          received += piece.length
          return write(piece)
        },
        releasesPieces: true
      }
    )
  }
}

function failure(message: string, transient: boolean, cause: unknown): BlobFailure {
  return { error: replicatorErrors.create('ERR_REPL_BLOB', message, cause === undefined ? {} : { cause }), transient }
}

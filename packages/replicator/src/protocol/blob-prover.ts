import { randomBytes } from 'node:crypto'
import type { BlobReference } from '@kithmesh/database/replication'
import type { Reply } from '@kithmesh/blip'
import { replicatorErrors } from '../errors.ts'
import { attachmentProof } from './serve-attachment.ts'
import type { BlobFailure } from './blob-fetcher.ts'
import { isTransientStatus, withCollection } from './context.ts'
import type { SessionContext } from './context.ts'

const NONCE_BYTES = 20

type Verdict = 'proven' | 'unknown' | BlobFailure

/**
 * Has a peer prove that it has the blobs it names (`proveAttachment`, cbmobile.md §9): knowing a digest alone must not give access to a blob
 * that somebody else put here.
 */
export class BlobProver {
  readonly #context: SessionContext
  readonly #index: number | undefined
  readonly #progressed: () => void

  /** @param progressed Told of every answer. */
  constructor(context: SessionContext, index: number | undefined, progressed: () => void) {
    this.#context = context
    this.#index = index
    this.#progressed = progressed
  }

  /** One after the other. `unknown` has those that the peer could not prove, because it does not know how or has lost them: it is to send them. */
  prove(
    docId: string,
    blobs: readonly BlobReference[],
    done: (failure: BlobFailure | undefined, unknown: readonly BlobReference[]) => void
  ): void {
    this.#proveAll(docId, blobs).then(
      ([failure, unknown]) => {
        done(failure, unknown)
      },
      (cause: unknown) => {
        done(failureOf(`The blobs of document "${docId}" could not be read to compare proofs`, 503, cause), [])
      }
    )
  }

  async #proveAll(docId: string, blobs: readonly BlobReference[]): Promise<[BlobFailure | undefined, BlobReference[]]> {
    const unknown: BlobReference[] = []
    for (const blob of blobs) {
      const verdict = await this.#proveOne(docId, blob.digest)
      if (verdict === 'unknown') unknown.push(blob)
      else if (verdict !== 'proven') return [verdict, []]
    }
    return [undefined, unknown]
  }

  async #proveOne(docId: string, digest: string): Promise<Verdict> {
    const nonce = randomBytes(NONCE_BYTES)
    const reply = await new Promise<Reply>((resolve) => {
      const properties = withCollection(this.#index, { digest, docID: docId })
      this.#context.blip.request({ profile: 'proveAttachment', properties, body: nonce }, resolve)
    })
    this.#context.touch()
    this.#progressed()
    if (reply.kind === 'disconnected') return failureOf(`The connection ended before blob ${digest} was proven`, 503)
    if (reply.kind === 'error')
      return reply.code === 404
        ? 'unknown'
        : failureOf(
            `The peer did not prove that it has blob ${digest}: ${reply.domain} ${reply.code}`,
            isTransientStatus(reply.code) ? 503 : 403
          )
    const stored = this.#context.store.blobs.openRead(digest)
    if (stored === undefined) return 'unknown'
    if (reply.body.toString('latin1') === (await attachmentProof(nonce, stored))) return 'proven'
    return failureOf(`The peer named blob ${digest} of document "${docId}" without having it`, 403)
  }
}

function failureOf(message: string, status: 403 | 503, cause?: unknown): BlobFailure {
  return {
    error: replicatorErrors.create('ERR_REPL_BLOB', message, cause === undefined ? {} : { cause }),
    transient: status === 503,
    status
  }
}

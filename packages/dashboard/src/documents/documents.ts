import type { Database, Document } from '@kithmesh/database'
import { replicationStore } from '@kithmesh/database/replication'
import type { DocumentDetail, DocumentPage, DocumentSummary } from '../contracts.ts'
import { dashboardErrors } from '../errors.ts'
import { clipped } from '../problem.ts'
import { collectionPath, openCollection } from '../state/collections.ts'
import { blobsOf } from './body-blobs.ts'
import { integerParameter, textParameter } from './parameters.ts'

const maxPage = 200
const defaultPage = 50
/** Documents read at a time, and the bytes after which a page ends early: documents may be large. */
const readAtOnce = 4
const maxPageBytes = 32 * 1024 * 1024
const maxBody = 1024 * 1024
const previewLength = 200

/** Answers what pages ask of the database. Reads only. */
export class Documents {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  /** One page of a collection, as JSON. @throws ERR_DASHBOARD_REQUEST, ERR_DASHBOARD_NOT_FOUND */
  page(parameters: URLSearchParams): string {
    const { scope, name } = collectionParameter(parameters)
    const limit = integerParameter(parameters, 'limit', { min: 1, max: maxPage, byDefault: defaultPage })
    let after = textParameter(parameters, 'after', '')
    const documents: DocumentSummary[] = []
    const collection = this.#collection(scope, name)
    let bytes = 0
    let more = collection !== undefined
    while (more && documents.length < limit && bytes < maxPageBytes) {
      const asked = Math.min(readAtOnce, limit - documents.length)
      const read = [...(collection?.documents({ ...(after === '' ? {} : { after }), limit: asked }) ?? [])]
      for (const document of read) {
        const json = document.json()
        bytes += json.length
        after = document.id
        documents.push(summary(document, json))
      }
      more = read.length === asked
    }
    const page: DocumentPage = { collection: collectionPath(scope, name), documents, next: more ? after : null }
    return JSON.stringify(page)
  }

  /** One document with its body, as JSON. @throws ERR_DASHBOARD_REQUEST, ERR_DASHBOARD_NOT_FOUND */
  detail(parameters: URLSearchParams): string {
    const { scope, name } = collectionParameter(parameters)
    const id = textParameter(parameters, 'id')
    const document = this.#collection(scope, name)?.get(id, { deleted: true })
    if (document === undefined) throw dashboardErrors.create('ERR_DASHBOARD_NOT_FOUND', 'There is no such document')
    const json = document.json()
    const body = parsed(json)
    const facts: Omit<DocumentDetail, 'body' | 'conflict'> = {
      collection: collectionPath(scope, name),
      id: document.id,
      revision: document.revId,
      sequence: document.sequence,
      deleted: document.deleted,
      size: json.length,
      tooLarge: json.length > maxBody,
      blobs: body === undefined ? [] : blobsOf(body.value, (digest) => this.#database.blobs.has(digest))
    }
    // The bytes themselves, so that numbers stay what they are.
    return object(facts, { body: body?.text ?? 'null', conflict: this.#conflict(scope, name, document) })
  }

  #conflict(scope: string, name: string, { id, conflicted }: Document): string {
    if (!conflicted) return 'null'
    const conflict = replicationStore(this.#database).collection(scope, name)?.conflict(id)
    if (conflict === undefined) return 'null'
    const side = ({ revId, deleted, body }: typeof conflict.local): string =>
      object({ revision: revId, deleted }, { body: parsed(body)?.text ?? 'null' })
    return object({}, { local: side(conflict.local), remote: side(conflict.remote) })
  }

  /** Undefined for the default one when nothing was ever written to it. @throws ERR_DASHBOARD_NOT_FOUND */
  #collection(scope: string, name: string): ReturnType<typeof openCollection> {
    const collection = openCollection(this.#database, scope, name)
    if (collection === undefined && (scope !== '_default' || name !== '_default'))
      throw dashboardErrors.create('ERR_DASHBOARD_NOT_FOUND', 'There is no such collection')
    return collection
  }
}

/** @throws ERR_DASHBOARD_REQUEST */
function collectionParameter(parameters: URLSearchParams): { readonly scope: string; readonly name: string } {
  const parts = textParameter(parameters, 'collection', '_default').split('.')
  const [first = '', second] = parts
  if (parts.length > 2 || parts.includes(''))
    throw dashboardErrors.create('ERR_DASHBOARD_REQUEST', 'A collection is written "name" or "scope.name"')
  return second === undefined ? { scope: '_default', name: first } : { scope: first, name: second }
}

function summary(document: Document, json: Buffer): DocumentSummary {
  const { id, revId, sequence, conflicted } = document
  // At most four bytes to a character; a character that is cut in two at the end falls to the clipping.
  const preview = clipped(json.subarray(0, previewLength * 4 + 4).toString(), previewLength)
  return { id, revision: revId, sequence, size: json.length, conflicted, preview }
}

/** Undefined for what is too large, or no JSON after all. */
function parsed(bytes: Uint8Array): { readonly text: string; readonly value: unknown } | undefined {
  if (bytes.length > maxBody) return undefined
  const text = bytes.length === 0 ? '{}' : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()
  try {
    return { text, value: JSON.parse(text) as unknown }
  } catch {
    return undefined
  }
}

/** JSON text of an object, of which some members are JSON text already. */
function object(facts: object, texts: Readonly<Record<string, string>>): string {
  const members = [
    ...Object.entries(facts).map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`),
    ...Object.entries(texts).map(([key, text]) => `${JSON.stringify(key)}:${text}`)
  ]
  return `{${members.join(',')}}`
}

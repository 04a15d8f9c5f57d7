import { createHash, randomBytes } from 'node:crypto'
import type { BlipPeer, IncomingRequest, Reply } from '@kithmesh/blip'
import { GatewayError, digestOf } from './store.ts'
import type { Attachments, Body, GatewayStore } from './store.ts'

type Collected = { readonly reply: Reply; readonly body: Buffer }

const ask = (blip: BlipPeer, profile: string, properties: Record<string, string>, body?: Uint8Array): Promise<Collected> =>
  new Promise((resolve) => {
    blip.request({ profile, properties, ...(body !== undefined && { body }) }, (reply) => {
      resolve({ reply, body: reply.kind === 'ok' ? reply.body : Buffer.alloc(0) })
    })
  })

/** Which attachments the client may fetch now: those of a `rev` that awaits its reply (cbmobile.md §9). */
export class AllowedAttachments {
  readonly #counts = new Map<string, number>()

  allow(id: string, attachments: Attachments, by: 1 | -1): void {
    for (const { digest } of Object.values(attachments)) {
      const key = `${id} ${digest}`
      this.#counts.set(key, (this.#counts.get(key) ?? 0) + by)
    }
  }

  /** `version` 2 names no document: any that is being synced will do. */
  serve(store: GatewayStore, request: IncomingRequest, version: number): void {
    const { digest, docID, compress } = request.properties
    if (digest === undefined) throw new GatewayError(400, "Missing 'digest'")
    if (version > 2 && docID === undefined) throw new GatewayError(400, "Missing 'docID'")
    const allowed = [...this.#counts].some(
      ([key, count]) => count > 0 && (version > 2 ? key === `${docID ?? ''} ${digest}` : key.endsWith(` ${digest}`))
    )
    if (!allowed) throw new GatewayError(403, "Attachment's doc not being synced")
    const bytes = store.attachments.get(digest)
    if (bytes === undefined) throw new GatewayError(404, 'missing')
    request.respond({ body: bytes, compress: compress === 'true' })
  }
}

export interface FetchOptions {
  readonly blip: BlipPeer
  readonly store: GatewayStore
  readonly id: string
  readonly collection: Record<string, string>
  /** Attachments of earlier generations are already here. */
  readonly minRevpos: number
}

/** Fetches what a received revision mentions in `_attachments`, or has the client prove that it has it. @throws GatewayError */
export async function takeAttachments(options: FetchOptions, attachments: unknown): Promise<Attachments> {
  if (attachments === undefined) return {}
  if (typeof attachments !== 'object' || attachments === null) throw new GatewayError(400, 'Invalid _attachments')
  for (const meta of Object.values(attachments) as Body[]) {
    const { digest, stub, revpos, length } = meta
    if (stub !== true) throw new GatewayError(400, 'Invalid attachment')
    if (typeof revpos !== 'number') throw new GatewayError(400, 'Missing/invalid revpos in stub attachment')
    if (typeof digest !== 'string') throw new GatewayError(400, 'Invalid attachment, does not have digest field')
    if (revpos < options.minRevpos) continue
    const known = options.store.attachments.get(digest)
    if (known === undefined || !(await prove(options, digest, known))) await fetchOne(options, digest, length)
  }
  return attachments as Attachments
}

async function fetchOne({ blip, store, id, collection }: FetchOptions, digest: string, length: unknown): Promise<void> {
  const { reply, body } = await ask(blip, 'getAttachment', { ...collection, digest, docID: id })
  if (reply.kind !== 'ok') throw new GatewayError(500, 'error from getAttachment')
  if (body.length !== length || digestOf(body) !== digest) throw new GatewayError(400, 'Incorrect data sent for attachment')
  store.attachments.set(digest, body)
}

/** False when the client says that it does not have it. */
async function prove({ blip, store, collection }: FetchOptions, digest: string, known: Buffer): Promise<boolean> {
  const nonce = randomBytes(20)
  const { reply, body } = await ask(blip, 'proveAttachment', { ...collection, digest }, nonce)
  if (reply.kind === 'error' && reply.code === 404) return false
  const proof = createHash('sha1').update(Uint8Array.of(nonce.length)).update(nonce).update(known).digest('base64')
  if (body.toString() !== `sha1-${proof}`) throw new GatewayError(403, 'Incorrect proof for attachment')
  store.proofs.push(digest)
  return true
}

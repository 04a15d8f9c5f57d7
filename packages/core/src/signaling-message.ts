import type { SignalingBody } from './contracts/signaling.ts'
import { coreErrors } from './errors.ts'

/** Bytes of a signalling message at most, as channels promise to carry. */
const MAX_SIGNAL_BYTES = 16_384

/**
 * A message between two {@link SignalingHub}s, as JSON with one-letter names: a request has `kind` (k), `id` (i) and `body` (b), a notice no
 * `id`, an answer `answers` (r) and either `body` or `error` (e).
 */
export interface Signal {
  readonly kind?: string
  readonly id?: string
  readonly answers?: string
  readonly body?: SignalingBody
  readonly error?: { readonly code: string; readonly message: string }
}

/** @throws ERR_SIGNAL_TOO_LARGE */
export function encodeSignal({ kind, id, answers, body, error }: Signal): Uint8Array {
  const bytes = Buffer.from(JSON.stringify({ k: kind, i: id, r: answers, b: body, e: error }))
  if (bytes.length > MAX_SIGNAL_BYTES)
    throw coreErrors.create('ERR_SIGNAL_TOO_LARGE', `A signalling message of ${bytes.length} bytes is longer than ${MAX_SIGNAL_BYTES}`)
  return bytes
}

/** Undefined for what is none. */
export function decodeSignal(bytes: Uint8Array): Signal | undefined {
  if (bytes.length > MAX_SIGNAL_BYTES) return undefined
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8'))
  } catch {
    return undefined
  }
  if (!isObject(value)) return undefined
  const { k, i, r, b, e } = value
  if (b !== undefined && !isObject(b)) return undefined
  if (r !== undefined) {
    if (!isToken(r)) return undefined
    if (e === undefined) return { answers: r, body: b ?? {} }
    if (!isObject(e) || typeof e['code'] !== 'string' || typeof e['message'] !== 'string') return undefined
    return { answers: r, error: { code: e['code'].slice(0, 64), message: e['message'].slice(0, 500) } }
  }
  if (!isToken(k) || (i !== undefined && !isToken(i))) return undefined
  return { kind: k, ...(i === undefined ? {} : { id: i }), body: b ?? {} }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isToken(value: unknown): value is string {
  return typeof value === 'string' && /^[A-Za-z0-9._-]{1,64}$/.test(value)
}

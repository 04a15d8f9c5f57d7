import type { IncomingRequest, Properties } from '@kithmesh/blip'
import { channelErrors } from '../errors.ts'
import { type JsonObject, isJsonObject } from '../json.ts'
import { safeName } from './safe-name.ts'

/** What a peer says about what it offers. */
export interface OfferFacts {
  readonly name: string
  readonly size: number | undefined
  readonly sha256: string | undefined
  readonly contentType: string | undefined
  readonly info: JsonObject
}

/** One request of a receiver for more. */
export interface PullFacts {
  readonly id: string
  /** Which of the receiver's beginnings it belongs to: a later one begins again at `written`. */
  readonly run: number
  /** What the receiver has stored. */
  readonly written: number
  readonly max: number
}

/** A chunk as it arrived. */
export interface ChunkFacts {
  readonly offset: number
  /** The SHA-256 of the whole, when this is its end. */
  readonly end: string | undefined
}

/** @throws ERR_CHANNEL_PROTOCOL */
export function readOffer({ name, size, sha256, type, info }: JsonObject): OfferFacts {
  if (typeof name !== 'string' || name.length > 4096) throw malformed('offer', 'name')
  if (size !== undefined && !isSize(size)) throw malformed('offer', 'size')
  if (sha256 !== undefined && !isDigest(sha256)) throw malformed('offer', 'sha256')
  if (type !== undefined && (typeof type !== 'string' || type.length > 256)) throw malformed('offer', 'type')
  if (info !== undefined && !isJsonObject(info)) throw malformed('offer', 'info')
  return { name: safeName(name), size: size as number | undefined, sha256, contentType: type as string | undefined, info: info ?? {} }
}

/** @throws ERR_CHANNEL_PROTOCOL */
export function readDone({ bytes, sha256 }: JsonObject): { readonly bytes: number; readonly sha256: string } {
  if (!isSize(bytes) || !isDigest(sha256)) throw malformed('receipt', 'bytes or sha256')
  return { bytes, sha256 }
}

export function pullProperties({ id, run, written, max }: PullFacts): Properties {
  return { Id: id, Run: String(run), Written: String(written), Max: String(max) }
}

/** @throws ERR_CHANNEL_PROTOCOL */
export function readPull({ properties }: IncomingRequest): PullFacts {
  const { Id = '' } = properties
  return { id: Id, run: count(properties, 'Run', 1), written: count(properties, 'Written', 0), max: count(properties, 'Max', 1) }
}

/** @throws ERR_CHANNEL_PROTOCOL */
export function readChunk(properties: Properties): ChunkFacts {
  const { End } = properties
  if (End !== undefined && !isDigest(End)) throw malformed('chunk', 'End')
  return { offset: count(properties, 'Offset', 0), end: End }
}

function count(properties: Properties, key: string, min: number): number {
  const text = properties[key] ?? ''
  const value = /^[0-9]{1,16}$/.test(text) ? Number(text) : Number.NaN
  if (!Number.isSafeInteger(value) || value < min) throw malformed('transfer', key)
  return value
}

function isSize(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function isDigest(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)
}

function malformed(what: string, key: string): Error {
  return channelErrors.create('ERR_CHANNEL_PROTOCOL', `The ${what} has no valid ${key}`)
}

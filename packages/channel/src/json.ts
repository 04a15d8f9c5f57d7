import { isUtf8 } from 'node:buffer'
import { channelErrors } from './errors.ts'

/** Anything that JSON can say. */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject

/** A JSON object. */
export interface JsonObject {
  readonly [key: string]: JsonValue
}

/**
 * What a peer sent as JSON.
 * @throws ERR_CHANNEL_PROTOCOL when it is longer than `maxBytes`, no UTF-8 or no JSON.
 */
export function parseJson(bytes: Buffer, maxBytes: number, what: string): JsonValue {
  if (bytes.length > maxBytes)
    throw channelErrors.create('ERR_CHANNEL_PROTOCOL', `${what} has ${bytes.length} bytes, ${maxBytes} are allowed`)
  if (!isUtf8(bytes)) throw channelErrors.create('ERR_CHANNEL_PROTOCOL', `${what} is not UTF-8`)
  try {
    return JSON.parse(bytes.toString('utf8')) as JsonValue
  } catch (cause) {
    throw channelErrors.create('ERR_CHANNEL_PROTOCOL', `${what} is not JSON`, { cause })
  }
}

/** As {@link parseJson}, for what has to be an object. */
export function parseJsonObject(bytes: Buffer, maxBytes: number, what: string): JsonObject {
  const value = parseJson(bytes, maxBytes, what)
  if (!isJsonObject(value)) throw channelErrors.create('ERR_CHANNEL_PROTOCOL', `${what} is no JSON object`)
  return value
}

/** Whether a JSON value is an object, neither null nor an array. */
export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * The JSON of a value as bytes.
 * @throws TypeError when it has none: a function, undefined, a bigint, a cycle.
 */
export function jsonBytes(value: JsonValue): Buffer {
  const text = JSON.stringify(value) as string | undefined
  if (text === undefined) throw new TypeError('The value has no JSON')
  return Buffer.from(text)
}

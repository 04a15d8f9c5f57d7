import { isUtf8 } from 'node:buffer'
import { channelErrors } from './errors.ts'
import { type JsonValue, jsonBytes, parseJson } from './json.ts'
import type { Packet } from './packets/packet.ts'

/** What a message carries: text, bytes, or anything else that JSON can say. */
export type ChannelBody = JsonValue | Uint8Array
/** As it arrives. */
export type ReceivedBody = JsonValue | Buffer

/** @throws TypeError for what has no JSON */
export function encodeBody(body: ChannelBody): Pick<Packet, 'form' | 'body'> {
  if (typeof body === 'string') return { form: 'text', body: Buffer.from(body) }
  if (body instanceof Uint8Array) return { form: 'binary', body }
  return { form: 'json', body: jsonBytes(body) }
}

/** @throws ERR_CHANNEL_PROTOCOL */
export function decodeBody({ form, body }: { readonly form: Packet['form']; readonly body: Buffer }): ReceivedBody {
  if (form === 'binary') return body
  if (form === 'json') return parseJson(body, Number.POSITIVE_INFINITY, 'A message')
  if (!isUtf8(body)) throw channelErrors.create('ERR_CHANNEL_PROTOCOL', 'A text is not UTF-8')
  return body.toString('utf8')
}

import { blipErrors } from './errors.ts'
import { MAX_PROPERTIES_BYTES } from './frame.ts'
import type { DecodedFrame } from './frame-decoder.ts'
import { emptyProperties, parseProperties } from './properties.ts'
import { readVarint } from './varint.ts'

/** A whole message. `body` is empty when it was too large, or went to a sink. */
export interface ReceivedMessage {
  readonly number: number
  readonly type: number
  readonly flags: number
  readonly properties: Record<string, string>
  readonly body: Buffer
  readonly tooLarge: boolean
  readonly sinkError: unknown
}

const noBody = Buffer.alloc(0)

/**
 * A message of one frame, the usual case: no copy, no state.
 * @throws ERR_BLIP_PROPERTIES, ERR_BLIP_TRUNCATED; the connection is then to be closed.
 */
export function messageOfFrame(frame: DecodedFrame, bodyLimit: number): ReceivedMessage {
  const { content, end } = frame
  const cursor = { position: frame.start }
  if (cursor.position === end) throw truncated(frame.number)
  let properties: Record<string, string>
  if (content[cursor.position] === 0) {
    cursor.position++
    properties = emptyProperties()
  } else {
    const length = readVarint(content, cursor, end)
    const bodyStart = cursor.position + length
    if (length > MAX_PROPERTIES_BYTES)
      throw blipErrors.create('ERR_BLIP_PROPERTIES', `The properties of message ${frame.number} have ${length} bytes`)
    if (bodyStart > end) throw truncated(frame.number)
    properties = parseProperties(content, cursor.position, bodyStart)
    cursor.position = bodyStart
  }
  const bodyBytes = end - cursor.position
  const tooLarge = frame.cut || bodyBytes > bodyLimit
  const body = bodyBytes === 0 || tooLarge ? noBody : content.subarray(cursor.position, end)
  return { number: frame.number, type: frame.type, flags: frame.flags, properties, body, tooLarge, sinkError: undefined }
}

export function truncated(number: number): Error {
  return blipErrors.create('ERR_BLIP_TRUNCATED', `Message ${number} ended before its properties`)
}

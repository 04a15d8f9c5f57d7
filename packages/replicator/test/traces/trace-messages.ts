import { FrameDecoder, MORE_COMING, PropertiesParser } from '@kithmesh/blip/wire'
import type { TraceConnection, TraceFrame } from './trace-file.ts'

/** A message of a recording, decoded by us, whole. */
export interface TraceMessage {
  readonly direction: 'A>B' | 'B>A'
  readonly number: number
  readonly type: 'REQ' | 'RES' | 'ERR'
  readonly urgent: boolean
  readonly noReply: boolean
  readonly properties: Readonly<Record<string, string>>
  readonly body: Buffer
  readonly frames: number
  /** The recording's frame that completed it. */
  readonly lastFrame: TraceFrame
}

/** The messages of a recorded connection in the order in which they were complete; acknowledgements are left out. */
export function decodeTraceMessages(connection: TraceConnection): TraceMessage[] {
  const decoders = { 'A>B': new FrameDecoder(), 'B>A': new FrameDecoder() }
  const open = new Map<
    string,
    { parser: PropertiesParser; properties: Record<string, string> | undefined; pieces: Buffer[]; frames: number }
  >()
  const messages: TraceMessage[] = []
  for (const entry of connection.entries) {
    if (entry.kind !== 'frame') continue
    const { direction, number, type } = entry
    const frame = decoders[direction].decode(Buffer.from(entry.bytes))
    if (type === 'ACKREQ' || type === 'ACKRES') continue
    const key = `${direction} ${type} ${number}`
    const message = open.get(key) ?? { parser: new PropertiesParser(), properties: undefined, pieces: [], frames: 0 }
    open.set(key, message)
    message.frames++
    let { start } = frame
    if (message.properties === undefined) {
      const parsed = message.parser.push(frame.content, start, frame.end)
      start = parsed?.next ?? frame.end
      message.properties = parsed?.properties
    }
    message.pieces.push(frame.content.subarray(start, frame.end))
    if ((frame.flags & MORE_COMING) !== 0) continue
    open.delete(key)
    if (message.properties === undefined) throw new Error(`${key} ended before its properties`)
    messages.push({
      direction,
      number,
      type,
      urgent: entry.urgent,
      noReply: entry.noReply,
      properties: message.properties,
      body: Buffer.concat(message.pieces),
      frames: message.frames,
      lastFrame: entry
    })
  }
  if (open.size > 0) throw new Error(`Messages without an end: ${[...open.keys()].join(', ')}`)
  for (const decoder of Object.values(decoders)) decoder.close()
  return messages
}

/**
 * The frames themselves, for recorders, dissectors and tests: what a connection does with them is not here.
 *
 * @example
 * ```ts
 * import { FrameDecoder, FrameEncoder, PropertiesParser, REQUEST, propertiesBlock } from '@kithmesh/blip/wire'
 *
 * // One encoder and one decoder for each direction of a connection: checksums and compression run on from frame to frame.
 * const body = Buffer.from('{"hello":"world"}')
 * const bytes = new FrameEncoder().encode(1, REQUEST, propertiesBlock('greeting', { from: 'me' }), body)
 *
 * const { number, content, start, end } = new FrameDecoder().decode(bytes)
 * const { properties, next } = new PropertiesParser().push(content, start, end)!
 * console.log(number, properties['Profile'], content.toString('utf8', next, end))
 * ```
 *
 * @packageDocumentation
 */
export type { Crc32 } from './checksum.ts'
export type { SyncZlib, SyncZlibFactory } from './deflate.ts'
export { ACK_REQUEST, ACK_RESPONSE, COMPRESSED, ERROR, MORE_COMING, NO_REPLY, REQUEST, RESPONSE, TYPE_MASK, URGENT } from './frame.ts'
export { FrameDecoder } from './frame-decoder.ts'
export type { DecodedFrame, FrameDecoderOptions } from './frame-decoder.ts'
export { FrameEncoder } from './frame-encoder.ts'
export type { FrameEncoderOptions } from './frame-encoder.ts'
export { PropertiesParser, parseProperties, propertiesBlock } from './properties.ts'
export { readVarint } from './varint.ts'
export type { Cursor } from './varint.ts'

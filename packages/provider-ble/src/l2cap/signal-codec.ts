/** The channel on which L2CAP commands travel over LE (Core Specification, vol. 3, part A, §2.1). */
export const SIGNALLING_CID = 0x0005

/** Reasons of a Command Reject (§4.1). */
export const REJECT_NOT_UNDERSTOOD = 0x0000
export const REJECT_INVALID_CID = 0x0002

const HEADER_BYTES = 4
const COMMAND_REJECT = 0x01
const DISCONNECTION_REQUEST = 0x06
const DISCONNECTION_RESPONSE = 0x07
const PARAMETER_UPDATE_REQUEST = 0x12
const PARAMETER_UPDATE_RESPONSE = 0x13
const CONNECTION_REQUEST = 0x14
const CONNECTION_RESPONSE = 0x15
const FLOW_CONTROL_CREDIT = 0x16
/** Codes of answers to commands that are not spoken here: an answer is never rejected. */
const OTHER_RESPONSES = new Set([0x03, 0x05, 0x09, 0x0b, 0x0d, 0x0f, 0x11, 0x18, 0x1a])

/** A command of LE credit-based channels (Core Specification, vol. 3, part A, §4.1, §4.6, §4.7, §4.22–4.24). All numbers have 16 bits. */
export type Signal =
  | {
      readonly kind: 'reject'
      readonly reason: number /** With {@link REJECT_INVALID_CID}. */
      readonly cids?: readonly [local: number, remote: number]
    }
  | {
      readonly kind: 'connectionRequest'
      readonly psm: number
      readonly scid: number
      readonly mtu: number
      readonly mps: number
      readonly credits: number
    }
  | {
      readonly kind: 'connectionResponse'
      readonly dcid: number
      readonly mtu: number
      readonly mps: number
      readonly credits: number
      readonly result: number
    }
  /** `cid` is the sender's own end of the channel. */
  | { readonly kind: 'credit'; readonly cid: number; readonly credits: number }
  | { readonly kind: 'disconnectionRequest'; readonly dcid: number; readonly scid: number }
  | { readonly kind: 'disconnectionResponse'; readonly dcid: number; readonly scid: number }

/** A command with its identifier, which is never 0 and comes back in the answer. */
export interface SignalPacket {
  readonly identifier: number
  readonly signal: Signal
}

export type DecodedSignal =
  | SignalPacket
  /** Connection Parameter Update: the business of others. */
  | { readonly signal: 'parameterUpdate' }
  /** To be answered with a Command Reject. */
  | { readonly signal: 'unknown'; readonly identifier: number }
  /** To be ignored: no identifier to answer to, or an answer itself. */
  | { readonly signal: 'ignored' }

const IGNORED: DecodedSignal = { signal: 'ignored' }

/** What a frame on {@link SIGNALLING_CID} says. There is exactly one command in it (§4). Never throws. */
export function decodeSignal(frame: Buffer): DecodedSignal {
  if (frame.length < HEADER_BYTES) return IGNORED
  const code = frame[0] as number
  const identifier = frame[1] as number
  if (code === PARAMETER_UPDATE_REQUEST || code === PARAMETER_UPDATE_RESPONSE) return { signal: 'parameterUpdate' }
  if (identifier === 0 || OTHER_RESPONSES.has(code)) return IGNORED
  const signal = frame.length === HEADER_BYTES + frame.readUInt16LE(2) ? decodeBody(code, frame) : undefined
  if (signal !== undefined) return { identifier, signal }
  const answer = code === COMMAND_REJECT || code === DISCONNECTION_RESPONSE || code === CONNECTION_RESPONSE
  return answer ? IGNORED : { signal: 'unknown', identifier }
}

function decodeBody(code: number, frame: Buffer): Signal | undefined {
  const word = (index: number): number => frame.readUInt16LE(HEADER_BYTES + 2 * index)
  const words = (frame.length - HEADER_BYTES) / 2
  if (code === FLOW_CONTROL_CREDIT && words === 2) return { kind: 'credit', cid: word(0), credits: word(1) }
  if (code === CONNECTION_REQUEST && words === 5)
    return { kind: 'connectionRequest', psm: word(0), scid: word(1), mtu: word(2), mps: word(3), credits: word(4) }
  if (code === CONNECTION_RESPONSE && words === 5)
    return { kind: 'connectionResponse', dcid: word(0), mtu: word(1), mps: word(2), credits: word(3), result: word(4) }
  if (code === DISCONNECTION_REQUEST && words === 2) return { kind: 'disconnectionRequest', dcid: word(0), scid: word(1) }
  if (code === DISCONNECTION_RESPONSE && words === 2) return { kind: 'disconnectionResponse', dcid: word(0), scid: word(1) }
  if (code !== COMMAND_REJECT || words < 1) return undefined
  const reason = word(0)
  return reason === REJECT_INVALID_CID && words === 3 ? { kind: 'reject', reason, cids: [word(1), word(2)] } : { kind: 'reject', reason }
}

/** The frame for {@link SIGNALLING_CID}. */
export function encodeSignal({ identifier, signal }: SignalPacket): Buffer {
  switch (signal.kind) {
    case 'reject':
      return command(COMMAND_REJECT, identifier, [signal.reason, ...(signal.cids ?? [])])
    case 'connectionRequest':
      return command(CONNECTION_REQUEST, identifier, [signal.psm, signal.scid, signal.mtu, signal.mps, signal.credits])
    case 'connectionResponse':
      return command(CONNECTION_RESPONSE, identifier, [signal.dcid, signal.mtu, signal.mps, signal.credits, signal.result])
    case 'credit':
      return command(FLOW_CONTROL_CREDIT, identifier, [signal.cid, signal.credits])
    case 'disconnectionRequest':
      return command(DISCONNECTION_REQUEST, identifier, [signal.dcid, signal.scid])
    case 'disconnectionResponse':
      return command(DISCONNECTION_RESPONSE, identifier, [signal.dcid, signal.scid])
  }
}

function command(code: number, identifier: number, words: readonly number[]): Buffer {
  const frame = Buffer.allocUnsafe(HEADER_BYTES + 2 * words.length)
  frame[0] = code
  frame[1] = identifier
  frame.writeUInt16LE(2 * words.length, 2)
  for (const [index, word] of words.entries()) frame.writeUInt16LE(word, HEADER_BYTES + 2 * index)
  return frame
}

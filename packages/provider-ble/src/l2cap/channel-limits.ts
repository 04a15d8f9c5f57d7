import { checkInteger } from '@kithmesh/core/plugin'

/** The least MTU and MPS that may be offered (Core Specification, vol. 3, part A, §4.22). */
export const MIN_MTU = 23
/** Channel identifiers of one's own choice over LE (§2.1): so many channels there can be on a link. */
export const FIRST_CID = 0x0040
export const LAST_CID = 0x007f
const CIDS = LAST_CID - FIRST_CID + 1

/** What the channels of one link may use. */
export interface ChannelLimits {
  /** The largest SDU accepted: 23–65,535 bytes. @default 2048 */
  readonly mtu: number
  /** The largest frame accepted: 23–65,533 bytes. The default fits one packet of 251 bytes on the air. @default 247 */
  readonly mps: number
  /** Frames that the other side may send before they were read: 1–65,535. Times `mps`, and one SDU, is the bound of what waits to be read. @default 64 */
  readonly credits: number
  /** Channels at a time, whoever opened them: 1–64. @default 64 */
  readonly channels: number
  /** Channels being opened by this side at a time, those given up but not yet answered included. @default 32 */
  readonly pendingOpens: number
  /** For the other side to answer a request for a channel (RTX timer, §6.2.1). @default 5000 */
  readonly openMs: number
  /** For the other side to confirm the end of a channel. @default 5000 */
  readonly disconnectMs: number
  /** For a reader to see the end of a channel, before what was still to be written fails and with it the stream. @default 30000 */
  readonly lingerMs: number
  /** Frames in the carrier's queue at which channels wait for their turn. @default 32 */
  readonly queuedFrames: number
}

const defaultChannelLimits: ChannelLimits = {
  mtu: 2048,
  mps: 247,
  credits: 64,
  channels: CIDS,
  pendingOpens: 32,
  openMs: 5_000,
  disconnectMs: 5_000,
  lingerMs: 30_000,
  queuedFrames: 32
}

/** The defaults with changes. @throws TypeError for what makes no sense */
export function channelLimits(changes: Partial<ChannelLimits> = {}): ChannelLimits {
  const limits = { ...defaultChannelLimits, ...changes }
  const check = (name: keyof ChannelLimits, least: number, most: number): number => checkInteger(name, limits[name], least, most)
  check('mtu', MIN_MTU, 65_535)
  check('mps', MIN_MTU, 65_533)
  check('credits', 1, 65_535)
  check('channels', 1, CIDS)
  check('pendingOpens', 1, CIDS)
  check('openMs', 1, 300_000)
  check('disconnectMs', 1, 300_000)
  check('lingerMs', 1, 300_000)
  check('queuedFrames', 1, 65_535)
  return limits
}

import { hasFeature } from './initialise.ts'
import { OP } from './opcodes.ts'
import { commandPacket } from './packet-codec.ts'

/** Octets and time of the longest packets on the air (Core Specification, vol. 6, part B, §4.5.10). */
const LONGEST = { octets: 251, time: 2120 } as const
const PHY_2M = 2

/**
 * The commands that make a new link fast: the longest packets, asked for by both sides, and the 2M radio, by the central alone as both at once
 * would collide. What the other side cannot do stays as it was.
 */
export function tuning(link: { readonly handle: number; readonly role: 'central' | 'peripheral' }, features: Buffer): Buffer[] {
  const handle = [link.handle & 0xff, link.handle >> 8]
  const commands: Buffer[] = []
  if (hasFeature(features, 'dataLengthExtension')) {
    const { octets, time } = LONGEST
    commands.push(commandPacket(OP.leSetDataLength, Buffer.from([...handle, octets, 0, time & 0xff, time >> 8])))
  }
  if (link.role === 'central' && hasFeature(features, 'phy2M')) {
    commands.push(commandPacket(OP.leSetPhy, Buffer.from([...handle, 0, PHY_2M, PHY_2M, 0, 0])))
  }
  return commands
}

import { randomBytes } from 'node:crypto'
import { bleErrors } from '../errors.ts'
import type { CommandResult } from './command-queue.ts'
import type { BleAddress } from './hci-host.ts'
import { OP, STATUS } from './opcodes.ts'
import { addressId } from './packet-codec.ts'

/** What is known of a controller once it was initialised. */
export interface ControllerInfo {
  readonly address: BleAddress
  /** The address as packets carry it, least significant byte first. */
  readonly addressBytes: Buffer
  /** Return parameters of Read Local Version Information, without the status. */
  readonly version: Buffer
  /** Eight bytes of LE features; zeros when the controller did not tell. */
  readonly features: Buffer
  /** The longest data of one ACL packet, and how many packets the controller holds. */
  readonly aclBytes: number
  readonly aclPackets: number
  /** Event masks that were set; undefined where they are the kernel's. */
  readonly eventMask: Buffer | undefined
  readonly leEventMask: Buffer | undefined
}

/** Sends a command and waits for its answer. Rejects when the controller does not answer in time or is gone. */
export type Request = (opcode: number, parameters?: Uint8Array) => Promise<CommandResult>

/** Bits of the LE features (Core Specification, vol. 6, part B, §4.6). */
const FEATURE = { dataLengthExtension: 5, phy2M: 8, codedPhy: 11, extendedAdvertising: 12 } as const

export function hasFeature(features: Buffer, feature: keyof typeof FEATURE): boolean {
  const bit = FEATURE[feature]
  return ((features[bit >> 3] ?? 0) & (1 << (bit & 7))) !== 0
}

/** Features that the libraries may know of: they get legacy advertising, which all of them speak, and links that are tuned for them. */
export function featuresForLibraries(features: Buffer): Buffer {
  const told = Buffer.from(features)
  for (const bit of [FEATURE.dataLengthExtension, FEATURE.codedPhy, FEATURE.extendedAdvertising]) told[bit >> 3]! &= ~(1 << (bit & 7))
  return told
}

/** Everything that the libraries ask for as well, LE Meta among it. */
const EVENT_MASK = Buffer.from('fffffbff07f8bf3d', 'hex')
/** Subevents 01–05 and 07. Data length changes are not in the oldest specification, see below. */
const LE_EVENT_MASK = Buffer.from('5f00000000000000', 'hex')
const OLD_LE_EVENT_MASK = Buffer.from('1f00000000000000', 'hex')
/** Bluetooth 4.0. */
const OLDEST_VERSION = 0x06
/** Every controller takes that (vol. 4, part E, §7.8.2; vol. 6, part B, §2.4). */
const LEAST_ACL = { bytes: 27, packets: 1 }

/**
 * Brings a controller into a known state, or only asks what it is where a kernel uses it as well.
 * @param dedicated it is ours alone: it may be reset
 * @throws ERR_BLE_ADAPTER_FAILED, ERR_BLE_UNSUPPORTED
 */
export async function initialise(request: Request, dedicated: boolean): Promise<ControllerInfo> {
  if (dedicated) demand(await request(OP.reset), 'reset', 0)
  const version = Buffer.from(demand(await request(OP.readLocalVersion), 'tell its version', 8))
  if (version[0]! < OLDEST_VERSION) {
    throw bleErrors.create('ERR_BLE_UNSUPPORTED', 'The adapter is older than Bluetooth 4.0 and knows no Bluetooth LE')
  }
  const features = await readFeatures(request)
  const masks = dedicated ? await setMasks(request) : { eventMask: undefined, leEventMask: undefined }
  // Controllers for LE only do not know it.
  if (dedicated) await request(OP.writeLeHostSupport, Buffer.from([1, 0]))
  const { bytes, packets } = await readBuffers(request)
  const own = await readAddress(request, dedicated)
  return { ...own, ...masks, version, features, aclBytes: bytes, aclPackets: packets }
}

async function readFeatures(request: Request): Promise<Buffer> {
  const { status, result } = await request(OP.leReadLocalFeatures)
  return status === STATUS.success && result.length >= 8 ? Buffer.from(result.subarray(0, 8)) : Buffer.alloc(8)
}

async function setMasks(request: Request): Promise<{ eventMask: Buffer; leEventMask: Buffer }> {
  demand(await request(OP.setEventMask, EVENT_MASK), 'set its event mask', 0)
  if ((await request(OP.leSetEventMask, LE_EVENT_MASK)).status === STATUS.success) {
    return { eventMask: EVENT_MASK, leEventMask: LE_EVENT_MASK }
  }
  demand(await request(OP.leSetEventMask, OLD_LE_EVENT_MASK), 'set its LE event mask', 0)
  return { eventMask: EVENT_MASK, leEventMask: OLD_LE_EVENT_MASK }
}

/** Buffers for LE, or where there are none of its own those for all links (vol. 4, part E, §7.8.2). */
async function readBuffers(request: Request): Promise<{ bytes: number; packets: number }> {
  const le = await request(OP.leReadBufferSize)
  if (le.status === STATUS.success && le.result.length >= 3) {
    const bytes = le.result.readUInt16LE(0)
    const packets = le.result[2]!
    if (bytes > 0 && packets > 0) return { bytes: Math.max(bytes, LEAST_ACL.bytes), packets }
  }
  const all = await request(OP.readBufferSize)
  if (all.status === STATUS.success && all.result.length >= 7) {
    const bytes = all.result.readUInt16LE(0)
    const packets = all.result.readUInt16LE(3)
    if (bytes > 0 && packets > 0) return { bytes: Math.max(bytes, LEAST_ACL.bytes), packets }
  }
  return LEAST_ACL
}

/** The public address, or a static random one for a controller that has none (vol. 6, part B, §1.3.2.1). */
async function readAddress(request: Request, dedicated: boolean): Promise<{ address: BleAddress; addressBytes: Buffer }> {
  const { status, result } = await request(OP.readBdAddr)
  const bytes = status === STATUS.success && result.length >= 6 ? Buffer.from(result.subarray(0, 6)) : Buffer.alloc(6)
  if (bytes.some((byte) => byte !== 0)) return { address: { id: addressId(bytes), type: 'public' }, addressBytes: bytes }
  if (!dedicated) throw bleErrors.create('ERR_BLE_ADAPTER_FAILED', 'The adapter has no address')
  const random = randomBytes(6)
  random[5]! |= 0xc0
  demand(await request(OP.leSetRandomAddress, random), 'take a random address', 0)
  return { address: { id: addressId(random), type: 'random' }, addressBytes: random }
}

function demand({ status, result }: CommandResult, what: string, bytes: number): Buffer {
  if (status !== STATUS.success || result.length < bytes) {
    throw bleErrors.create('ERR_BLE_ADAPTER_FAILED', `The adapter could not ${what}: status 0x${status.toString(16)}`, {
      details: { status }
    })
  }
  return result
}

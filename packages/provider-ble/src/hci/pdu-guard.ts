import { LONGEST_VALUE } from '../gatt/longest-value.ts'
import { CID, SIGNAL } from './opcodes.ts'

/** What to do with a PDU: hand it on, drop it silently, or cut the link of who sent it, with the rule it broke. */
export type Verdict = 'deliver' | 'drop' | { readonly violation: string }

/** The lengths an ATT PDU may have: from, to, and in which steps it grows from the first. */
interface Shape {
  readonly name: string
  readonly from: number
  readonly to: number
}

/** The longest ATT PDU that can follow an MTU of 517, the most that any implementation offers; ours is smaller (vol. 3, part F, §3.2.9). */
const MOST = 517

const exactly = (name: string, bytes: number): Shape => ({ name, from: bytes, to: bytes })
const atLeast = (name: string, bytes: number): Shape => ({ name, from: bytes, to: MOST })

/** What a client sends: requests, commands and the confirmation (vol. 3, part F, §3.4). */
const TO_SERVER = new Map<number, Shape>([
  [0x02, exactly('Exchange MTU Request', 3)],
  [0x04, exactly('Find Information Request', 5)],
  [0x06, atLeast('Find By Type Value Request', 7)],
  [0x08, { name: 'Read By Type Request', from: 7, to: 21 }],
  [0x0a, exactly('Read Request', 3)],
  [0x0c, exactly('Read Blob Request', 5)],
  [0x0e, atLeast('Read Multiple Request', 5)],
  [0x10, { name: 'Read By Group Type Request', from: 7, to: 21 }],
  [0x12, atLeast('Write Request', 3)],
  [0x16, atLeast('Prepare Write Request', 5)],
  [0x18, exactly('Execute Write Request', 2)],
  [0x1e, exactly('Handle Value Confirmation', 1)],
  [0x20, atLeast('Read Multiple Variable Request', 5)],
  [0x52, atLeast('Write Command', 3)]
])

/** What a server sends. */
const TO_CLIENT = new Map<number, Shape>([
  [0x01, exactly('Error Response', 5)],
  [0x03, exactly('Exchange MTU Response', 3)],
  [0x05, atLeast('Find Information Response', 6)],
  [0x07, atLeast('Find By Type Value Response', 5)],
  [0x09, atLeast('Read By Type Response', 4)],
  [0x0b, atLeast('Read Response', 1)],
  [0x0d, atLeast('Read Blob Response', 1)],
  [0x0f, atLeast('Read Multiple Response', 1)],
  [0x11, atLeast('Read By Group Type Response', 6)],
  [0x13, exactly('Write Response', 1)],
  [0x17, atLeast('Prepare Write Response', 5)],
  [0x19, exactly('Execute Write Response', 1)],
  [0x1b, atLeast('Handle Value Notification', 3)],
  [0x1d, atLeast('Handle Value Indication', 3)]
])

/** Whether an ATT PDU comes from a client: its method is even (vol. 3, part F, §3.3.1). */
export function isToServer(opcode: number): boolean {
  return (opcode & 0x01) === 0
}

/** Judges an ATT PDU by its form alone: what passes has every field that its opcode says it has. */
function judgeAtt(pdu: Buffer): Verdict {
  const opcode = pdu[0]
  if (opcode === undefined) return { violation: 'empty ATT PDU' }
  const shape = (isToServer(opcode) ? TO_SERVER : TO_CLIENT).get(opcode)
  if (shape === undefined) {
    // A request that is not known is answered as not supported by the library; commands and responses that are not known are ignored.
    return isToServer(opcode) && (opcode & 0x40) === 0 ? 'deliver' : 'drop'
  }
  if (pdu.length < shape.from || pdu.length > shape.to) return { violation: `${shape.name} of ${pdu.length} bytes` }
  return fieldsOf(opcode, shape, pdu)
}

function fieldsOf(opcode: number, { name }: Shape, pdu: Buffer): Verdict {
  switch (opcode) {
    case 0x08:
    case 0x10:
      // A type is a UUID of 2 or 16 bytes.
      return pdu.length === 7 || pdu.length === 21 ? 'deliver' : { violation: `${name} of ${pdu.length} bytes` }
    case 0x05: {
      const entry = pdu[1] === 1 ? 4 : pdu[1] === 2 ? 18 : 0
      return wholeEntries(name, pdu.length - 2, entry)
    }
    case 0x07:
      return wholeEntries(name, pdu.length - 1, 4)
    case 0x09:
      return wholeEntries(name, pdu.length - 2, pdu[1]! >= 2 ? pdu[1]! : 0)
    case 0x11:
      return wholeEntries(name, pdu.length - 2, pdu[1]! === 6 || pdu[1]! === 20 ? pdu[1]! : 0)
    case 0x16:
      return pdu.readUInt16LE(3) + pdu.length - 5 <= LONGEST_VALUE ? 'deliver' : { violation: 'prepared write beyond the longest value' }
    default:
      return 'deliver'
  }
}

function wholeEntries(name: string, bytes: number, entry: number): Verdict {
  return entry > 0 && bytes >= entry && bytes % entry === 0 ? 'deliver' : { violation: `${name} whose entries do not fit` }
}

/** Lengths of the security manager's commands (vol. 3, part H, §3.3). */
const SMP_LENGTHS = [0, 7, 7, 17, 17, 2, 17, 11, 17, 8, 17, 2, 65, 17, 2]

/** Judges a security manager PDU. */
function judgeSmp(pdu: Buffer): Verdict {
  const code = pdu[0]
  if (code === undefined) return { violation: 'empty security manager PDU' }
  const length = SMP_LENGTHS[code]
  if (length === undefined || length === 0) return 'drop'
  return pdu.length === length ? 'deliver' : { violation: `security manager command ${code} of ${pdu.length} bytes` }
}

/** Judges a signalling PDU of the codes that the libraries are given; the length of others is for the channels to judge. */
function judgeSignal(pdu: Buffer): Verdict {
  if (pdu.length < 4) return { violation: `signalling PDU of ${pdu.length} bytes` }
  if (pdu.readUInt16LE(2) !== pdu.length - 4) return { violation: 'signalling PDU of another length than it declares' }
  if (pdu[0] === SIGNAL.parameterUpdateRequest && pdu.length !== 12)
    return { violation: 'Connection Parameter Update Request of a wrong length' }
  if (pdu[0] === SIGNAL.parameterUpdateResponse && pdu.length !== 6)
    return { violation: 'Connection Parameter Update Response of a wrong length' }
  return 'deliver'
}

/** The PDUs of one link, of all fixed channels. */
export function judge(cid: number, pdu: Buffer): Verdict {
  if (cid === CID.att) return judgeAtt(pdu)
  if (cid === CID.smp) return judgeSmp(pdu)
  return judgeSignal(pdu)
}

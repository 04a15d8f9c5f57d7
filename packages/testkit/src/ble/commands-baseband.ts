import { LE_FEATURES, Status, VERSION } from './codes.ts'
import type { Command } from './commands.ts'

const nothing = (): number => Status.success

/** Commands about the controller as a whole. */
export function basebandCommands(supported: () => Uint8Array): readonly Command[] {
  return [
    // Set Event Mask
    {
      opcode: 0x0c01,
      length: 8,
      bit: [5, 6],
      complete: ({ outbox }, parameters) => {
        if (outbox !== undefined) outbox.eventMask = parameters.readBigUInt64LE(0)
        return Status.success
      }
    },
    // Reset
    {
      opcode: 0x0c03,
      length: 0,
      bit: [5, 7],
      complete: (controller) => {
        controller.reset()
        if (controller.outbox !== undefined) controller.outbox.unanswered = 1
        return Status.success
      }
    },
    // Set Event Mask Page 2
    { opcode: 0x0c63, length: 8, bit: [22, 2], complete: nothing },
    // Read LE Host Support: supported, and the bit that is no longer used
    { opcode: 0x0c6c, length: 0, bit: [24, 5], complete: () => Uint8Array.of(Status.success, 1, 0) },
    // Write LE Host Support
    { opcode: 0x0c6d, length: 2, bit: [24, 6], complete: nothing },
    // Read Local Version Information
    {
      opcode: 0x1001,
      length: 0,
      bit: [14, 3],
      complete: () => {
        const returned = Buffer.alloc(9)
        returned[1] = VERSION.hci
        returned[4] = VERSION.link
        returned.writeUInt16LE(VERSION.company, 5)
        return returned
      }
    },
    // Read Local Supported Commands
    { opcode: 0x1002, length: 0, bit: [14, 4], complete: () => Buffer.concat([Uint8Array.of(Status.success), supported()]) },
    // Read Local Supported Features: LE Supported, BR/EDR Not Supported
    { opcode: 0x1003, length: 0, bit: [14, 5], complete: () => Uint8Array.of(Status.success, 0, 0, 0, 0, 0x60, 0, 0, 0) },
    // Read Buffer Size: ACL length and count, and none for voice
    {
      opcode: 0x1005,
      length: 0,
      bit: [14, 7],
      complete: ({ aclLength, aclCount }) => {
        const returned = Buffer.alloc(8)
        returned.writeUInt16LE(aclLength, 1)
        returned.writeUInt16LE(aclCount, 4)
        return returned
      }
    },
    // Read BD_ADDR: zero where there is no public address would be the rule, but hosts are to find out who they are
    {
      opcode: 0x1009,
      length: 0,
      bit: [15, 1],
      complete: ({ address }) => Buffer.concat([Uint8Array.of(Status.success), address.bytes])
    },
    // LE Set Event Mask
    {
      opcode: 0x2001,
      length: 8,
      bit: [25, 0],
      complete: ({ outbox }, parameters) => {
        if (outbox !== undefined) outbox.leEventMask = parameters.readBigUInt64LE(0)
        return Status.success
      }
    },
    // LE Read Buffer Size
    {
      opcode: 0x2002,
      length: 0,
      bit: [25, 1],
      complete: ({ aclLength, aclCount, sharedBuffers }) => {
        const returned = Buffer.alloc(4)
        if (!sharedBuffers) {
          returned.writeUInt16LE(aclLength, 1)
          returned[3] = aclCount
        }
        return returned
      }
    },
    // LE Read Local Supported Features
    { opcode: 0x2003, length: 0, bit: [25, 2], complete: () => Buffer.concat([Uint8Array.of(Status.success), LE_FEATURES]) },
    // LE Read Supported States: all that are defined
    {
      opcode: 0x201c,
      length: 0,
      bit: [28, 3],
      complete: () => Uint8Array.of(Status.success, 0xff, 0xff, 0xff, 0xff, 0xff, 0x03, 0, 0)
    },
    // LE Clear Resolving List and LE Set Address Resolution Enable, which some hosts send first of all
    { opcode: 0x2029, length: 0, bit: [34, 5], complete: nothing },
    { opcode: 0x202d, length: 1, bit: [35, 1], complete: nothing }
  ]
}

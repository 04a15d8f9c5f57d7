import { createCipheriv } from 'node:crypto'
import { DataLength, Status } from './codes.ts'
import type { Command } from './commands.ts'
import { readAddress, addressOfBytes, sameAddress } from './device-address.ts'
import { airTime } from './events.ts'

const ACCEPT_LIST_SIZE = 16

/** Commands about advertising, scanning, connecting, and what else does not concern one link. */
export const leCommands: readonly Command[] = [
  // LE Set Random Address
  {
    opcode: 0x2005,
    length: 6,
    bit: [25, 4],
    complete: (controller, parameters) => {
      if (controller.advertising || controller.scanning || controller.initiator.pending) return Status.disallowed
      controller.randomAddress = addressOfBytes(Buffer.from(parameters), 'random')
      return Status.success
    }
  },
  // LE Set Advertising Parameters
  { opcode: 0x2006, length: 15, bit: [25, 5], complete: ({ advertiser }, parameters) => advertiser.setParameters(parameters) },
  // LE Read Advertising Physical Channel Tx Power
  { opcode: 0x2007, length: 0, bit: [25, 6], complete: () => Uint8Array.of(Status.success, 0) },
  // LE Set Advertising Data
  { opcode: 0x2008, length: 32, bit: [25, 7], complete: ({ advertiser }, parameters) => advertiser.setData('data', parameters) },
  // LE Set Scan Response Data
  { opcode: 0x2009, length: 32, bit: [26, 0], complete: ({ advertiser }, parameters) => advertiser.setData('scanResponse', parameters) },
  // LE Set Advertising Enable
  {
    opcode: 0x200a,
    length: 1,
    bit: [26, 1],
    complete: ({ advertiser }, [on]) => ((on as number) > 1 ? Status.invalidParameters : advertiser.enable(on === 1))
  },
  // LE Set Scan Parameters
  { opcode: 0x200b, length: 7, bit: [26, 2], complete: ({ scanner }, parameters) => scanner.setParameters(parameters) },
  // LE Set Scan Enable
  {
    opcode: 0x200c,
    length: 2,
    bit: [26, 3],
    complete: ({ scanner }, [on, filter]) =>
      (on as number) > 1 || (filter as number) > 1 ? Status.invalidParameters : scanner.enable(on === 1, filter === 1)
  },
  // LE Create Connection
  { opcode: 0x200d, length: 25, bit: [26, 4], status: ({ initiator }, parameters) => initiator.create(parameters) },
  // LE Create Connection Cancel
  {
    opcode: 0x200e,
    length: 0,
    bit: [26, 5],
    complete: ({ initiator }) => {
      const result = initiator.cancel()
      return typeof result === 'number' ? result : { returned: Uint8Array.of(Status.success), afterwards: result }
    }
  },
  // LE Read Filter Accept List Size
  { opcode: 0x200f, length: 0, bit: [26, 6], complete: () => Uint8Array.of(Status.success, ACCEPT_LIST_SIZE) },
  // LE Clear Filter Accept List
  {
    opcode: 0x2010,
    length: 0,
    bit: [26, 7],
    complete: ({ acceptList, initiator }) => {
      if (initiator.pending) return Status.disallowed
      acceptList.length = 0
      return Status.success
    }
  },
  // LE Add Device To Filter Accept List
  {
    opcode: 0x2011,
    length: 7,
    bit: [27, 0],
    complete: (controller, parameters) => {
      if (controller.initiator.pending) return Status.disallowed
      if (controller.acceptList.length >= ACCEPT_LIST_SIZE) return 0x07
      const address = readAddress(parameters, 0)
      if (!controller.accepts(address)) controller.acceptList.push(address)
      return Status.success
    }
  },
  // LE Remove Device From Filter Accept List
  {
    opcode: 0x2012,
    length: 7,
    bit: [27, 1],
    complete: ({ acceptList, initiator }, parameters) => {
      if (initiator.pending) return Status.disallowed
      const address = readAddress(parameters, 0)
      const index = acceptList.findIndex((known) => sameAddress(known, address))
      if (index >= 0) acceptList.splice(index, 1)
      return Status.success
    }
  },
  // LE Encrypt: AES-128 of one block; key and block have the least significant byte first
  {
    opcode: 0x2017,
    length: 32,
    bit: [27, 6],
    complete: (_controller, parameters) => {
      const cipher = createCipheriv('aes-128-ecb', Buffer.from(parameters.subarray(0, 16)).reverse(), null).setAutoPadding(false)
      const block = cipher.update(Buffer.from(parameters.subarray(16)).reverse())
      return Buffer.concat([Uint8Array.of(Status.success), block.reverse()])
    }
  },
  // LE Rand
  {
    opcode: 0x2018,
    length: 0,
    bit: [27, 7],
    complete: ({ medium }) =>
      Uint8Array.from({ length: 9 }, (_, index) => (index === 0 ? Status.success : Math.floor(medium.random() * 256)))
  },
  // LE Read Suggested Default Data Length
  {
    opcode: 0x2023,
    length: 0,
    bit: [33, 7],
    complete: ({ suggestedOctets }) => {
      const returned = Buffer.alloc(5)
      returned.writeUInt16LE(suggestedOctets, 1)
      returned.writeUInt16LE(airTime(suggestedOctets), 3)
      return returned
    }
  },
  // LE Write Suggested Default Data Length
  {
    opcode: 0x2024,
    length: 4,
    bit: [34, 0],
    complete: (controller, parameters) => {
      const octets = parameters.readUInt16LE(0)
      if (octets < DataLength.least || octets > DataLength.most) return Status.invalidParameters
      controller.suggestedOctets = octets
      return Status.success
    }
  },
  // LE Read Maximum Data Length
  {
    opcode: 0x202f,
    length: 0,
    bit: [35, 3],
    complete: () => {
      const returned = Buffer.alloc(9)
      for (const at of [1, 5]) {
        returned.writeUInt16LE(DataLength.most, at)
        returned.writeUInt16LE(DataLength.mostTime, at + 2)
      }
      return returned
    }
  },
  // LE Set Default PHY
  { opcode: 0x2031, length: 3, bit: [35, 5], complete: () => Status.success }
]

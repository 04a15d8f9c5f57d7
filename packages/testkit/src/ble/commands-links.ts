import { DataLength, Event, LE_FEATURES, Status, VERSION, disconnectReasons } from './codes.ts'
import type { AndThen, Command } from './commands.ts'
import type { Controller } from './controller.ts'
import { dataLengthChange, encryptionChange, eventPacket, longTermKeyRequest, phyUpdate, remoteFeatures } from './events.ts'
import { readLinkParameters } from './initiator.ts'
import type { LinkEnd } from './link.ts'

/** Runs a command on the link whose handle its parameters begin with, if there is one. */
function onLink<T>(run: (end: LinkEnd, parameters: Buffer, controller: Controller) => T) {
  return (controller: Controller, parameters: Buffer): T | number => {
    const end = controller.linkEnds.get(parameters.readUInt16LE(0) & 0x0fff)
    return end === undefined ? Status.unknownConnection : run(end, parameters, controller)
  }
}

/** As {@link onLink}, for answers that carry the handle as well. */
function onLinkComplete(run: (end: LinkEnd, parameters: Buffer, controller: Controller) => number | Uint8Array | AndThen, extra = 0) {
  return (controller: Controller, parameters: Buffer): Uint8Array | AndThen => {
    const result = onLink(run)(controller, parameters)
    if (typeof result !== 'number') return result
    return Uint8Array.of(result, parameters[0] as number, parameters[1] as number, ...new Uint8Array(extra))
  }
}

/** Status of success and the handle. */
function done({ handle }: LinkEnd, ...more: readonly number[]): Uint8Array {
  return Uint8Array.of(Status.success, handle & 0xff, handle >> 8, ...more)
}

/** Commands about one link. */
export const linkCommands: readonly Command[] = [
  // Disconnect
  {
    opcode: 0x0406,
    length: 3,
    bit: [0, 5],
    status: onLink((end, parameters) => {
      const reason = parameters[2] as number
      if (!disconnectReasons.has(reason)) return Status.invalidParameters
      if (end.terminating !== undefined) return Status.disallowed
      return () => {
        end.link.terminate(end, reason)
      }
    })
  },
  // Read Remote Version Information
  {
    opcode: 0x041d,
    length: 2,
    bit: [2, 7],
    status: onLink(({ handle }, _parameters, { outbox }) => () => {
      const packet = eventPacket(Event.remoteVersion, 8).fill(0, 3)
      packet.writeUInt16LE(handle, 4)
      packet[6] = VERSION.link
      packet.writeUInt16LE(VERSION.company, 7)
      outbox?.event(packet)
    })
  },
  // Read RSSI
  {
    opcode: 0x1405,
    length: 2,
    bit: [15, 5],
    complete: onLinkComplete((end) => {
      const rssi = end.link.medium.propagation.rssi(end.controller, end.other.controller) ?? 127
      return done(end, rssi & 0xff)
    }, 1)
  },
  // LE Connection Update
  {
    opcode: 0x2013,
    length: 14,
    bit: [27, 2],
    status: onLink((end, parameters) => {
      const wanted = readLinkParameters(parameters, 2)
      if (wanted === undefined) return Status.invalidParameters
      // Peripherals may ask for it only with the Connection Parameters Request procedure, which is not among the features.
      if (end.role === 'peripheral') return Status.disallowed
      return () => {
        end.link.update(wanted)
      }
    })
  },
  // LE Read Remote Features
  {
    opcode: 0x2016,
    length: 2,
    bit: [27, 5],
    status: onLink(({ handle }, _parameters, { outbox }) => () => {
      outbox?.event(remoteFeatures(handle, LE_FEATURES))
    })
  },
  // LE Enable Encryption: the peripheral's host is asked for the key
  {
    opcode: 0x2019,
    length: 28,
    bit: [28, 0],
    status: onLink((end, parameters) => {
      if (end.role === 'peripheral') return Status.disallowed
      return () => {
        end.offeredKey = Buffer.from(parameters.subarray(12, 28))
        end.other.controller.outbox?.event(longTermKeyRequest(end.other.handle, parameters.subarray(2, 12)))
      }
    })
  },
  // LE Long Term Key Request Reply
  {
    opcode: 0x201a,
    length: 18,
    bit: [28, 1],
    complete: onLinkComplete((end, parameters) => {
      const { offeredKey } = end.other
      if (end.role === 'central' || offeredKey === undefined) return Status.disallowed
      end.other.offeredKey = undefined
      return {
        returned: done(end),
        afterwards: () => {
          if (offeredKey.equals(parameters.subarray(2))) {
            for (const one of [end, end.other]) {
              one.encrypted = true
              one.controller.outbox?.event(encryptionChange(Status.success, one.handle, true))
            }
          } else end.link.fail(Status.micFailure)
        }
      }
    })
  },
  // LE Long Term Key Request Negative Reply
  {
    opcode: 0x201b,
    length: 2,
    bit: [28, 2],
    complete: onLinkComplete((end) => {
      const central = end.other
      if (end.role === 'central' || central.offeredKey === undefined) return Status.disallowed
      central.offeredKey = undefined
      return {
        returned: done(end),
        afterwards: () => central.controller.outbox?.event(encryptionChange(Status.keyMissing, central.handle, false))
      }
    })
  },
  // LE Set Data Length
  {
    opcode: 0x2022,
    length: 6,
    bit: [33, 6],
    complete: onLinkComplete((end, parameters) => {
      const octets = parameters.readUInt16LE(2)
      const time = parameters.readUInt16LE(4)
      if (octets < DataLength.least || octets > DataLength.most || time < DataLength.leastTime) return Status.invalidParameters
      return {
        returned: done(end),
        afterwards: () => {
          if (end.dataOctets === octets) return
          end.dataOctets = octets
          for (const one of [end, end.other])
            one.controller.outbox?.event(dataLengthChange(one.handle, { sent: one.dataOctets, received: one.other.dataOctets }))
        }
      }
    })
  },
  // LE Read PHY
  { opcode: 0x2030, length: 2, bit: [35, 4], complete: onLinkComplete((end) => done(end, end.phy, end.phy), 2) },
  // LE Set PHY: the fastest of those that the host likes
  {
    opcode: 0x2032,
    length: 7,
    bit: [35, 6],
    status: onLink((end, parameters) => {
      const any = ((parameters[2] as number) & 1) !== 0
      const wanted = any ? 0x03 : (parameters[3] as number)
      if ((wanted & 0x03) === 0) return Status.unsupported
      return () => {
        const phy = (wanted & 0x02) === 0 ? 1 : 2
        const changed = end.phy !== phy
        for (const one of changed ? [end, end.other] : [end]) {
          one.phy = phy
          one.controller.outbox?.event(phyUpdate(one.handle, phy, phy))
        }
      }
    })
  }
]

import type { Clock } from '@kithmesh/core/plugin'
import type { HciLink } from './acl-link.ts'
import { CID, OP, SIGNAL } from './opcodes.ts'
import { commandPacket } from './packet-codec.ts'

/** Milliseconds a library has to answer by itself. */
const LIBRARY_MS = 200

/** Answers that may pile up on a link, as those to other commands of L2CAP. */
const MAX_WAITING_ANSWERS = 256

/** Whether connection parameters are ones that a link may have (Core Specification, vol. 6, part B, §2.4.2.1; vol. 3, part A, §4.20). */
function areSoundParameters(least: number, most: number, latency: number, timeout: number): boolean {
  if (least < 6 || least > most || most > 3200 || latency > 499 || timeout < 10 || timeout > 3200) return false
  // The time-out is longer than two intervals with their latency: 10 ms against 1.25 ms.
  return timeout * 10 > (1 + latency) * most * 1.25 * 2
}

/**
 * Answers Connection Parameter Update Requests of peripherals where the library above does not: noble leaves them to a kernel that is not there
 * when the controller is our own (ble.md §4).
 */
export class ParameterUpdates {
  readonly #clock: Clock
  readonly #update: (packet: Buffer) => void
  readonly #waiting = new Map<HciLink, { readonly identifier: number; readonly cancel: () => void }>()

  constructor(clock: Clock, update: (packet: Buffer) => void) {
    this.#clock = clock
    this.#update = update
  }

  /** `12 identifier length16 least16 most16 latency16 timeout16` came in. */
  requested(link: HciLink, pdu: Buffer): void {
    const identifier = pdu[1]!
    if (link.role === 'peripheral') {
      if (link.queuedFrames > MAX_WAITING_ANSWERS) {
        link.offend('connection parameters asked for without end, by a device that takes no answers')
        return
      }
      link.send(CID.signalling, [Buffer.from([SIGNAL.commandReject, identifier, 2, 0, 0, 0])])
      return
    }
    // One at a time per link: who asks again before the answer has it restarted.
    this.#waiting.get(link)?.cancel()
    const parameters = Buffer.from(pdu.subarray(4, 12))
    const cancel = this.#clock.after(LIBRARY_MS, () => {
      this.#waiting.delete(link)
      if (!link.closed) this.#answer(link, identifier, parameters)
    })
    this.#waiting.set(link, { identifier, cancel })
  }

  /** A library answered. */
  answered(link: HciLink, pdu: Buffer): void {
    const waiting = this.#waiting.get(link)
    if (waiting === undefined || waiting.identifier !== pdu[1]) return
    waiting.cancel()
    this.#waiting.delete(link)
  }

  forget(link: HciLink): void {
    this.#waiting.get(link)?.cancel()
    this.#waiting.delete(link)
  }

  #answer(link: HciLink, identifier: number, parameters: Buffer): void {
    const accepted = areSoundParameters(
      parameters.readUInt16LE(0),
      parameters.readUInt16LE(2),
      parameters.readUInt16LE(4),
      parameters.readUInt16LE(6)
    )
    link.send(CID.signalling, [Buffer.from([SIGNAL.parameterUpdateResponse, identifier, 2, 0, accepted ? 0 : 1, 0])])
    if (!accepted) return
    const handle = Buffer.from([link.handle & 0xff, link.handle >> 8])
    this.#update(commandPacket(OP.leConnectionUpdate, Buffer.concat([handle, parameters, Buffer.alloc(4)])))
  }
}

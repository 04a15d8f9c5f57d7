import type { MemoryCarrier } from './carriers.js'

interface Direction {
  /** Of the receiver: what it said it takes. */
  readonly mtu: number
  readonly mps: number
  /** As the sender knows it: what has arrived there, less what it has used. */
  credits: number
  /** Of the SDU that was begun. */
  sduLeft: number
}

interface AuditedChannel {
  /** By side: 0 and 1. */
  readonly cids: readonly [number, number]
  /** By sender. */
  readonly directions: readonly [Direction, Direction]
  ended: boolean
}

/**
 * Reads along on a link and holds both sides to the rules of LE credit-based channels (Core Specification, vol. 3, part A, §3.4.3, §10.1),
 * by a reading of its own of what passes.
 */
export class LinkAudit {
  readonly violations: string[] = []
  readonly #channels: AuditedChannel[] = []
  readonly #requests = new Map<string, Buffer>()

  constructor(carriers: readonly [MemoryCarrier, MemoryCarrier]) {
    for (const side of [0, 1] as const) {
      carriers[side].onSent = ({ cid, payload }) => {
        if (cid >= 0x40) this.#dataSent(side, cid, payload)
        else this.#commandSent(side, payload)
      }
      carriers[side].onArrived = ({ cid, payload }) => {
        if (cid < 0x40) this.#commandArrived(side, payload)
      }
    }
  }

  #violated(rule: string): void {
    this.violations.push(rule)
  }

  #channel(side: 0 | 1, cidOfOther: number): AuditedChannel | undefined {
    return this.#channels.findLast(({ cids, ended }) => !ended && cids[side === 0 ? 1 : 0] === cidOfOther)
  }

  #dataSent(side: 0 | 1, cid: number, payload: Buffer): void {
    const direction = this.#channel(side, cid)?.directions[side]
    // It may be over already at the other side.
    if (direction === undefined) return
    if (direction.credits-- === 0) this.#violated('a frame without a credit')
    if (payload.length > direction.mps) this.#violated('a frame longer than the MPS')
    let { length } = payload
    if (direction.sduLeft === 0) {
      direction.sduLeft = payload.readUInt16LE(0)
      length -= 2
      if (direction.sduLeft > direction.mtu) this.#violated('an SDU longer than the MTU')
      if (direction.sduLeft === 0) this.#violated('an empty SDU')
    }
    if (length === 0) this.#violated('a frame without bytes')
    direction.sduLeft -= length
    if (direction.sduLeft < 0) this.#violated('more bytes than the SDU has')
  }

  #commandArrived(side: 0 | 1, frame: Buffer): void {
    const other = side === 0 ? 1 : 0
    const word = (index: number): number => frame.readUInt16LE(4 + 2 * index)
    switch (frame[0]) {
      case 0x14: {
        this.#requests.set(`${side}:${frame[1]}`, frame)
        break
      }
      case 0x16: {
        const direction = this.#channels.findLast(({ cids, ended }) => !ended && cids[side] === word(0))?.directions[other]
        if (direction === undefined) break
        direction.credits += word(1)
        if (word(1) === 0) this.#violated('no credits granted')
        if (direction.credits > 65_535) this.#violated('more than 65,535 credits')
        break
      }
      case 0x06: {
        const channel = this.#channel(side, word(0))
        if (channel?.cids[side] !== word(1)) break
        channel.ended = true
        break
      }
    }
  }

  /** From a positive answer on, the side that gave it may send. */
  #commandSent(side: 0 | 1, frame: Buffer): void {
    const other = side === 0 ? 1 : 0
    if (frame[1] === 0) this.#violated('a command without an identifier')
    if (frame[0] !== 0x15) return
    const request = this.#requests.get(`${other}:${frame[1]}`)
    this.#requests.delete(`${other}:${frame[1]}`)
    if (request === undefined) this.#violated('an answer to nothing')
    if (request === undefined || frame.readUInt16LE(12) !== 0) return
    const terms = (bytes: Buffer, at: number): Direction => ({
      mtu: bytes.readUInt16LE(at),
      mps: bytes.readUInt16LE(at + 2),
      credits: bytes.readUInt16LE(at + 4),
      sduLeft: 0
    })
    const bySender = { [side]: terms(request, 8), [other]: terms(frame, 6) } as Record<0 | 1, Direction>
    const cids = { [side]: frame.readUInt16LE(4), [other]: request.readUInt16LE(6) } as Record<0 | 1, number>
    this.#channels.push({ cids: [cids[0], cids[1]], directions: [bySender[0], bySender[1]], ended: false })
  }
}

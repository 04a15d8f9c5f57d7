import type { EventEmitter } from 'node:events'
import { silentLogger } from '@kithmesh/core'
import { realClock, recordingLogger, type LogEntry } from '@kithmesh/testkit'
import { createHciHost } from '../../../dist/hci/create-hci-host.js'
import type { HciHost } from '../../../dist/hci/hci-host.js'
import type { BleLibrary } from '../../../dist/library/libraries.js'
import { loadBleno } from '../../../dist/library/load-bleno.js'
import { loadNoble } from '../../../dist/library/load-noble.js'
import type { CharacteristicLike, PeripheralLike } from '../../../dist/library/noble-like.js'
import { settled } from './fake-library.ts'
import { completed, connected, disconnected, fragment, hex16, pdu, scriptedController } from './scripted-controller.ts'

/** Where a fuzzer's decisions come from. */
export interface Choices {
  readonly over: boolean
  /** 0–255. */
  byte(): number
  /** 0 to below `limit`, at most 65,536. */
  below(limit: number): number
}

/** Decisions out of a string of bytes; zeros when it is used up. */
export function choicesOf(bytes: Uint8Array): Choices {
  let at = 0
  const byte = (): number => bytes[at++] ?? 0
  return {
    get over() {
      return at >= bytes.length
    },
    byte,
    below: (limit) => (limit <= 256 ? byte() % limit : ((byte() << 8) | byte()) % limit)
  }
}

const GOOD = { handle: 0x80, id: 'c0ffee0000aa' }
/** A peer that connected to us, and one that we connected to. */
const EVIL = { incoming: 0x40, outgoing: 0x41, ids: ['c0ffee000066', 'c0ffee000077'] } as const
const SERVICE = '6b2faab9a7d157dab22e03bbcab4689a'
const ADVERTISED = `043e1e 02 01 00 00 770000eeffc0 12 11 06 ${Buffer.from(SERVICE, 'hex').reverse().toString('hex')} c8`
const SCANNED = '043e0c 02 01 04 00 770000eeffc0 00 c8'

/** Requests and other PDUs that a good client, or a good server unasked, could send. */
const SENT = [
  '020001',
  '040100ffff',
  '060100ffff00280018',
  '080100ffff0328',
  '0a0300',
  '0c03000500',
  '0e03000500',
  '100100ffff0028',
  '12050001 00',
  '5203000102',
  '160300000061',
  '1801',
  '1e',
  '1b03000102',
  '1d03000102',
  '0112030003',
  'd20300000000000000000000000000',
  '200300'
]
const PAIRING = [
  '01030001100001',
  '02030001100001',
  `03${'11'.repeat(16)}`,
  `04${'22'.repeat(16)}`,
  '0508',
  `06${'33'.repeat(16)}`,
  `07${'44'.repeat(10)}`
]
const SIGNALS = [
  '1401 0a00 8000 4000 1700 1700 0100',
  '1501 0a00 4000 0008 f700 4000 0000',
  '1601 0400 4000 0100',
  '0601 0400 4000 4000',
  '0701 0400 4000 4000',
  '0101 0200 0000',
  '1201 0800 0600 1200 0000 c800',
  '1301 0200 0000',
  '1701 0c00 8000 4000 4000 0100 4000 4100'
]

/** What a good server answers to a request, so that libraries go on asking. */
function goodAnswer(request: Buffer): string | undefined {
  const from = request.length >= 3 ? request.readUInt16LE(1) : 0
  switch (request[0]) {
    case 0x02:
      return '030001'
    case 0x10:
      return from <= 1 ? `1114 0100 0900 ${Buffer.from(SERVICE, 'hex').reverse().toString('hex')}` : '01100100 0a'
    case 0x08:
      return from <= 2 ? '0907 0200 1e 0300 002a' : '01080200 0a'
    case 0x04:
      return from <= 4 ? '0501 0400 0229' : '01040400 0a'
    case 0x0a:
      return `0b${'61'.repeat(20)}`
    case 0x0c:
      return '0d6162'
    case 0x12:
      return '13'
    case 0x16:
      return `17${request.subarray(1).toString('hex')}`
    case 0x18:
      return '19'
    default:
      return undefined
  }
}

/** A host with unmodified libraries, a controller and peers of which everything may come, and one peer that is good. */
export class HostileRadio {
  readonly adapter = scriptedController()
  readonly host: HciHost
  readonly #entries: LogEntry[] = []
  readonly #library: BleLibrary
  readonly #ends: Array<() => void> = []
  #peripheral: PeripheralLike | undefined
  #characteristic: CharacteristicLike | undefined

  constructor(library: BleLibrary) {
    this.#library = library
    this.host = createHciHost({ adapter: this.adapter, clock: realClock, idleMs: 600_000, logger: recordingLogger('host', this.#entries) })
  }

  async start(): Promise<void> {
    this.adapter.answers.set(0x2002, '00 fb00 08')
    await this.host.start()
    const noble = loadNoble(this.#library, this.host.stack('central'), { logger: silentLogger })
    this.#ends.push(() => {
      noble.release()
    })
    noble.start()
    noble.noble.on('discover', (peripheral) => {
      this.#peripheral = peripheral
    })
    await settled(30)
    noble.noble.startScanning([], true, () => {})
    await this.#serve()
    this.adapter.tell(connected(GOOD.handle, 1, GOOD.id))
    await this.#serve()
    await settled(30)
    this.adapter.tell(ADVERTISED)
    this.adapter.tell(SCANNED)
    this.host.listen({
      psm: 0x80,
      onChannel: (channel) => {
        channel.on('error', () => {})
        channel.resume()
      }
    })
  }

  async stop(): Promise<void> {
    for (const end of this.#ends.splice(0).reverse()) end()
    await this.host.stop()
  }

  /** Lets a storm of choices pass, and throws when the good peer is not served afterwards, or when something of the storm is left. */
  async play(choices: Choices): Promise<void> {
    await this.#connectEvil()
    for (let turn = 0; turn < 200 && !choices.over; turn++) {
      this.#act(choices)
      if (choices.byte() % 4 === 0) await settled(2)
    }
    await settled(4)
    await this.#check()
    for (const handle of [EVIL.incoming, EVIL.outgoing]) this.adapter.tell(disconnected(handle))
    await settled(4)
    this.adapter.clear()
    const left = this.host.links.filter(({ peer }) => peer.id !== GOOD.id)
    for (const link of this.host.links) if (link.peer.id !== GOOD.id) link.disconnect()
    for (const { peer } of left) if ((EVIL.ids as readonly string[]).includes(peer.id)) throw new Error(`a link to ${peer.id} is left`)
    // Links that the storm made up end as well.
    for (const command of this.adapter.commands)
      if (command.opcode === 0x0406) this.adapter.tell(disconnected(command.parameters.readUInt16LE(0)))
    await settled(4)
    this.adapter.clear()
  }

  async #serve(): Promise<void> {
    const loaded = loadBleno(this.#library, this.host.stack('peripheral'), { logger: silentLogger })
    this.#ends.push(() => {
      loaded.release()
    })
    loaded.start()
    await settled(30)
    const service = loaded.service(SERVICE, [
      {
        uuid: 'abdd305628fa441da47055a75a52553a',
        properties: ['read', 'write', 'writeWithoutResponse', 'notify'],
        onRead: (_connection, offset, reply) => {
          reply(0, Buffer.alloc(40).subarray(offset))
        },
        onWrite: (_connection, _data, _offset, _withoutResponse, reply) => {
          reply(0)
        },
        onSubscribe: (_connection, _most, notify) => {
          notify(Buffer.of(1, 2, 3))
        }
      }
    ])
    loaded.bleno.setServices([service], () => {})
    loaded.bleno.startAdvertisingWithEIRData(Buffer.of(2, 1, 6), Buffer.alloc(0), () => {})
    await settled(30)
  }

  async #connectEvil(): Promise<void> {
    this.adapter.tell(connected(EVIL.incoming, 1, EVIL.ids[0]))
    const peripheral = this.#peripheral
    if (peripheral === undefined) throw new Error('noble did not discover anybody')
    this.adapter.tell(ADVERTISED)
    this.adapter.tell(SCANNED)
    peripheral.state = 'disconnected'
    // Who waits for an answer waits for ever when there is none.
    const waiting = peripheral as unknown as EventEmitter
    waiting.removeAllListeners()
    waiting.setMaxListeners(0)
    this.#characteristic = undefined
    peripheral.connect({ timeout: 400 })
    // The second family stops scanning before.
    await settled(20)
    this.adapter.tell(connected(EVIL.outgoing, 0, EVIL.ids[1]))
    await settled(4)
  }

  #act(choices: Choices): void {
    const handle = choices.byte() % 4 === 0 ? EVIL.incoming + 2 : choices.byte() % 2 === 0 ? EVIL.incoming : EVIL.outgoing
    switch (choices.below(12)) {
      case 0:
        this.adapter.tell(changed(pdu(handle, 4, pick(SENT, choices)), choices, 9))
        return
      case 1:
      case 2:
        this.adapter.tell(pdu(handle, 4, changed(pick(SENT, choices), choices, 0)))
        return
      case 3:
        this.adapter.tell(pdu(handle, 6, changed(pick(PAIRING, choices), choices, 0)))
        return
      case 4:
        this.adapter.tell(pdu(handle, 5, changed(pick(SIGNALS, choices), choices, 0)))
        return
      case 5:
        this.adapter.tell(pdu(handle, 0x40 + choices.below(8), bytes(choices.below(40), choices)))
        return
      case 6:
        this.adapter.tell(fragment(handle, choices.below(4), bytes(choices.below(12), choices)))
        return
      case 7:
        this.#event(choices, handle)
        return
      case 8:
        this.#ask(choices)
        return
      default:
        this.#answer(choices)
    }
  }

  /** Events of a controller that lost its mind, except that it leaves the good link alone and does not say that it failed. */
  #event(choices: Choices, handle: number): void {
    switch (choices.below(8)) {
      case 0:
        this.adapter.tell(completed(handle, choices.below(65_536)))
        return
      case 1:
        this.adapter.tell(changed(ADVERTISED, choices, 4))
        return
      case 2:
        this.adapter.complete(
          pick([0x200b, 0x1405, 0x2002, 0x1009, 0x0c03, 0x200a, 0x201b, 0x202f, 0x2003], choices),
          bytes(choices.below(9), choices)
        )
        return
      case 3:
        this.adapter.status(pick([0x200d, 0x0406, 0x2013, 0x2019], choices), choices.byte())
        return
      case 4:
        this.adapter.tell(`040804 00 ${hex16(handle)} 01`)
        return
      case 5:
        this.adapter.tell(`043e0d 05 ${hex16(handle)} 0000000000000000 0000`)
        return
      case 6:
        this.adapter.tell(`043e0b 07 ${hex16(handle)} fb00 4808 fb00 4808`)
        return
      default: {
        const body = bytes(choices.below(30), choices).replaceAll('80', '81')
        const code = pick(['05', '08', '0e', '0f', '13', '1a', '30', '3e', '3e', '3e', 'ff'], choices)
        this.adapter.tell(`04${code}${Buffer.of(body.length / 2).toString('hex')}${body}`)
      }
    }
  }

  /** Lets noble ask something. */
  #ask(choices: Choices): void {
    const characteristic = this.#characteristic
    if (characteristic !== undefined && choices.byte() % 3 > 0) {
      const what = choices.below(4)
      if (what < 2) characteristic.read(() => {})
      else if (what === 2) characteristic.subscribe(() => {})
      else characteristic.write(Buffer.alloc(choices.below(300)), choices.byte() % 2 === 0, () => {})
      return
    }
    this.#peripheral?.discoverServices([], (_error, services) => {
      services?.[0]?.discoverCharacteristics([], (_failure, characteristics) => {
        this.#characteristic = characteristics?.[0] ?? this.#characteristic
      })
    })
  }

  /** Answers what noble asked last: as a good server does, or nearly so. */
  #answer(choices: Choices): void {
    const asked = this.adapter.acl.findLast((packet) => (packet.readUInt16LE(1) & 0xfff) === EVIL.outgoing && packet.readUInt16LE(7) === 4)
    const answer = asked === undefined ? undefined : goodAnswer(asked.subarray(9))
    if (answer === undefined) return
    this.adapter.tell(pdu(EVIL.outgoing, 4, choices.byte() % 3 === 0 ? changed(answer, choices, 0) : answer))
    this.adapter.tell(completed(EVIL.outgoing, 1))
  }

  async #check(): Promise<void> {
    this.adapter.tell(completed(GOOD.handle, 8))
    this.adapter.clear()
    this.adapter.tell(pdu(GOOD.handle, 4, '100100ffff0028'))
    await settled(4)
    const answers = this.adapter.acl.filter((packet) => (packet.readUInt16LE(1) & 0xfff) === GOOD.handle)
    if (answers.length !== 1 || answers[0]![9] !== 0x11) {
      throw new Error(`the good peer was answered with ${answers.map((packet) => packet.toString('hex')).join(', ') || 'nothing'}`)
    }
    this.adapter.tell(completed(GOOD.handle, 1))
    const mistake = this.#entries.find(({ level }) => level === 'error')
    if (mistake !== undefined) throw new Error(mistake.message, { cause: mistake.fields['error'] })
    this.#entries.length = 0
  }
}

function pick<T>(list: readonly T[], choices: Choices): T {
  return list[choices.below(list.length)]!
}

function bytes(count: number, choices: Choices): string {
  return Buffer.from(Array.from({ length: count }, () => choices.byte())).toString('hex')
}

/** A variation of something good: cut, grown, or with other bytes in it, from an offset on. */
function changed(good: string, choices: Choices, from: number): string {
  let result = Buffer.from(good.replaceAll(' ', ''), 'hex')
  for (let count = choices.below(3); count > 0; count--) {
    const at = from + choices.below(Math.max(1, result.length - from))
    const way = choices.below(4)
    if (way === 0) result = result.subarray(0, at)
    else if (way === 1) result = Buffer.concat([result, Buffer.from(bytes(choices.below(8), choices), 'hex')])
    else if (at < result.length) result[at] = way === 2 ? choices.byte() : pick([0, 1, 2, 0x7f, 0x80, 0xff], choices)
  }
  return result.toString('hex')
}

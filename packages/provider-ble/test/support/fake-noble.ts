import { EventEmitter } from 'node:events'
import { METADATA_CHARACTERISTIC, PORT_CHARACTERISTIC, STREAM_CHARACTERISTIC } from '../../dist/gatt/uuids.js'
import type {
  AdvertisementLike,
  CharacteristicLike,
  LoadedNoble,
  NobleLike,
  PeripheralLike,
  ServiceLike
} from '../../dist/library/noble-like.js'
import { SERVICE } from './air-peers.ts'

export const digits = (uuid: string): string => uuid.replaceAll('-', '')

/** What a fake characteristic answers: bytes, an error, or nothing at all. */
export type FakeAnswer = Buffer | Error | 'never'

class FakeEmitter extends EventEmitter {
  override removeListener(event: string, listener: (...parameters: never[]) => void): this {
    return super.removeListener(event, listener as (...parameters: unknown[]) => void)
  }
}

export class FakeCharacteristic extends FakeEmitter implements CharacteristicLike {
  readonly uuid: string
  readonly properties: readonly string[]
  readonly written: Buffer[] = []
  answer: FakeAnswer
  subscription: FakeAnswer = Buffer.alloc(0)
  reads = 0

  constructor(uuid: string, properties: readonly string[], answer: FakeAnswer) {
    super()
    this.uuid = digits(uuid)
    this.properties = properties
    this.answer = answer
  }

  read(callback: (error: unknown, value?: Buffer) => void): void {
    this.reads++
    reply(this.answer, callback)
  }

  write(data: Buffer): void {
    this.written.push(data)
  }

  subscribe(callback: (error?: unknown) => void): void {
    reply(this.subscription, callback)
  }

  unsubscribe(callback?: (error?: unknown) => void): void {
    setImmediate(() => callback?.())
  }
}

function reply(answer: FakeAnswer, callback: (error: unknown, value?: Buffer) => void): void {
  if (answer === 'never') return
  setImmediate(() => {
    if (answer instanceof Error) callback(answer)
    else callback(null, answer)
  })
}

/** How an attempt to connect ends: not at all, with an error such as the library's, or well. */
export type FakeConnect = 'ok' | 'never' | Error

export class FakePeripheral extends FakeEmitter implements PeripheralLike {
  readonly id: string
  readonly address: string
  readonly addressType = 'public'
  connectable = true
  advertisement: AdvertisementLike = { localName: 'fake', serviceUuids: [digits(SERVICE)] }
  rssi = -50
  mtu = 256
  state = 'disconnected'
  /** For the attempts to come; the last one stays. */
  connects: FakeConnect[] = ['ok']
  /** Attempts made so far. */
  attempts = 0
  connecting = false
  cancelled = 0
  /** What a cancelled attempt still does. */
  onCancel: 'fails' | 'succeeds' | 'nothing' = 'fails'
  parameters: unknown
  disconnects = 0
  ignoresDisconnect = false
  services: readonly FakeService[] | 'never' | Error

  constructor(id: string, services?: readonly FakeService[]) {
    super()
    this.id = id
    this.address = id.replace(/..(?!$)/g, '$&:')
    this.services = services ?? [deviceService()]
  }

  connect(parameters: unknown): void {
    this.attempts++
    this.parameters = parameters
    this.state = 'connecting'
    this.connecting = true
    const next = this.connects.length > 1 ? this.connects.shift() : this.connects[0]
    if (next !== 'never') setImmediate(() => this.#ends(next instanceof Error ? next : undefined))
  }

  cancel(): void {
    this.cancelled++
    if (this.onCancel === 'nothing') return
    setImmediate(() => this.#ends(this.onCancel === 'succeeds' ? undefined : new Error('Unknown Connection Identifier (0x2)')))
  }

  disconnect(): void {
    this.disconnects++
    this.state = 'disconnecting'
    if (!this.ignoresDisconnect) setImmediate(() => this.lose(0x16))
  }

  lose(reason?: number): void {
    if (this.state === 'disconnected') return
    this.state = 'disconnected'
    this.emit('disconnect', reason)
  }

  discoverServices(uuids: readonly string[], callback: (error: unknown, services?: readonly ServiceLike[]) => void): void {
    const { services } = this
    if (services === 'never') return
    setImmediate(() => {
      if (services instanceof Error) callback(services)
      else
        callback(
          null,
          services.filter((service) => uuids.length === 0 || uuids.includes(service.uuid))
        )
    })
  }

  #ends(error: Error | undefined): void {
    if (!this.connecting) return
    this.connecting = false
    this.state = error === undefined ? 'connected' : 'error'
    this.emit('connect', error)
  }
}

export class FakeService implements ServiceLike {
  readonly uuid: string
  characteristics: readonly FakeCharacteristic[] | 'never'
  discoveries = 0

  constructor(uuid: string, characteristics: readonly FakeCharacteristic[] | 'never') {
    this.uuid = digits(uuid)
    this.characteristics = characteristics
  }

  discoverCharacteristics(
    uuids: readonly string[],
    callback: (error: unknown, characteristics?: readonly CharacteristicLike[]) => void
  ): void {
    this.discoveries++
    const { characteristics } = this
    if (characteristics === 'never') return
    setImmediate(() => {
      callback(
        null,
        characteristics.filter(({ uuid }) => uuids.includes(uuid))
      )
    })
  }
}

export const portCharacteristic = (answer: FakeAnswer = Buffer.of(0x80, 0)): FakeCharacteristic =>
  new FakeCharacteristic(PORT_CHARACTERISTIC, ['read'], answer)
export const metadataCharacteristic = (answer: FakeAnswer = Buffer.from('\x03a=1')): FakeCharacteristic =>
  new FakeCharacteristic(METADATA_CHARACTERISTIC, ['read', 'notify'], answer)
export const streamCharacteristic = (): FakeCharacteristic =>
  new FakeCharacteristic(STREAM_CHARACTERISTIC, ['writeWithoutResponse', 'notify'], 'never')
export const deviceService = (characteristics = [portCharacteristic(), metadataCharacteristic()]): FakeService =>
  new FakeService(SERVICE, characteristics)

/** A noble whose devices do what the test says. */
export class FakeNoble extends FakeEmitter implements NobleLike {
  state = 'poweredOn'
  scanning: readonly string[] | undefined
  /** Every start and stop of the scan. */
  readonly scans: string[] = []
  startError: Error | undefined

  startScanning(serviceUuids: readonly string[], _allowDuplicates: boolean, callback: (error?: Error | null) => void): void {
    setImmediate(() => {
      if (this.startError === undefined) {
        this.scanning = serviceUuids
        this.scans.push('start')
      }
      callback(this.startError ?? null)
    })
  }

  stopScanning(callback?: () => void): void {
    this.scanning = undefined
    this.scans.push('stop')
    setImmediate(() => callback?.())
  }

  /** An advertisement, if anybody scans. */
  hear(peripheral: FakePeripheral): void {
    if (this.scanning !== undefined) this.emit('discover', peripheral)
  }
}

export interface FakeLoadedNoble extends LoadedNoble {
  readonly noble: FakeNoble
  readonly peripherals: Map<string, FakePeripheral>
  readonly forgotten: string[]
  /** Listeners that are left anywhere. */
  listeners(): number
}

export function fakeLoadedNoble(...peripherals: FakePeripheral[]): FakeLoadedNoble {
  const noble = new FakeNoble()
  const known = new Map(peripherals.map((peripheral) => [peripheral.id, peripheral]))
  const forgotten: string[] = []
  return {
    name: 'fake',
    noble,
    peripherals: known,
    forgotten,
    start: () => undefined,
    cancelConnect: (id) => {
      known.get(id)?.cancel()
    },
    attemptPending: () => [...known.values()].some(({ connecting }) => connecting),
    forget: (id) => forgotten.push(id),
    release: () => undefined,
    listeners: () =>
      [noble, ...known.values()].reduce(
        (sum, emitter) => sum + emitter.eventNames().reduce((events, name) => events + emitter.listenerCount(name), 0),
        0
      )
  }
}

import { EventEmitter } from 'node:events'
import type { BlenoLike, CharacteristicDescription, LoadedBleno } from '../../dist/library/bleno-like.js'

type Answer = (error?: Error | null) => void

/** A library of which the test says what it answers. */
export class FakeBleno extends EventEmitter implements LoadedBleno {
  readonly name = 'fake-bleno'
  readonly manyCentrals: boolean
  state = 'unknown'
  readonly mtu = 23
  readonly calls: string[] = []
  /** Calls that are never answered. */
  readonly mute = new Set<string>()
  /** What calls are answered with. */
  readonly errors = new Map<string, Error>()
  /** What `start` throws. */
  startError: Error | undefined
  /** What the adapter is in after `start`. */
  stateAfterStart = 'poweredOn'
  advertising = false
  advertisement: Buffer = Buffer.alloc(0)
  scanResponse: Buffer = Buffer.alloc(0)
  advertisedName = ''
  characteristics: readonly CharacteristicDescription[] = []
  released = false
  /** Tells that the controller refused to advertise, as the stack below a library does. */
  refuse: () => void = () => {}
  /** Tells that a notification was taken off the library's hands. */
  notified: (connection: number) => void = () => {}

  constructor(manyCentrals = false) {
    super()
    this.manyCentrals = manyCentrals
  }

  get bleno(): BlenoLike {
    return this as unknown as BlenoLike
  }

  service(uuid: string, characteristics: readonly CharacteristicDescription[]): unknown {
    this.calls.push(`service ${uuid}`)
    this.characteristics = characteristics
    return {}
  }

  start(): void {
    if (this.startError !== undefined) throw this.startError
    if (this.mute.has('start')) return
    queueMicrotask(() => {
      this.become(this.stateAfterStart)
    })
  }

  become(state: string): void {
    this.state = state
    this.emit('stateChange', state)
  }

  setServices(_services: readonly unknown[], answer: Answer): void {
    this.#answer('setServices', answer)
  }

  startAdvertisingWithEIRData(advertisement: Buffer, scanResponse: Buffer, answer: Answer): void {
    this.#answer('advertise', answer, () => {
      this.advertising = true
      this.advertisement = advertisement
      this.scanResponse = scanResponse
    })
  }

  startAdvertising(name: string, _uuids: readonly string[], answer: Answer): void {
    this.#answer('advertise', answer, () => {
      this.advertising = true
      this.advertisedName = name
    })
  }

  stopAdvertising(answer?: Answer): void {
    this.advertising = false
    this.#answer('stopAdvertising', answer ?? (() => {}))
  }

  disconnect(connection?: number): void {
    this.calls.push(`disconnect ${connection}`)
  }

  release(): void {
    this.released = true
    this.advertising = false
  }

  /** A central connects; the controller ends advertising, and a library for many begins again. */
  accept(address: string, connection?: number): void {
    this.advertising = false
    const stops = this.calls.filter((call) => call === 'stopAdvertising').length
    this.emit('accept', address, connection)
    if (this.manyCentrals && this.calls.filter((call) => call === 'stopAdvertising').length === stops) this.advertising = true
  }

  leave(address: string, connection?: number): void {
    this.emit('disconnect', address, connection)
  }

  /** A read request, as the library passes it on. */
  read(uuid: string, offset = 0, connection?: number): { readonly result: number; readonly value: Buffer | undefined } {
    let answer: { readonly result: number; readonly value: Buffer | undefined } | undefined
    this.characteristic(uuid).onRead?.(connection, offset, (result, value) => {
      answer = { result, value }
    })
    if (answer === undefined) throw new Error('the request was not answered')
    return answer
  }

  characteristic(uuid: string): CharacteristicDescription {
    const found = this.characteristics.find((one) => one.uuid === uuid)
    if (found === undefined) throw new Error(`there is no characteristic ${uuid}`)
    return found
  }

  #answer(call: string, answer: Answer, done: () => void = () => {}): void {
    this.calls.push(call)
    if (this.mute.has(call)) return
    queueMicrotask(() => {
      const error = this.errors.get(call)
      if (error === undefined) done()
      answer(error ?? null)
    })
  }
}

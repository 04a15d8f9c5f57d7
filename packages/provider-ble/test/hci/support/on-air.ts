import type { Duplex } from 'node:stream'
import { silentLogger, type Logger } from '@kithmesh/core'
import { eventually, realClock } from '@kithmesh/testkit'
import { VirtualAir, type ControllerOptions, type VirtualController } from '@kithmesh/testkit/ble'
import { createHciHost, type HciHostOptions } from '../../../dist/hci/create-hci-host.js'
import type { HciHost } from '../../../dist/hci/hci-host.js'
import type { BleLibrary } from '../../../dist/library/libraries.js'
import { loadBleno } from '../../../dist/library/load-bleno.js'
import { loadNoble } from '../../../dist/library/load-noble.js'
import type { CharacteristicLike, NobleLike, PeripheralLike } from '../../../dist/library/noble-like.js'

const SERVICE = '6b2faab9a7d157dab22e03bbcab4689a'
const READABLE = 'abdd305628fa441da47055a75a52553a'
export const VALUE = Buffer.from(Array.from({ length: 500 }, (_, index) => index % 251))

/** An air with hosts and unmodified libraries on it, all of which ends with {@link close}. */
export class Stage {
  readonly air = new VirtualAir({ clock: realClock })
  readonly #ends: Array<() => Promise<void> | void> = []

  async host(
    options: ControllerOptions = {},
    more: Partial<HciHostOptions> = {}
  ): Promise<{ host: HciHost; controller: VirtualController }> {
    const controller = this.air.controller(options)
    const host = createHciHost({ adapter: controller, clock: realClock, idleMs: 200, ...more })
    await host.start()
    this.#ends.push(() => host.stop())
    return { host, controller }
  }

  async noble(library: BleLibrary, host: HciHost, logger: Logger = silentLogger): Promise<NobleLike> {
    const loaded = loadNoble(library, host.stack('central'), { logger })
    this.#ends.push(() => {
      loaded.release()
    })
    loaded.start()
    await eventually('noble to be on', () => loaded.noble.state === 'poweredOn')
    return loaded.noble
  }

  /** An instance of bleno that serves one characteristic and advertises; `notify` sends its subscribers something. */
  async bleno(
    library: BleLibrary,
    host: HciHost,
    value: Buffer = VALUE
  ): Promise<{ notify: (bytes: Buffer) => void; subscribers: () => number; advertise: () => Promise<void> }> {
    const loaded = loadBleno(library, host.stack('peripheral'), { logger: silentLogger })
    this.#ends.push(() => {
      loaded.release()
    })
    loaded.start()
    const { bleno } = loaded
    await eventually('bleno to be on', () => bleno.state === 'poweredOn')
    const subscribers = new Set<(bytes: Buffer) => void>()
    const service = loaded.service(SERVICE, [
      {
        uuid: READABLE,
        properties: ['read', 'notify', 'writeWithoutResponse'],
        onRead: (_connection, offset, reply) => {
          reply(0, value.subarray(offset))
        },
        onWrite: (_connection, _data, _offset, _withoutResponse, reply) => {
          reply(0)
        },
        onSubscribe: (_connection, _most, notify) => {
          subscribers.add(notify)
        },
        onUnsubscribe: () => {
          subscribers.clear()
        }
      }
    ])
    await new Promise<void>((resolve) => {
      bleno.setServices([service], () => {
        resolve()
      })
    })
    const data = Buffer.concat([Buffer.of(2, 1, 6, 17, 6), Buffer.from(SERVICE, 'hex').reverse()])
    const advertise = (): Promise<void> =>
      new Promise((resolve, reject) => {
        bleno.startAdvertisingWithEIRData(data, Buffer.of(3, 9, 65, 66), (error) => {
          if (error) reject(error)
          else resolve()
        })
      })
    await advertise()
    return {
      advertise,
      subscribers: () => subscribers.size,
      notify: (bytes) => {
        for (const notify of subscribers) notify(bytes)
      }
    }
  }

  /** Runs at the end, before all that was begun earlier ends. */
  atEnd(run: () => Promise<void> | void): void {
    this.#ends.push(run)
  }

  async close(): Promise<void> {
    for (const end of this.#ends.splice(0).reverse()) await end()
    await this.air.close()
  }
}

export async function discover(noble: NobleLike, id: string): Promise<PeripheralLike> {
  const found = new Promise<PeripheralLike>((resolve) => {
    const listener = (peripheral: PeripheralLike): void => {
      if (peripheral.id !== id) return
      noble.removeListener('discover', listener as never)
      resolve(peripheral)
    }
    noble.on('discover', listener)
  })
  await new Promise<void>((resolve, reject) => {
    noble.startScanning([SERVICE], true, (error) => {
      if (error) reject(error)
      else resolve()
    })
  })
  const peripheral = await found
  await new Promise<void>((resolve) => {
    noble.stopScanning(resolve)
  })
  return peripheral
}

export async function connect(peripheral: PeripheralLike): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const listener = (error?: Error | string | null): void => {
      peripheral.removeListener('connect', listener as never)
      if (error) reject(new Error(String(error)))
      else resolve()
    }
    peripheral.on('connect', listener)
    peripheral.connect({ timeout: 100 })
  })
}

export async function disconnect(peripheral: PeripheralLike): Promise<void> {
  await new Promise<void>((resolve) => {
    peripheral.on('disconnect', () => {
      resolve()
    })
    peripheral.disconnect()
  })
}

export async function characteristicOf(peripheral: PeripheralLike): Promise<CharacteristicLike> {
  const [service] = await call<readonly { discoverCharacteristics: (...given: never[]) => void }[]>((done) => {
    peripheral.discoverServices([SERVICE], done as never)
  })
  const [characteristic] = await call<readonly CharacteristicLike[]>((done) => {
    service!.discoverCharacteristics([READABLE] as never, done as never)
  })
  return characteristic!
}

export async function read(characteristic: CharacteristicLike): Promise<Buffer> {
  return await call<Buffer>((done) => {
    characteristic.read(done as never)
  })
}

export async function call<T>(run: (done: (error: unknown, value: T) => void) => void): Promise<T> {
  return await new Promise<T>((resolve, reject) => {
    run((error, value) => {
      if (error) reject(error instanceof Error ? error : new Error(String(error)))
      else resolve(value)
    })
  })
}

/** Sends bytes through a channel whose other end sends them back. */
export async function echoed(channel: Duplex, bytes: Buffer): Promise<Buffer> {
  const back: Buffer[] = []
  let length = 0
  return await new Promise((resolve, reject) => {
    channel.on('error', reject)
    channel.on('data', (chunk: Buffer) => {
      back.push(chunk)
      length += chunk.length
      if (length >= bytes.length) resolve(Buffer.concat(back))
    })
    channel.write(bytes)
  })
}

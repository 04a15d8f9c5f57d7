import type { BleBackend, BleBackendFactory } from '@kithmesh/provider-ble'
import { PORT_CHARACTERISTIC, STREAM_CHARACTERISTIC, bleErrors, defaultBackend } from '@kithmesh/provider-ble'
import type { KithmeshError } from '@kithmesh/core'
import { manualClock, recordingLogger } from '@kithmesh/testkit'
import { expect } from 'chai'
import { EventEmitter } from 'node:events'
import { defaultBackendFor, isUsedBySystem } from '../dist/backend/default-backend.js'
import { firstUsableBackend } from '../dist/backend/first-usable-backend.js'
import { platformBackendOf, type PlatformBackendOptions, type PlatformParts } from '../dist/backend/platform-backend.js'
import type { LoadedNoble } from '../dist/library/noble-like.js'
import { FakeBleno } from './support/fake-bleno.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

class FakeNoble extends EventEmitter implements LoadedNoble {
  readonly name = 'fake-noble'
  state = 'unknown'
  released = false
  stateAfterStart: string | undefined = 'poweredOn'

  get noble(): LoadedNoble['noble'] {
    return this as unknown as LoadedNoble['noble']
  }

  start(): void {
    const { stateAfterStart } = this
    if (stateAfterStart !== undefined)
      queueMicrotask(() => {
        this.become(stateAfterStart)
      })
  }

  become(state: string): void {
    this.state = state
    this.emit('stateChange', state)
  }

  cancelConnect(): void {}

  attemptPending(): boolean {
    return false
  }

  forget(): void {}

  release(): void {
    this.released = true
  }
}

describe('backend of the platform', () => {
  const clock = manualClock()
  let logger = recordingLogger()
  let nobles: FakeNoble[]
  let blenos: FakeBleno[]
  let backend: BleBackend | undefined

  beforeEach(() => {
    logger = recordingLogger()
    nobles = []
    blenos = []
  })

  afterEach(async () => {
    await backend?.stop()
    expect([...nobles, ...blenos].every(({ released }) => released)).to.equal(true)
    expect(clock.pending).to.equal(0)
  })

  function create(
    platform: NodeJS.Platform,
    options: PlatformBackendOptions = {},
    changes: Partial<PlatformParts> = {},
    state = 'poweredOn'
  ): BleBackend {
    backend = platformBackendOf(options, {
      platform,
      loadNoble: () => {
        const noble = new FakeNoble()
        noble.stateAfterStart = state
        nobles.push(noble)
        return noble
      },
      loadBleno: (library) => {
        blenos.push(new FakeBleno(library === 'stoprocent'))
        return blenos.at(-1)!
      },
      ...changes
    })({ clock, logger })
    return backend
  }

  const publication = {
    serviceUuid: '6b2faab9-a7d1-57da-b22e-03bbcab4689a',
    displayName: 'here',
    metadata: Buffer.of(0),
    onStream: () => {}
  }

  it('publishes on macOS with a name and the service, without L2CAP, and serves every central', async () => {
    const { publisher, capabilities } = create('darwin')
    expect(capabilities).to.deep.equal({ publishes: true, l2cap: false })
    expect(nobles, 'nothing is loaded before the start').to.deep.equal([])
    await backend!.start(() => {})
    await publisher!.publish(publication)
    const [bleno] = blenos
    expect([bleno!.advertisedName, bleno!.read(PORT_CHARACTERISTIC, 0, 'A1-B2' as never).value]).to.deep.equal(['here', Buffer.of(0, 0)])
    expect(bleno!.characteristic(STREAM_CHARACTERISTIC).properties).to.deep.equal(['writeWithoutResponse', 'notify'])
    await publisher!.updateMetadata(Buffer.of(1, 65))
    expect(
      bleno!.calls.filter((call) => call === 'advertise'),
      'there is no tag to change'
    ).to.have.length(1)
    bleno!.mute.add('stopAdvertising')
    await publisher!.unpublish()
    expect(bleno!.advertising).to.equal(false)
  })

  it('offers no streams where the library does not tell centrals apart, and says so', async () => {
    const { publisher } = create('darwin', { library: 'abandonware' })
    await backend!.start(() => {})
    await publisher!.publish(publication)
    expect(blenos[0]!.characteristics.map(({ uuid }) => uuid)).to.not.include(STREAM_CHARACTERISTIC)
    expect(logger.entries.some(({ level, message }) => level === 'warn' && message.includes('@stoprocent/bleno'))).to.equal(true)
  })

  it('does not publish elsewhere', async () => {
    const { capabilities, publisher } = create('win32')
    expect([capabilities.publishes, publisher]).to.deep.equal([false, undefined])
    await backend!.start(() => {})
  })

  for (const [state, code] of [
    ['poweredOff', 'ERR_BLE_POWERED_OFF'],
    ['unauthorized', 'ERR_BLE_NOT_PERMITTED'],
    ['unsupported', 'ERR_BLE_UNSUPPORTED'],
    ['resetting', 'ERR_BLE_ADAPTER_FAILED']
  ] as const) {
    it(`says ${code} when Bluetooth is ${state}`, async () => {
      create('darwin', {}, {}, state)
      const error = codeOf(backend!.start(() => {}))
      await clock.advance(20_000)
      expect(await error).to.equal(code)
    })
  }

  it('says what is not installed, at the start', async () => {
    const error = bleErrors.create('ERR_BLE_NOT_INSTALLED', 'no')
    create(
      'darwin',
      {},
      {
        loadNoble: () => {
          throw error
        }
      }
    )
    expect(await codeOf(backend!.start(() => {}))).to.equal('ERR_BLE_NOT_INSTALLED')
  })

  for (const which of ['noble', 'bleno'] as const) {
    it(`is lost when ${which} says that Bluetooth is switched off, and starts again when it is on`, async () => {
      const lost: string[] = []
      create('darwin')
      const start = (): Promise<void> =>
        backend!.start((error) => {
          lost.push((error as KithmeshError).code)
        })
      await start()
      await backend!.publisher!.publish(publication)
      if (which === 'noble') nobles[0]!.become('poweredOff')
      else blenos[0]!.become('poweredOff')
      for (let turns = 0; turns < 20 && lost.length === 0; turns++) await turn()
      expect(lost).to.deep.equal(['ERR_BLE_POWERED_OFF'])
      expect([nobles[0]!.released, blenos[0]!.released]).to.deep.equal([true, true])
      await start()
      await backend!.publisher!.publish(publication)
      expect(blenos[1]!.advertising).to.equal(true)
    })
  }
})

describe('the default backend', () => {
  const clock = manualClock()

  it('is what the platform has', () => {
    const on = (platform: NodeJS.Platform): BleBackend => defaultBackendFor({}, platform)({ clock, logger: recordingLogger() })
    expect([on('linux').description, on('linux').capabilities]).to.deep.equal([
      '@abandonware/noble on hci0',
      { publishes: true, l2cap: true }
    ])
    expect([on('darwin').description, on('darwin').capabilities]).to.deep.equal([
      '@stoprocent/noble on darwin',
      { publishes: true, l2cap: false }
    ])
    expect([on('win32').description, on('win32').capabilities.publishes]).to.deep.equal(['@stoprocent/noble on win32', false])
    expect(() => defaultBackend({ device: -1 })).to.throw(TypeError)
    for (const maxStreams of [0, 1.5, 1001]) expect(() => defaultBackendFor({ maxStreams }, 'darwin')).to.throw(TypeError, 'maxStreams')
  })

  it('shares an adapter that the system uses, and no other', () => {
    const busy = (cause: unknown): Error => bleErrors.create('ERR_BLE_ADAPTER_BUSY', 'busy', { cause })
    expect(isUsedBySystem(busy(Object.assign(new Error('x'), { code: 'EBUSY' })))).to.equal(true)
    expect(isUsedBySystem(busy(new Error('Device or resource busy')))).to.equal(true)
    expect(isUsedBySystem(busy(Object.assign(new Error('x'), { code: 'EUSERS' })))).to.equal(false)
    expect(isUsedBySystem(busy(new Error('Too many users')))).to.equal(false)
    expect(isUsedBySystem(bleErrors.create('ERR_BLE_NO_ADAPTER', 'none'))).to.equal(false)
  })

  describe('of several candidates', () => {
    function candidate(
      name: string,
      start: () => Promise<void>
    ): { factory: BleBackendFactory; calls: string[]; lose: (error: Error) => void } {
      const calls: string[] = []
      let told: (error: Error) => void = () => {}
      return {
        calls,
        lose: (error) => {
          told(error)
        },
        factory: () => ({
          description: name,
          capabilities: { publishes: name === 'first', l2cap: true },
          start: async (lost) => {
            calls.push('start')
            told = lost
            await start()
          },
          stop: async () => {
            calls.push('stop')
          },
          central: { name } as never,
          publisher: undefined
        })
      }
    }

    it('takes the next one where that may help, with a line in the log, and looks anew at each start', async () => {
      let busy = true
      const first = candidate('first', async () => {
        if (busy) throw new Error('busy')
      })
      const second = candidate('second', async () => {})
      const logger = recordingLogger()
      const backend = firstUsableBackend([
        { factory: first.factory, giveWay: (error) => (error as Error).message === 'busy', otherwise: 'that costs something' },
        { factory: second.factory, giveWay: () => false, otherwise: '' }
      ])({ clock, logger })
      await backend.start(() => {})
      expect([backend.description, backend.central, backend.capabilities.publishes]).to.deep.equal(['second', { name: 'second' }, false])
      expect(logger.entries.map(({ level, message }) => [level, message])).to.deep.equal([['warn', 'that costs something']])
      const lost: Error[] = []
      await backend.start((error) => lost.push(error))
      const reason = new Error('unplugged')
      second.lose(reason)
      await turn()
      expect(lost).to.deep.equal([reason])
      busy = false
      await backend.start(() => {})
      expect(backend.description).to.equal('first')
      await backend.stop()
      expect(second.calls.at(-1)).to.equal('stop')
    })

    it('says what the first one says where another does not help', async () => {
      const first = candidate('first', async () => {
        throw new Error('no adapter')
      })
      const second = candidate('second', async () => {})
      const backend = firstUsableBackend([
        { factory: first.factory, giveWay: () => false, otherwise: '' },
        { factory: second.factory, giveWay: () => false, otherwise: '' }
      ])({ clock, logger: recordingLogger() })
      const error: unknown = await backend.start(() => {}).catch((cause: unknown) => cause)
      expect([String(error), second.calls.includes('start')]).to.deep.equal(['Error: no adapter', false])
    })
  })
})

function codeOf(promise: Promise<unknown>): Promise<string | undefined> {
  return promise.then(
    () => 'no error',
    (error: { code?: string }) => error.code
  )
}

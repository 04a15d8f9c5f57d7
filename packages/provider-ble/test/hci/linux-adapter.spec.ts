import { EventEmitter } from 'node:events'
import { expect } from 'chai'
import { errorCode } from '@kithmesh/core'
import { manualClock, type ManualClock } from '@kithmesh/testkit'
import { sharedChannel, userChannel } from '../../dist/index.js'
import { LinuxAdapter } from '../../dist/hci/native/linux-adapter.js'

/** What the kernel has, and what its sockets do. */
class Kernel {
  devices = [{ devId: 0, devUp: true }]
  readonly sockets: FakeSocket[] = []
  constructs: Error | undefined
  binds: Error | undefined
  starts: Error | undefined
}

class FakeSocket extends EventEmitter {
  readonly kernel: Kernel
  readonly written: Buffer[] = []
  readonly calls: string[] = []
  #device = 0
  constructor(kernel: Kernel) {
    super()
    this.kernel = kernel
    if (kernel.constructs !== undefined) throw kernel.constructs
    kernel.sockets.push(this)
  }
  #bind(device: number | undefined): number {
    if (this.kernel.binds !== undefined) throw this.kernel.binds
    this.#device = device ?? 3
    return this.#device
  }
  bindUser(device?: number): number {
    this.calls.push('user')
    return this.#bind(device)
  }
  bindRaw(device?: number): number {
    this.calls.push('raw')
    return this.#bind(device)
  }
  isDevUp(): boolean {
    return this.kernel.devices.find(({ devId }) => devId === this.#device)?.devUp === true
  }
  getDeviceList(): Kernel['devices'] {
    return this.kernel.devices
  }
  start(): void {
    if (this.kernel.starts !== undefined) throw this.kernel.starts
    this.calls.push('start')
  }
  stop(): void {
    this.calls.push('stop')
  }
  setFilter(filter: Buffer): void {
    this.calls.push(`filter ${filter.toString('hex')}`)
  }
  write(packet: Buffer): void {
    this.written.push(packet)
  }
}

const error = (code: string, message = code): Error => Object.assign(new Error(message), { code })

describe('an adapter of this Linux machine', () => {
  let clock: ManualClock
  let kernel: Kernel
  const signal = new AbortController().signal
  beforeEach(() => {
    clock = manualClock()
    kernel = new Kernel()
  })
  afterEach(() => {
    expect(clock.pending, 'timers left').to.equal(0)
  })
  const adapterOf = (channel: 'user' | 'raw', device?: number): LinuxAdapter => {
    const given = kernel
    class Bound extends FakeSocket {
      constructor() {
        super(given)
      }
    }
    return new LinuxAdapter(channel, { clock, ...(device !== undefined && { device }) }, () => Bound)
  }
  const listening = (): { packets: Buffer[]; closes: Error[]; handlers: { packet(packet: Buffer): void; closed(error: Error): void } } => {
    const packets: Buffer[] = []
    const closes: Error[] = []
    return { packets, closes, handlers: { packet: (packet) => packets.push(packet), closed: (gone) => closes.push(gone) } }
  }

  it('is the one that was asked for', async () => {
    kernel.devices = [
      { devId: 0, devUp: true },
      { devId: 2, devUp: true }
    ]
    const adapter = adapterOf('user', 2)
    const port = await adapter.open({ packet: () => {}, closed: () => {} }, { signal })
    expect(adapter.description).to.equal('hci2')
    await port.close()
  })

  it('is one that has a number', () => {
    for (const device of [-1, 0.5, Number.NaN, 0x1_0000]) {
      expect(() => userChannel({ device }), `${device}`).to.throw(TypeError)
      expect(() => sharedChannel({ device }), `${device}`).to.throw(TypeError)
    }
  })

  it('is taken for this program alone, and packets go both ways', async () => {
    const adapter = adapterOf('user', 0)
    expect(adapter.description).to.equal('hci0')
    const { packets, handlers } = listening()
    const port = await adapter.open(handlers, { signal })
    const [socket] = kernel.sockets
    expect(socket!.calls).to.deep.equal(['user', 'start'])
    socket!.emit('data', Buffer.of(4, 1, 0))
    port.send(Uint8Array.of(1, 3, 12, 0))
    expect(packets).to.deep.equal([Buffer.of(4, 1, 0)])
    expect(socket!.written).to.deep.equal([Buffer.of(1, 3, 12, 0)])
    await port.close()
    await port.close()
    port.send(Uint8Array.of(1, 3, 12, 0))
    socket!.emit('data', Buffer.of(4, 1, 0))
    expect(packets).to.have.length(1)
    expect(socket!.written).to.have.length(1)
  })

  it('is opened again by the socket it was bound with, as that cannot be closed', async () => {
    const adapter = adapterOf('user', 0)
    const port = await adapter.open(listening().handlers, { signal })
    expect(await adapter.open(listening().handlers, { signal }).catch(errorCode)).to.equal('ERR_BLE_ADAPTER_BUSY')
    await port.close()
    const { packets, handlers } = listening()
    const again = await adapter.open(handlers, { signal })
    expect(kernel.sockets[0]!.calls).to.deep.equal(['user', 'start', 'stop', 'start'])
    kernel.sockets[0]!.emit('data', Buffer.of(4, 1, 0))
    expect(packets).to.have.length(1)
    await again.close()
  })

  it('that is shared is asked for everything, and has to be up', async () => {
    const adapter = adapterOf('raw', 0)
    const port = await adapter.open(listening().handlers, { signal })
    expect(kernel.sockets[0]!.calls).to.deep.equal(['raw', 'filter 14000000ffffffffffffffff00000000', 'start'])
    await port.close()
    kernel.devices = [{ devId: 0, devUp: false }]
    expect(await adapterOf('raw', 0).open(listening().handlers, { signal }).catch(errorCode)).to.equal('ERR_BLE_POWERED_OFF')
  })

  it('that vanishes, fails or is switched off is gone, and can be opened when it is back', async () => {
    const adapter = adapterOf('user', 0)
    const { closes, handlers } = listening()
    const port = await adapter.open(handlers, { signal })
    await clock.advance(10_000)
    expect(closes).to.deep.equal([])
    kernel.devices = []
    await clock.advance(2_000)
    expect(closes.map(errorCode)).to.deep.equal(['ERR_BLE_ADAPTER_FAILED'])
    await port.close()
    kernel.devices = [{ devId: 0, devUp: true }]
    await adapter.open(handlers, { signal })
    const socket = kernel.sockets.at(-1)!
    expect(socket.calls, 'another socket').to.deep.equal(['user', 'start'])
    socket.emit('error', error('ENODEV', 'No such device'))
    expect(closes.map(errorCode)).to.deep.equal(['ERR_BLE_ADAPTER_FAILED', 'ERR_BLE_NO_ADAPTER'])
    socket.emit('error', error('EPIPE'))
    expect(closes).to.have.length(2)

    const shared = adapterOf('raw', 0)
    await shared.open(handlers, { signal })
    kernel.devices = [{ devId: 0, devUp: false }]
    await clock.advance(2_000)
    expect(errorCode(closes.at(-1))).to.equal('ERR_BLE_POWERED_OFF')
  })

  const refusals: ReadonlyArray<readonly [string, 'constructs' | 'binds', string]> = [
    ['EAFNOSUPPORT', 'constructs', 'ERR_BLE_UNSUPPORTED'],
    ['ENODEV', 'binds', 'ERR_BLE_NO_ADAPTER'],
    ['EPERM', 'binds', 'ERR_BLE_NOT_PERMITTED'],
    ['EACCES', 'binds', 'ERR_BLE_NOT_PERMITTED'],
    ['EBUSY', 'binds', 'ERR_BLE_ADAPTER_BUSY'],
    ['EUSERS', 'binds', 'ERR_BLE_ADAPTER_BUSY']
  ]
  for (const [code, when, expected] of refusals) {
    it(`that the kernel refuses with ${code} is reported with ${expected} and its cause`, async () => {
      const cause = error(code)
      kernel[when] = cause
      const thrown: unknown = await adapterOf('user', 0)
        .open(listening().handlers, { signal })
        .catch((given: unknown) => given)
      expect(errorCode(thrown)).to.equal(expected)
      expect((thrown as Error).cause).to.equal(cause)
    })
  }

  it('that does not start can be opened again', async () => {
    const adapter = adapterOf('user', 0)
    kernel.starts = error('EIO')
    expect(await adapter.open(listening().handlers, { signal }).catch(errorCode)).to.equal('ERR_BLE_ADAPTER_FAILED')
    expect(clock.pending, 'timers left').to.equal(0)
    kernel.starts = undefined
    const port = await adapter.open(listening().handlers, { signal })
    await port.close()
  })

  it('without the package, or without its native part, is reported as not installed', async () => {
    for (const code of ['MODULE_NOT_FOUND', 'ERR_DLOPEN_FAILED']) {
      const adapter = new LinuxAdapter('user', { clock }, () => {
        throw error(code)
      })
      expect(await adapter.open(listening().handlers, { signal }).catch(errorCode)).to.equal('ERR_BLE_NOT_INSTALLED')
    }
  })

  it('is not loaded before it is opened, and a machine without Bluetooth gives a typed error', async () => {
    for (const adapter of [userChannel({ device: 9 }), sharedChannel({ device: 9 })]) {
      expect(adapter.description).to.equal('hci9')
      const thrown: unknown = await adapter.open(listening().handlers, { signal }).then(
        () => undefined,
        (given: unknown) => given
      )
      expect(errorCode(thrown)).to.match(/^ERR_BLE_(NOT_INSTALLED|UNSUPPORTED|NO_ADAPTER|NOT_PERMITTED)$/)
    }
  })
})

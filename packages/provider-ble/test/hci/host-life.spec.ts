import { expect } from 'chai'
import { errorCode } from '@kithmesh/core'
import { manualClock, recordingLogger, type ManualClock } from '@kithmesh/testkit'
import { createHciHost } from '../../dist/hci/create-hci-host.js'
import type { HciHost } from '../../dist/hci/hci-host.js'
import { fakeLibrary, settled } from './support/fake-library.ts'
import { stopHost } from './support/stop-host.ts'
import { connected, pdu, scriptedController, type ScriptedController } from './support/scripted-controller.ts'

describe('the life of a host', () => {
  let clock: ManualClock
  let adapter: ScriptedController
  let host: HciHost
  beforeEach(() => {
    clock = manualClock()
    adapter = scriptedController()
    host = createHciHost({ adapter, clock })
  })
  afterEach(async () => {
    await stopHost(host, adapter, clock)
    expect(clock.pending, 'timers left').to.equal(0)
  })
  const failure = async (run: Promise<unknown>): Promise<string | undefined> => run.then(() => undefined, errorCode)

  it('opens nothing before it is started', () => {
    expect(adapter.opens).to.equal(0)
    expect(host.address).to.equal(undefined)
  })

  it('resets a controller of its own, sets its masks and asks what it is', async () => {
    await host.start()
    expect(adapter.opcodes()).to.deep.equal([0x0c03, 0x1001, 0x2003, 0x0c01, 0x2001, 0x0c6d, 0x2002, 0x1009])
    expect(host.address).to.deep.equal({ id: 'c0ffee000001', type: 'public' })
  })

  it('only asks a controller that it shares', async () => {
    host = createHciHost({ adapter, clock, l2cap: false })
    await host.start()
    expect(adapter.opcodes()).to.deep.equal([0x1001, 0x2003, 0x2002, 0x1009])
    await host.stop()
    expect(adapter.opcodes(), 'at the end').to.not.include(0x0c03)
  })

  it('gives a controller without an address a static random one, which the libraries act under', async () => {
    adapter.answers.set(0x1009, '00 000000000000')
    await host.start()
    const set = adapter.commands.find(({ opcode }) => opcode === 0x2005)!.parameters
    expect(set[5]! >> 6).to.equal(3)
    expect(host.address).to.deep.equal({ id: Buffer.from(set).reverse().toString('hex'), type: 'random' })
    adapter.clear()
    const library = fakeLibrary(host.stack('central'))
    library.command(0x1009)
    library.command(0x200b, '01 1200 1200 00 00')
    await settled()
    expect(library.of('040e0a 01 0910 00')).to.deep.equal([`040e0a01091000${set.toString('hex')}`])
    expect(adapter.commands[0]!.parameters.toString('hex')).to.equal('01120012000100')
  })

  it('takes the buffers for all links where there are none for LE', async () => {
    adapter.answers.set(0x2002, '00 0000 00')
    adapter.answers.set(0x1005, '00 fd03 40 0a00 0800')
    await host.start()
    expect(adapter.opcodes()).to.include(0x1005)
  })

  it('does without events that an old controller does not know', async () => {
    let asked = 0
    adapter.answers.set(0x2001, undefined)
    const starting = host.start()
    while (asked < 2) {
      await settled(1)
      if (adapter.commands.at(-1)?.opcode !== 0x2001) continue
      asked++
      adapter.complete(0x2001, asked === 1 ? '12' : '00')
    }
    await starting
    const masks = adapter.commands.filter(({ opcode }) => opcode === 0x2001).map(({ parameters }) => parameters[0])
    expect(masks).to.deep.equal([0x5f, 0x1f])
  })

  it('refuses a controller that is older than LE, or that fails', async () => {
    adapter.answers.set(0x1001, '00 05 0000 05 ffff 0000')
    expect(await failure(host.start())).to.equal('ERR_BLE_UNSUPPORTED')
    expect(adapter.opened, 'left open').to.equal(false)
    adapter.answers.set(0x1001, '1f')
    expect(await failure(host.start())).to.equal('ERR_BLE_ADAPTER_FAILED')
    adapter.answers.set(0x1001, '00 09')
    expect(await failure(host.start())).to.equal('ERR_BLE_ADAPTER_FAILED')
  })

  it('gives up on a controller that does not answer, and can be started again', async () => {
    adapter.answers.set(0x0c03, undefined)
    const starting = failure(host.start())
    await clock.advance(5_000)
    expect(await starting).to.equal('ERR_BLE_ADAPTER_FAILED')
    expect(adapter.opened).to.equal(false)
    adapter.answers.delete(0x0c03)
    await host.start()
    expect(host.address?.id).to.equal('c0ffee000001')
  })

  it('waits for an answer as long as it is told to', async () => {
    host = createHciHost({ adapter, clock, commandMs: 60_000 })
    adapter.answers.set(0x0c03, undefined)
    let code: string | undefined
    const starting = failure(host.start()).then((thrown) => {
      code = thrown
    })
    await clock.advance(59_999)
    expect(code).to.equal(undefined)
    await clock.advance(1)
    await starting
    expect(code).to.equal('ERR_BLE_ADAPTER_FAILED')
  })

  it('gives the channels of its links the limits it was given', async () => {
    host = createHciHost({ adapter, clock, channels: { mtu: 512, mps: 100, credits: 3 } })
    await host.start()
    const library = fakeLibrary(host.stack('peripheral'))
    library.command(0x200a, '01')
    await settled()
    adapter.tell(connected(0x40, 1, 'c0ffee000002'))
    const { close } = host.listen({ psm: 0x80, onChannel: () => {} })
    adapter.tell(pdu(0x40, 5, '1401 0a00 8000 4000 f700 f700 0a00'))
    await settled()
    close()
    // The answer: our channel, MTU, MPS, credits, no error (Core Specification, vol. 3, part A, §4.23).
    expect(adapter.acl.map((packet) => packet.toString('hex')).join(' ')).to.contain(
      '15010a00' + '4000' + '0002' + '6400' + '0300' + '0000'
    )
  })

  it('is not made with options that make no sense', () => {
    for (const value of [Number.NaN, 0, -1, Number.POSITIVE_INFINITY])
      for (const name of ['maxLinks', 'commandMs', 'idleMs'])
        expect(() => createHciHost({ adapter, clock, [name]: value }), `${name} ${value}`).to.throw(TypeError, name)
    expect(() => createHciHost({ adapter, clock, channels: { mtu: 22 } })).to.throw(TypeError, 'mtu')
  })

  it('passes on why an adapter cannot be opened', async () => {
    adapter.refuses = new Error('no such adapter')
    const error = await host.start().catch((thrown: unknown) => thrown)
    expect(error).to.equal(adapter.refuses)
  })

  it('fails to start when the controller vanishes meanwhile', async () => {
    adapter.answers.set(0x1009, undefined)
    const starting = host.start().catch((thrown: unknown) => thrown)
    await settled(20)
    const gone = new Error('unplugged')
    adapter.vanish(gone)
    expect(await starting).to.equal(gone)
  })

  it('can be stopped while it starts', async () => {
    adapter.answers.set(0x1009, undefined)
    const starting = host.start().catch(() => 'not started')
    await settled(20)
    await host.stop()
    expect(await starting).to.equal('not started')
    expect(adapter.opened).to.equal(false)
  })

  it('ends all links when the controller vanishes, tells the libraries and its owner, and starts again', async () => {
    await host.start()
    const library = fakeLibrary(host.stack('peripheral'))
    library.command(0x200a, '01')
    await settled()
    adapter.tell(connected(0x40, 1, 'c0ffee000002'))
    const [link] = host.links
    const closed: Error[] = []
    const lost: Error[] = []
    link!.onClosed((error) => closed.push(error))
    host.onLost((error) => lost.push(error))
    expect(library.socket.isDevUp()).to.equal(true)
    const gone = new Error('unplugged')
    adapter.vanish(gone)
    expect(closed).to.deep.equal([gone])
    expect(lost).to.deep.equal([gone])
    expect(host.links).to.deep.equal([])
    await settled()
    expect(library.of('040504')).to.deep.equal(['04050400400016'])
    await host.start()
    expect(host.address?.id).to.equal('c0ffee000001')
    expect(library.socket.isDevUp(), 'a library that polls must not miss that it was gone').to.equal(false)
    expect(library.socket.isDevUp()).to.equal(true)
    library.command(0x1009)
    await settled()
    expect(library.of('040e0a01091000')).to.have.length(1)
  })

  it('counts a controller that reports a hardware error, or stops answering, as lost', async () => {
    const lost: (string | undefined)[] = []
    host.onLost((error) => lost.push(errorCode(error)))
    await host.start()
    adapter.tell('041001 2a')
    expect(lost).to.deep.equal(['ERR_BLE_ADAPTER_FAILED'])
    await host.start()
    adapter.answers.set(0x200b, undefined)
    fakeLibrary(host.stack('central')).command(0x200b, '01 1200 1200 00 00')
    await clock.advance(5_000)
    expect(lost).to.deep.equal(['ERR_BLE_ADAPTER_FAILED', 'ERR_BLE_ADAPTER_FAILED'])
  })

  it('cuts all links when it is stopped, and may be started again', async () => {
    await host.start()
    fakeLibrary(host.stack('peripheral')).command(0x200a, '01')
    await settled()
    adapter.tell(connected(0x40, 1, 'c0ffee000002'))
    const codes: (string | undefined)[] = []
    host.links[0]!.onClosed((error) => codes.push(errorCode(error)))
    adapter.letGo()
    await host.stop()
    await host.stop()
    expect(codes).to.deep.equal(['ERR_BLE_SHUT_DOWN'])
    expect(adapter.opcodes().slice(-2), 'the other side is told, and the controller left as it was found').to.deep.equal([0x0406, 0x0c03])
    await host.start()
    expect(adapter.opens).to.equal(2)
  })

  it('does not wait for long when the other side is out of reach while it is stopped', async () => {
    await host.start()
    fakeLibrary(host.stack('peripheral')).command(0x200a, '01')
    await settled()
    adapter.tell(connected(0x40, 1, 'c0ffee000002'))
    let stopped = false
    const stop = host.stop().then(() => (stopped = true))
    await settled()
    expect([stopped, adapter.opcodes().at(-1)]).to.deep.equal([false, 0x0406])
    await clock.advance(500)
    await stop
    expect(adapter.opcodes().at(-1)).to.equal(0x0c03)
    expect(host.links).to.deep.equal([])
  })

  it('is not told that the controller is lost while it gives it back', async () => {
    await host.start()
    const lost: Error[] = []
    host.onLost((error) => lost.push(error))
    adapter.answers.set(0x0c03, undefined)
    const stop = host.stop()
    await settled()
    adapter.vanish()
    await clock.advance(1000)
    await stop
    expect(lost).to.deep.equal([])
  })

  it('ignores what is no packet, and logs that once', async () => {
    const logger = recordingLogger()
    host = createHciHost({ adapter, clock, logger })
    await host.start()
    for (const hex of [
      '',
      '04',
      '0413',
      '040e',
      '040e00',
      '040e0101',
      '0413ff01',
      '043e',
      '043e00',
      '043e0101',
      '02',
      '02400010',
      '09',
      '0101'
    ]) {
      adapter.tell(hex)
    }
    adapter.tell('0413 05 01 4000 ffff')
    adapter.tell('0413 01 ff')
    expect(logger.entries.filter(({ level }) => level === 'warn')).to.have.length(1)
  })
})

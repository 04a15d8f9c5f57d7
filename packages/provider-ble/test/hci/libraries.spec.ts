import { createHash } from 'node:crypto'
import type { Duplex } from 'node:stream'
import { expect } from 'chai'
import { errorCode } from '@kithmesh/core'
import { eventually, realClock } from '@kithmesh/testkit'
import { serveAir } from '@kithmesh/testkit/ble'
import { createHciHost } from '../../dist/hci/create-hci-host.js'
import { h4Socket } from '../../dist/hci/h4/h4-socket.js'
import type { HciHost } from '../../dist/hci/hci-host.js'
import type { HciAdapter } from '../../dist/hci/hci-port.js'
import type { BleLibrary } from '../../dist/library/libraries.js'
import { settled } from './support/fake-library.ts'
import { call, characteristicOf, connect, disconnect, discover, echoed, read, Stage, VALUE } from './support/on-air.ts'

const libraries: readonly BleLibrary[] = ['abandonware', 'stoprocent']
const fragmentations = ['as-sent', 27, 5, 'data-pdus'] as const
const signal = new AbortController().signal
const ID = ['c0ffee000001', 'c0ffee000002', 'c0ffee000003', 'c0ffee000004'] as const

describe('unmodified libraries above a host', () => {
  let stage: Stage
  beforeEach(() => {
    stage = new Stage()
  })
  afterEach(async () => {
    await stage.close()
  })
  const expectNoViolations = (): void => {
    for (const controller of stage.air.controllers) expect(controller.violations, controller.description).to.deep.equal([])
  }

  for (const library of libraries) {
    describe(library, () => {
      for (const fragments of fragmentations) {
        it(`discover, connect, read, are notified and leave; data in pieces: ${fragments}`, async () => {
          const a = await stage.host({ fragments, aclLength: fragments === 'as-sent' ? 251 : 27 })
          const b = await stage.host({ fragments, sharedBuffers: true })
          const server = await stage.bleno(library, b.host)
          const noble = await stage.noble(library, a.host)
          const peripheral = await discover(noble, ID[1])
          expect(peripheral.advertisement.localName).to.equal('AB')
          await connect(peripheral)
          expect(a.host.links.map(({ peer, role }) => [peer.id, role])).to.deep.equal([[ID[1], 'central']])
          await eventually('the other side to see it', () => b.host.linkTo(ID[0])?.role === 'peripheral')
          const characteristic = await characteristicOf(peripheral)
          expect(peripheral.mtu).to.equal(256)
          expect(await read(characteristic)).to.deep.equal(VALUE)
          const notified: Buffer[] = []
          characteristic.on('data', (value: Buffer, isNotification: boolean) => {
            if (isNotification) notified.push(value)
          })
          await call<void>((done) => {
            characteristic.subscribe(done as never)
          })
          await eventually('the subscription', () => server.subscribers() === 1)
          for (let count = 0; count < 40; count++) server.notify(Buffer.alloc(200, count))
          await eventually('all notifications', () => notified.length === 40)
          expect(notified.map((value) => [value.length, value[0]])).to.deep.equal(Array.from({ length: 40 }, (_, count) => [200, count]))
          await disconnect(peripheral)
          await eventually('both sides to be free', () => a.host.links.length + b.host.links.length === 0)
          await eventually('advertising to go on', () => b.controller.advertising)
          expectNoViolations()
        })
      }

      it('are both on one host, and two such hosts read each other over one link', async () => {
        const [a, b] = [await stage.host(), await stage.host()]
        await stage.bleno(library, a.host, Buffer.from('from a'))
        await stage.bleno(library, b.host, Buffer.from('from b'))
        const [atA, atB] = [await stage.noble(library, a.host), await stage.noble(library, b.host)]
        const [toB, toA] = [await discover(atA, ID[1]), await discover(atB, ID[0])]
        await connect(toB)
        await connect(toA)
        expect(a.controller.links).to.have.length(1)
        const [ofB, ofA] = await Promise.all([characteristicOf(toB), characteristicOf(toA)])
        const values = await Promise.all([read(ofB), read(ofA)])
        expect(values.map(String)).to.deep.equal(['from b', 'from a'])
        await disconnect(toA)
        expect(String(await read(ofB)), 'the one that stays').to.equal('from b')
        expect(a.controller.links).to.have.length(1)
        await connect(toA)
        expect(String(await read(await characteristicOf(toA)))).to.equal('from a')
        expectNoViolations()
      })

      it('connect to each other at the same moment and share what comes of it', async () => {
        const [a, b] = [await stage.host(), await stage.host()]
        await stage.bleno(library, a.host, Buffer.from('from a'))
        await stage.bleno(library, b.host, Buffer.from('from b'))
        const [atA, atB] = [await stage.noble(library, a.host), await stage.noble(library, b.host)]
        const [toB, toA] = [await discover(atA, ID[1]), await discover(atB, ID[0])]
        await Promise.all([connect(toB), connect(toA)])
        const values = await Promise.all([toB, toA].map(async (peripheral) => read(await characteristicOf(peripheral))))
        expect(values.map(String)).to.deep.equal(['from b', 'from a'])
        expect(a.controller.links).to.have.length(1)
        expectNoViolations()
      })

      it('have several peripherals at a time', async () => {
        const a = await stage.host()
        const noble = await stage.noble(library, a.host)
        const read3 = async (id: string): Promise<string> => {
          const peripheral = await discover(noble, id)
          await connect(peripheral)
          return String(await read(await characteristicOf(peripheral)))
        }
        for (const id of ID.slice(1)) await stage.bleno(library, (await stage.host()).host, Buffer.from(id))
        for (const id of ID.slice(1)) expect(await read3(id)).to.equal(id)
        expect(a.host.links.map(({ peer }) => peer.id).toSorted()).to.deep.equal(ID.slice(1))
        expectNoViolations()
      })

      it('are told when a link is lost or the adapter vanishes, and a new instance works when it is back', async () => {
        const [a, b] = [await stage.host(), await stage.host()]
        await stage.bleno(library, b.host)
        const peripheral = await discover(await stage.noble(library, a.host), ID[1])
        await connect(peripheral)
        let ended = false
        peripheral.on('disconnect', () => {
          ended = true
        })
        const lost: (string | undefined)[] = []
        a.host.onLost((error) => lost.push(errorCode(error)))
        a.controller.unplug()
        await eventually('the loss', () => ended && lost.length === 1)
        expect(a.host.links).to.deep.equal([])
        expect(await a.host.start().then(() => 'started', errorCode)).to.equal('ERR_BLE_NO_ADAPTER')
        a.controller.plugIn()
        await a.host.start()
        await eventually('the other side to lose it, too', () => b.host.links.length === 0 && b.controller.advertising)
        const again = await discover(await stage.noble(library, a.host), ID[1])
        await connect(again)
        expect(await read(await characteristicOf(again))).to.deep.equal(VALUE)
      })
    })
  }

  it('share a link with L2CAP channels, which either side opens', async () => {
    const [a, b] = [await stage.host(), await stage.host()]
    await stage.bleno('abandonware', b.host)
    const peripheral = await discover(await stage.noble('abandonware', a.host), ID[1])
    await connect(peripheral)
    await eventually('the other side to see it', () => b.host.links.length === 1)
    const echo = (channel: Duplex): void => {
      channel.on('error', () => {})
      channel.pipe(channel)
    }
    const atA = a.host.listen({ onChannel: echo })
    const atB = b.host.listen({ psm: 0xc1, onChannel: echo })
    const channels = await Promise.all([
      a.host.linkTo(ID[1])!.openChannel(atB.psm, { signal }),
      b.host.linkTo(ID[0])!.openChannel(atA.psm, { signal })
    ])
    const bytes = Buffer.alloc(300_000, 'bytes that come back ')
    const digest = (given: Buffer): string => createHash('sha256').update(given).digest('hex')
    const characteristic = await characteristicOf(peripheral)
    const [one, other, value] = await Promise.all([echoed(channels[0], bytes), echoed(channels[1], bytes), read(characteristic)])
    expect([one, other].map(digest)).to.deep.equal([bytes, bytes].map(digest))
    expect(value).to.deep.equal(VALUE)
    await disconnect(peripheral)
    expect(a.host.links, 'the channels keep it').to.have.length(1)
    for (const channel of channels) channel.destroy()
    await eventually('the link to end with its last channel', () => a.host.links.length + b.host.links.length === 0)
    expectNoViolations()
  })

  it('work over controllers of another process as well, by H4 over TCP', async () => {
    const server = await serveAir(stage.air)
    stage.atEnd(() => server.close())
    const overTcp = async (): Promise<HciHost> => {
      const host = createHciHost({ adapter: h4Socket({ host: server.host, port: server.port }), clock: realClock })
      await host.start()
      stage.atEnd(() => host.stop())
      return host
    }
    const [a, b] = [await overTcp(), await overTcp()]
    await stage.bleno('abandonware', b)
    const peripheral = await discover(await stage.noble('abandonware', a), b.address!.id)
    await connect(peripheral)
    expect(await read(await characteristicOf(peripheral))).to.deep.equal(VALUE)
    const { psm } = b.listen({
      onChannel: (channel) => {
        channel.on('error', () => {})
        channel.pipe(channel)
      }
    })
    const channel = await a.linkTo(b.address!.id)!.openChannel(psm, { signal })
    const bytes = Buffer.alloc(200_000, 'bytes that come back ')
    expect((await echoed(channel, bytes)).equals(bytes)).to.equal(true)
    channel.destroy()
    expectNoViolations()
  })

  it('take leave of their peers when their host is stopped', async () => {
    const [a, b] = [await stage.host(), await stage.host()]
    await stage.bleno('abandonware', b.host)
    const peripheral = await discover(await stage.noble('abandonware', a.host), ID[1])
    await connect(peripheral)
    await eventually('the other side to see it', () => b.host.links.length === 1)
    const reasons: unknown[] = []
    b.host.links[0]!.onClosed((error) => reasons.push((error as { details?: { reason?: number } }).details?.reason))
    await a.host.stop()
    await eventually('the other side to be told', () => reasons.length === 1)
    expect(reasons, 'not by a supervision time-out').to.deep.equal([0x13])
  })

  it('listen on PSMs of their choice or on free ones, and refuse the rest', async () => {
    const [a, b] = [await stage.host(), await stage.host()]
    await stage.bleno('abandonware', b.host)
    const peripheral = await discover(await stage.noble('abandonware', a.host), ID[1])
    await connect(peripheral)
    const link = a.host.linkTo(ID[1])!
    const first = b.host.listen({ onChannel: (channel) => channel.destroy() })
    const second = b.host.listen({ onChannel: (channel) => channel.destroy() })
    expect([first.psm, second.psm]).to.deep.equal([0x80, 0x81])
    expect(() => b.host.listen({ psm: 0x80, onChannel: () => {} }))
      .to.throw()
      .with.property('code', 'ERR_BLE_LIMIT')
    expect(() => b.host.listen({ psm: 0x25, onChannel: () => {} })).to.throw(TypeError)
    first.close()
    first.close()
    const refused: unknown = await link.openChannel(first.psm, { signal }).catch((error: unknown) => error)
    expect(refused).to.include({ code: 'ERR_BLE_CHANNEL_REFUSED' })
    expect((refused as { details: { result: number } }).details.result).to.equal(2)
    const third = b.host.listen({ onChannel: () => {} })
    expect(third.psm).to.equal(0x80)
    link.disconnect()
    expect(await link.openChannel(third.psm, { signal }).catch(errorCode)).to.equal('ERR_BLE_LINK_LOST')
    await eventually('both sides to be free', () => a.host.links.length + b.host.links.length === 0)
  })

  it('open no channels where the adapter is shared with the system', async () => {
    const controller = stage.air.controller()
    const shared: HciAdapter = {
      description: 'shared',
      open: async (handlers, options) => {
        const port = await controller.open(handlers, options)
        // What the system set before.
        port.send(Buffer.from('01010c08ffffffffffffff3f', 'hex'))
        await settled()
        port.send(Buffer.from('010120081f00000000000000', 'hex'))
        await settled()
        return port
      }
    }
    const a = await stage.host({}, { l2cap: false, adapter: shared })
    const b = await stage.host()
    expect(b.host.address?.id).to.equal(ID[2])
    await stage.bleno('abandonware', b.host)
    const peripheral = await discover(await stage.noble('abandonware', a.host), ID[2])
    await connect(peripheral)
    expect(await read(await characteristicOf(peripheral))).to.deep.equal(VALUE)
    const link = a.host.linkTo(ID[2])!
    expect(await link.openChannel(0x80, { signal }).catch(errorCode)).to.equal('ERR_BLE_UNSUPPORTED')
    expect(() => a.host.listen({ onChannel: () => {} }))
      .to.throw()
      .with.property('code', 'ERR_BLE_UNSUPPORTED')
  })
})

import { expect } from 'chai'
import { errorCode } from '@kithmesh/core'
import { manualClock, recordingLogger, type ManualClock, type RecordingLogger } from '@kithmesh/testkit'
import { createHciHost } from '../../dist/hci/create-hci-host.js'
import type { AclLink, HciHost } from '../../dist/hci/hci-host.js'
import { fakeLibrary, settled, type FakeLibrary } from './support/fake-library.ts'
import { stopHost } from './support/stop-host.ts'
import {
  completed,
  connected,
  disconnected,
  fragment,
  pdu,
  scriptedController,
  type ScriptedController
} from './support/scripted-controller.ts'

const PEER = 'c0ffee000002'
const CREATE = '6000 3000 00 00 020000eeffc0 00 0600 1200 0000 2a00 0400 0600'

describe('links of a host', () => {
  let clock: ManualClock
  let adapter: ScriptedController
  let logger: RecordingLogger
  let host: HciHost
  beforeEach(async () => {
    clock = manualClock()
    logger = recordingLogger()
    adapter = scriptedController()
    host = createHciHost({ adapter, clock, logger })
    await host.start()
    adapter.clear()
  })
  afterEach(async () => {
    await stopHost(host, adapter, clock)
    expect(clock.pending, 'timers left').to.equal(0)
  })

  const advertising = async (): Promise<FakeLibrary> => {
    const library = fakeLibrary(host.stack('peripheral'))
    library.command(0x200a, '01')
    await settled()
    library.packets.length = 0
    return library
  }
  const connecting = async (): Promise<FakeLibrary> => {
    const library = fakeLibrary(host.stack('central'))
    library.command(0x200d, CREATE)
    await settled()
    library.packets.length = 0
    adapter.clear()
    return library
  }
  const disconnects = (): string[] =>
    adapter.commands.filter(({ opcode }) => opcode === 0x0406).map(({ parameters }) => parameters.toString('hex'))

  describe('whose they are', () => {
    it('an incoming one is of the library that enabled advertising last', async () => {
      const [first, second] = [await advertising(), await advertising()]
      const links: AclLink[] = []
      host.onLink((link) => links.push(link))
      adapter.tell(connected(0x40, 1, PEER))
      expect(first.packets).to.deep.equal([])
      expect(second.of('043e1301')).to.have.length(1)
      expect(links.map(({ peer, role }) => [peer.id, peer.type, role])).to.deep.equal([[PEER, 'public', 'peripheral']])
      expect(host.linkTo(PEER)).to.equal(links[0])
    })

    it('one that was asked for is of the library that asked, as is the failure of the attempt', async () => {
      const other = await advertising()
      const library = await connecting()
      adapter.tell(connected(0, 0, '000000000000', 0x3e))
      expect(library.of('043e13013e')).to.have.length(1)
      library.command(0x200d, CREATE)
      await settled()
      adapter.tell(connected(0x41, 0, PEER))
      expect(library.of('043e130100')).to.have.length(1)
      expect(other.packets).to.deep.equal([])
    })

    it('a refusal to begin reaches the one that asked', async () => {
      adapter.answers.set(0x200d, undefined)
      const library = await connecting()
      adapter.status(0x200d, 0x0c)
      expect(library.packets).to.deep.equal(['040f040c010d20'])
      library.command(0x200d, CREATE)
      expect(adapter.opcodes(), 'it may ask again').to.deep.equal([0x200d])
    })

    it('the enhanced form of the event is told in the form that all know', async () => {
      const library = await connecting()
      adapter.tell(`043e1f 0a 00 4000 00 01 020000eeffc0 000000000000 000000000000 1800 0000 2a00 00`)
      expect(library.packets).to.deep.equal(['043e13010040000001020000eeffc01800' + '00002a0000'])
      expect(host.links[0]!.peer.type).to.equal('random')
    })

    it('one that nobody asked for or has room for is ended, and advertising goes on', async () => {
      adapter.tell(connected(0x40, 0, PEER))
      adapter.tell(connected(0x41, 1, PEER))
      await settled()
      expect(disconnects()).to.deep.equal(['400014', '410014'])
      await host.stop()
      host = createHciHost({ adapter, clock, maxLinks: 1 })
      await host.start()
      const library = await advertising()
      adapter.tell(connected(0x40, 1, PEER))
      library.command(0x200a, '01')
      await settled()
      adapter.clear()
      adapter.tell(connected(0x41, 1, 'c0ffee000003'))
      await settled()
      expect(disconnects()).to.deep.equal(['410014'])
      expect(adapter.opcodes()).to.deep.equal([0x0406, 0x200a])
      expect(host.links).to.have.length(1)
    })

    it('of those that came and do nothing, one makes room for others that want to come', async () => {
      await host.stop()
      host = createHciHost({ adapter, clock, maxLinks: 2 })
      await host.start()
      await advertising()
      adapter.tell(connected(0x40, 1, PEER))
      await advertising()
      adapter.tell(connected(0x41, 1, 'c0ffee000003'))
      adapter.clear()
      const another = async (): Promise<void> => {
        await advertising()
        adapter.tell(connected(0x42, 1, 'c0ffee000004'))
        await settled()
      }
      await another()
      expect(disconnects(), 'they have just come').to.deep.equal(['420014'])
      await clock.advance(6_000)
      adapter.tell(pdu(0x40, 4, '0a0300'))
      await clock.advance(6_000)
      await another()
      expect(disconnects()).to.deep.equal(['420014', '420014', '410014'])
      expect(host.links.map(({ peer }) => peer.id)).to.deep.equal([PEER])
      adapter.tell(disconnected(0x42))
      adapter.tell(disconnected(0x41))
      await another()
      expect(host.links).to.have.length(2)
    })

    it('a handle that is given a second time ends the link that had it', async () => {
      await advertising()
      adapter.tell(connected(0x40, 1, PEER))
      const ends: (string | undefined)[] = []
      host.links[0]!.onClosed((error) => ends.push(errorCode(error)))
      adapter.tell(connected(0x40, 1, 'c0ffee000003'))
      expect(ends).to.deep.equal(['ERR_BLE_LINK_LOST'])
      expect(host.links.map(({ peer }) => peer.id)).to.deep.equal(['c0ffee000003'])
    })

    it('are made fast where the controller can: the longest packets, and by the central the 2M radio', async () => {
      await host.stop()
      adapter.answers.set(0x2003, '00 2001000000000000')
      await host.start()
      await advertising()
      await connecting()
      adapter.tell(connected(0x41, 0, PEER))
      adapter.tell(connected(0x40, 1, 'c0ffee000003'))
      await settled(10)
      expect(adapter.commands.map(({ opcode, parameters }) => [opcode, parameters.toString('hex')])).to.deep.equal([
        [0x2022, '4100fb004808'],
        [0x2032, '41000002020000'],
        [0x2022, '4000fb004808']
      ])
      const library = fakeLibrary(host.stack('central'))
      library.command(0x2003)
      await settled()
      expect(library.of('040e0c 01 0320 00'), 'libraries need not know').to.deep.equal(['040e0c010320000001000000000000'])
    })

    it('a peer that wants to encrypt with an old key is told that there is none', async () => {
      await advertising()
      adapter.tell(connected(0x40, 1, PEER))
      adapter.clear()
      adapter.tell('043e0d 05 4000 0000000000000000 0000')
      adapter.tell('043e0d 05 9900 0000000000000000 0000')
      await settled()
      expect(adapter.commands.map(({ opcode, parameters }) => [opcode, parameters.toString('hex')])).to.deep.equal([[0x201b, '4000']])
    })

    it('listeners that fail harm nobody', async () => {
      await advertising()
      host.onLink(() => {
        throw new Error('a listener failed')
      })
      const links: AclLink[] = []
      host.onLink((link) => links.push(link))
      adapter.tell(connected(0x40, 1, PEER))
      expect(links).to.have.length(1)
      let told = 0
      links[0]!.onClosed(() => {
        throw new Error('a listener failed')
      })
      links[0]!.onClosed(() => told++)
      const off = links[0]!.onClosed(() => (told += 10))
      off()
      adapter.tell(disconnected(0x40))
      expect(told).to.equal(1)
      links[0]!.onClosed(() => told++)
      expect(told, 'told at once when it is closed').to.equal(2)
    })

    it('their events reach their libraries only', async () => {
      const [server, client] = [await advertising(), await connecting()]
      adapter.tell(connected(0x41, 0, PEER))
      adapter.tell(connected(0x40, 1, 'c0ffee000003'))
      for (const library of [server, client]) library.packets.length = 0
      adapter.tell('043e0a 03 00 4000 1800 0000 2a00')
      adapter.tell('040804 00 4100 01')
      adapter.tell('043e0a 03 00 5500 1800 0000 2a00')
      adapter.tell(disconnected(0x40, 0x08))
      await settled()
      expect(server.packets).to.deep.equal(['043e0a0300400018000000' + '2a00', '04050400400008'])
      expect(client.packets).to.deep.equal(['04080400410001'])
    })
  })

  describe('advertisements', () => {
    const report = (data: string): string => {
      const bytes = data.replaceAll(' ', '')
      const length = bytes.length / 2
      return `043e ${Buffer.of(12 + length).toString('hex')} 02 01 00 00 020000eeffc0 ${Buffer.of(length).toString('hex')} ${bytes} c8`
    }

    it('reach the library that scans, when they are whole', async () => {
      const [library, other] = [fakeLibrary(host.stack('central')), await advertising()]
      adapter.tell(report('020106'))
      library.command(0x200c, '01 00')
      await settled()
      library.packets.length = 0
      adapter.tell(report('020106'))
      adapter.tell(report('020106 0309 4142 00'))
      for (const bad of ['0201', '05ff', '010a', '0216aa', '1f']) adapter.tell(report(bad))
      adapter.tell('043e0c 02 02 00 00 020000eeffc0 00 c8')
      adapter.tell('043e0c 02 00 00 00 020000eeffc0 00 c8')
      adapter.tell('043e04 02 01 00 00')
      expect(library.packets).to.have.length(2)
      expect(other.packets).to.deep.equal([])
    })

    it('come in bounded numbers, whatever is on the air', async () => {
      const library = fakeLibrary(host.stack('central'))
      library.command(0x200c, '01 00')
      await settled()
      library.packets.length = 0
      for (let count = 0; count < 5_000; count++) adapter.tell(report('020106'))
      expect(library.packets).to.have.length(200)
      await clock.advance(100)
      adapter.tell(report('020106'))
      expect(library.packets).to.have.length(201)
    })
  })

  describe('what travels over them', () => {
    it('reaches libraries as whole PDUs, however it came', async () => {
      const library = await advertising()
      adapter.tell(connected(0x40, 1, PEER))
      library.packets.length = 0
      const request = '0700 0400 100100ffff0028'
      adapter.tell(pdu(0x40, 4, '100100ffff0028'))
      adapter.tell(fragment(0x40, 0, request))
      adapter.tell(fragment(0x40, 2, request.slice(0, 4)))
      for (const byte of request.replaceAll(' ', '').slice(4).match(/../g)!) adapter.tell(fragment(0x40, 1, byte))
      expect(new Set(library.packets)).to.deep.equal(new Set(['02' + '4020' + '0b00' + '0700' + '0400' + '100100ffff0028']))
      expect(library.packets).to.have.length(3)
      expect(logger.entries.filter(({ level }) => level === 'warn')).to.deep.equal([])
    })

    it('goes out in packets of the controller, each PDU whole before the next', async () => {
      const library = await advertising()
      adapter.tell(connected(0x40, 1, PEER))
      library.packets.length = 0
      library.pdu(0x40, 4, '1b0300' + 'ab'.repeat(57))
      const sent = adapter.acl.map((packet) => [packet.readUInt16LE(1), packet.length - 5])
      expect(sent).to.deep.equal([
        [0x0040, 27],
        [0x1040, 27],
        [0x1040, 10]
      ])
      expect(Buffer.concat(adapter.acl.map((packet) => packet.subarray(5))).toString('hex')).to.equal('3c0004001b0300' + 'ab'.repeat(57))
      library.pdu(0x40, 4, '1b0300')
      expect(adapter.acl).to.have.length(4)
      await settled()
      expect(library.packets).to.deep.equal(['04130501' + '4000' + '0100', '04130501' + '4000' + '0100'])
    })

    it('is taken from a library in bounded numbers: then it is told when the controller got rid of a PDU', async () => {
      const library = await advertising()
      adapter.tell(connected(0x40, 1, PEER))
      library.packets.length = 0
      for (let count = 0; count < 140; count++) library.pdu(0x40, 4, '1b030001')
      await settled(140)
      expect(library.packets).to.have.length(128)
      for (let count = 0; count < 128; count++) adapter.tell(completed(0x40, 1))
      expect(library.packets).to.have.length(128)
      adapter.tell(completed(0x40, 4))
      expect(library.packets).to.have.length(132)
    })

    it('of a library that does not wait is dropped when too much of it waits', async () => {
      const library = await advertising()
      adapter.tell(connected(0x40, 1, PEER))
      for (let count = 0; count < 1_000; count++) library.pdu(0x40, 4, '1b030001')
      for (let count = 0; count < 1_000; count++) adapter.tell(completed(0x40, 1))
      expect(adapter.acl).to.have.length(256)
    })

    it('of a link keeps a buffer free for each that has none, so that those that stand still do not stop the others', async () => {
      const libraries = [await advertising()]
      adapter.tell(connected(0x40, 1, PEER))
      libraries.push(await advertising())
      adapter.tell(connected(0x41, 1, 'c0ffee000003'))
      libraries.push(await advertising())
      adapter.tell(connected(0x42, 1, 'c0ffee000004'))
      for (const [index, library] of libraries.entries()) for (let count = 0; count < 6; count++) library.pdu(0x40 + index, 4, '1b030001')
      expect(new Set(adapter.acl.map((packet) => packet.readUInt16LE(1) & 0xfff))).to.deep.equal(new Set([0x40, 0x41, 0x42]))
      expect(adapter.acl).to.have.length(4)
    })

    it('waits for the buffers of the controller, in turns', async () => {
      const [server, client] = [await advertising(), await connecting()]
      adapter.tell(connected(0x41, 0, PEER))
      adapter.tell(connected(0x40, 1, 'c0ffee000003'))
      for (let count = 0; count < 6; count++) client.pdu(0x41, 4, '52030001')
      for (let count = 0; count < 6; count++) server.pdu(0x40, 4, '1b030001')
      const handles = (): number[] => adapter.acl.map((packet) => packet.readUInt16LE(1) & 0xfff)
      expect(handles(), 'one link never takes the last buffer').to.deep.equal([0x41, 0x41, 0x41, 0x40])
      adapter.tell(completed(0x41, 2))
      expect(handles()).to.deep.equal([0x41, 0x41, 0x41, 0x40, 0x41, 0x40])
      adapter.tell(completed(0x40, 2))
      adapter.tell(completed(0x41, 2))
      expect(handles()).to.have.length(10)
      adapter.tell(disconnected(0x41))
      expect(
        handles().filter((handle) => handle === 0x40),
        'buffers of a link that is gone are free'
      ).to.have.length(6)
    })

    it('ends a link of which the controller gets rid of nothing, with an error and room for the others', async () => {
      const [server, client] = [await advertising(), await connecting()]
      adapter.tell(connected(0x41, 0, PEER))
      adapter.tell(connected(0x40, 1, 'c0ffee000003'))
      const errors: unknown[] = []
      host.linkTo(PEER)?.onClosed((error) => errors.push(error))
      // The event for the first of its packets was lost.
      for (let count = 0; count < 2; count++) client.pdu(0x41, 4, '52030001')
      server.pdu(0x40, 4, '1b030001')
      await clock.advance(20_000)
      adapter.tell(completed(0x41, 1))
      adapter.tell(completed(0x40, 1))
      await clock.advance(45_000)
      expect(disconnects(), 'one was completed meanwhile').to.deep.equal([])
      await clock.advance(1_000)
      expect(disconnects()).to.deep.equal(['410013'])
      adapter.tell(disconnected(0x41, 0x16))
      expect(errors.map(errorCode)).to.deep.equal(['ERR_BLE_LINK_LOST'])
      expect(String(errors[0])).to.contain('nothing could be sent for 33 seconds')
      await clock.advance(60_000)
      expect(host.linkTo('c0ffee000003')?.closed).to.equal(false)
    })

    it('is cut to what was sent when a controller completes more, or for handles that there are not', async () => {
      const library = await advertising()
      adapter.tell(connected(0x40, 1, PEER))
      library.packets.length = 0
      adapter.tell(completed(0x40, 65_535))
      adapter.tell(completed(0x99, 3))
      for (let count = 0; count < 12; count++) library.pdu(0x40, 4, '1b030001')
      expect(adapter.acl).to.have.length(4)
      adapter.tell(completed(0x40, 65_535))
      expect(adapter.acl).to.have.length(8)
    })

    it('is ignored when the controller declares another length than it has', async () => {
      const library = await advertising()
      adapter.tell(connected(0x40, 1, PEER))
      library.packets.length = 0
      adapter.tell('024020 0800 0300 0400 0a0300')
      adapter.tell('024020 0600 0300 0400 0a0300')
      adapter.tell(pdu(0x40, 4, '0a0300'))
      expect(library.packets).to.have.length(1)
    })

    it('is dropped when the library does not have the link', async () => {
      const [library, other] = [await advertising(), await connecting()]
      adapter.tell(connected(0x40, 1, 'c0ffee000003'))
      other.pdu(0x40, 4, '1b030001')
      library.pdu(0x99, 4, '1b030001')
      library.write('024000')
      expect(adapter.acl).to.deep.equal([])
    })
  })

  describe('a peer that breaks the rules', () => {
    const offences: ReadonlyArray<readonly [string, string]> = [
      ['a request of one byte', pdu(0x40, 4, '0a')],
      ['an MTU request of one byte', pdu(0x40, 4, '02')],
      ['a write request of one byte', pdu(0x40, 4, '12')],
      ['an empty ATT PDU', pdu(0x40, 4, '')],
      ['a notification of one byte', pdu(0x40, 4, '1b')],
      ['an empty security manager PDU', pdu(0x40, 6, '')],
      ['a pairing confirm of one byte', pdu(0x40, 6, '03')],
      ['an empty signalling PDU', pdu(0x40, 5, '')],
      ['a parameter update request of one byte', pdu(0x40, 5, '12')],
      ['a parameter update request that is too short', pdu(0x40, 5, '1201 0400 06000600')],
      ['a continuation of nothing', fragment(0x40, 1, 'aabb')],
      ['more than was declared', fragment(0x40, 2, '0100 0400 0a0b')],
      ['a PDU that is too long', fragment(0x40, 2, 'ff7f 0400 0a')],
      ['a PDU that is too long, in one packet', pdu(0x40, 4, '00'.repeat(1025))],
      ['the rest of a PDU, and more', fragment(0x40, 2, '0300 0400 0a') + '/' + fragment(0x40, 1, '0300 00')],
      ['a PDU inside of another', fragment(0x40, 2, '0300 0400 0a') + '/' + fragment(0x40, 2, '0300 0400 0a0100')]
    ]
    for (const [what, packets] of offences) {
      it(`is cut off: ${what}; others are not`, async () => {
        const library = await advertising()
        adapter.tell(connected(0x40, 1, PEER))
        const good = await advertising()
        adapter.tell(connected(0x41, 1, 'c0ffee000003'))
        for (const one of [library, good]) one.packets.length = 0
        const ends: (string | undefined)[] = []
        host.linkTo(PEER)!.onClosed((error) => ends.push(errorCode(error)))
        for (const packet of packets.split('/')) adapter.tell(packet)
        expect(host.linkTo(PEER), 'cut at once').to.equal(undefined)
        adapter.tell(pdu(0x40, 4, '0a0300'))
        adapter.tell(pdu(0x40, 4, '0a'))
        adapter.tell(pdu(0x41, 4, '0a0300'))
        await settled()
        expect(library.packets, 'reached the library').to.deep.equal([])
        expect(good.of('024120')).to.have.length(1)
        expect(disconnects()).to.deep.equal(['400013'])
        adapter.tell(disconnected(0x40, 0x16))
        await settled()
        expect(ends).to.deep.equal(['ERR_BLE_PROTOCOL'])
        expect(library.of('040504')).to.have.length(1)
        expect(logger.entries.filter(({ level }) => level === 'warn')).to.have.length(1)
      })
    }

    it('is cut off when the library above fails over it, and the library lives', async () => {
      const library = fakeLibrary(host.stack('peripheral'), (packet) => {
        if (packet[0] === 2) throw new RangeError('out of range')
      })
      library.command(0x200a, '01')
      await settled()
      adapter.tell(connected(0x40, 1, PEER))
      adapter.tell(pdu(0x40, 4, '0a0300'))
      await settled()
      expect(disconnects()).to.deep.equal(['400013'])
      library.command(0x1001)
      await settled()
      expect(library.of('040e')).to.have.length(2)
    })

    it('is cut off when it asks without waiting for answers', async () => {
      const library = await advertising()
      adapter.tell(connected(0x40, 1, PEER))
      for (let count = 0; count < 4; count++) adapter.tell(pdu(0x40, 4, '0a0300'))
      for (let count = 0; count < 4; count++) library.pdu(0x40, 4, '0b01')
      for (let count = 0; count < 4; count++) adapter.tell(pdu(0x40, 4, '0a0300'))
      await settled()
      expect(disconnects()).to.deep.equal([])
      adapter.tell(pdu(0x40, 4, '0a0300'))
      await settled()
      expect(disconnects()).to.deep.equal(['400013'])
      expect(library.of('024020')).to.have.length(8)
    })

    it('is given up on when the controller does not end the link', async () => {
      await advertising()
      adapter.tell(connected(0x40, 1, PEER))
      let ended = 0
      host.linkTo(PEER)!.onClosed(() => ended++)
      host.linkTo(PEER)!.disconnect()
      await clock.advance(39_000)
      expect(ended).to.equal(0)
      await clock.advance(1_000)
      expect(ended).to.equal(1)
    })
  })

  describe('answers of a peer', () => {
    const open = async (): Promise<FakeLibrary> => {
      const library = await connecting()
      adapter.tell(connected(0x40, 0, PEER))
      library.packets.length = 0
      return library
    }

    it('have their MTU cut to what the libraries can', async () => {
      const library = await open()
      library.pdu(0x40, 4, '020001')
      adapter.tell(pdu(0x40, 4, '030502'))
      await settled()
      expect(library.of('024020')).to.deep.equal(['0240200700030004' + '00' + '030001'])
      library.pdu(0x40, 4, '020001')
      await settled()
      expect(library.of('024020'), 'asked again on the same link, the peer is not').to.have.length(2)
      expect(adapter.acl).to.have.length(1)
    })

    it('that nobody waits for are dropped, others than were asked for are not put up with', async () => {
      const library = await open()
      adapter.tell(pdu(0x40, 4, '0b01'))
      adapter.tell(pdu(0x40, 4, '010a030001'))
      library.pdu(0x40, 4, '0a0300')
      adapter.tell(pdu(0x40, 4, '0110030001'))
      await settled()
      expect(library.of('024020')).to.deep.equal([])
      expect(disconnects()).to.deep.equal([])
      adapter.tell(pdu(0x40, 4, '13'))
      await settled()
      expect(disconnects()).to.deep.equal(['400013'])
    })

    it('end a long value where values end, whatever the peer has', async () => {
      const library = await open()
      library.pdu(0x40, 4, '0c03000002')
      adapter.tell(pdu(0x40, 4, '0d01'))
      await settled()
      expect(adapter.acl).to.have.length(1)
      expect(library.of('024020')).to.deep.equal(['0240200600020004000d01'])
      library.pdu(0x40, 4, '0c03000102')
      await settled()
      expect(adapter.acl, 'the peer is not asked').to.have.length(1)
      expect(library.of('024020').at(-1)).to.equal('024020090005000400' + '010c030007')
    })

    const listings: ReadonlyArray<readonly [string, string, string]> = [
      ['services whose size is 0', '100100ffff0028', '1100 01000500 0018'],
      ['characteristics whose size is 0', '080100ffff0328', '0900 0200 02 0300 002a'],
      ['values of one byte, handle included', '080100ffff002a', '0901 02030405'],
      ['characteristics of another size', '080100ffff0328', '0905 0200 02 0300'],
      ['services before the ones asked for', '100500ffff0028', '1106 01000400 0018'],
      ['services that end before they begin', '100100ffff0028', '1106 05000400 0018'],
      ['characteristics whose value is before them', '080100ffff0328', '0907 0200 02 0100 002a'],
      ['descriptors that do not rise', '040100ffff', '0501 0200 0029 0200 0229'],
      ['descriptors of no format', '040100ffff', '0503 0200 0029']
    ]
    for (const [what, request, answer] of listings) {
      it(`that list ${what} are not put up with`, async () => {
        const library = await open()
        library.pdu(0x40, 4, request)
        adapter.tell(pdu(0x40, 4, answer))
        await settled()
        expect(library.of('024020')).to.deep.equal([])
        expect(disconnects()).to.deep.equal(['400013'])
      })
    }

    it('to requests for other parameters of who connected do not pile up for a device that takes none', async () => {
      await advertising()
      adapter.tell(connected(0x40, 1, PEER))
      await settled()
      adapter.clear()
      for (let count = 0; count < 250; count++) adapter.tell(pdu(0x40, 5, '1207 0800 0600 1200 0000 c800'))
      expect(disconnects(), 'as many as may wait').to.deep.equal([])
      for (let count = 0; count < 50; count++) adapter.tell(pdu(0x40, 5, '1207 0800 0600 1200 0000 c800'))
      expect(disconnects()).to.deep.equal(['400013'])
    })

    it('to wrong requests for other parameters are given here where the library gives none', async () => {
      const library = await open()
      adapter.tell(pdu(0x40, 5, '1207 0800 0600 1200 0000 c800'))
      expect(library.of('024020'), 'the library is asked').to.have.length(1)
      await clock.advance(200)
      expect(adapter.acl.map((packet) => packet.subarray(9).toString('hex'))).to.deep.equal(['130702000000'])
      expect(adapter.commands.map(({ opcode, parameters }) => [opcode, parameters.toString('hex')])).to.deep.equal([
        [0x2013, '4000060012000000c80000000000']
      ])
      adapter.clear()
      adapter.tell(pdu(0x40, 5, '1208 0800 0600 0500 0000 c800'))
      await clock.advance(200)
      expect(
        adapter.acl.map((packet) => packet.subarray(9).toString('hex')),
        'parameters that cannot be'
      ).to.deep.equal(['130802000100'])
      expect(adapter.commands).to.deep.equal([])
      adapter.clear()
      adapter.tell(pdu(0x40, 5, '1209 0800 0600 1200 0000 c800'))
      library.pdu(0x40, 5, '130902000000')
      await clock.advance(200)
      expect(adapter.acl, 'answered by the library').to.have.length(1)
    })
  })
})

import { expect } from 'chai'
import { manualClock, type ManualClock } from '@kithmesh/testkit'
import { createHciHost } from '../../dist/hci/create-hci-host.js'
import type { HciHost } from '../../dist/hci/hci-host.js'
import { fakeLibrary, settled, type FakeLibrary } from './support/fake-library.ts'
import { stopHost } from './support/stop-host.ts'
import { connected, disconnected, pdu, scriptedController, type ScriptedController } from './support/scripted-controller.ts'

const PEER = 'c0ffee000002'
const CREATE = '6000 3000 00 00 020000eeffc0 00 0600 1200 0000 2a00 0400 0600'

describe('one link for both directions', () => {
  let clock: ManualClock
  let adapter: ScriptedController
  let host: HciHost
  let server: FakeLibrary
  let client: FakeLibrary
  beforeEach(async () => {
    clock = manualClock()
    adapter = scriptedController()
    host = createHciHost({ adapter, clock })
    await begin()
  })
  const begin = async (): Promise<void> => {
    await host.start()
    server = fakeLibrary(host.stack('peripheral'))
    client = fakeLibrary(host.stack('central'))
    server.command(0x200a, '01')
    await settled()
    forget()
  }
  afterEach(async () => {
    await stopHost(host, adapter, clock)
    expect(clock.pending, 'timers left').to.equal(0)
  })
  const forget = (): void => {
    adapter.clear()
    server.packets.length = client.packets.length = 0
  }
  const incoming = async (): Promise<void> => {
    adapter.tell(connected(0x40, 1, PEER))
    client.command(0x200d, CREATE)
    await settled()
  }
  const outgoing = async (): Promise<void> => {
    client.command(0x200d, CREATE)
    await settled()
    adapter.tell(connected(0x40, 0, PEER))
  }

  it('a library that connects to a peer which is connected gets that link, as if it had made it', async () => {
    await incoming()
    expect(adapter.opcodes()).to.deep.equal([])
    expect(client.packets).to.deep.equal(['040f0400010d20', '043e13010040000000020000eeffc0180000002a0000'])
    client.command(0x200d, CREATE)
    await settled()
    expect(client.of('040f040b')).to.have.length(1)
  })

  it('the ATT of both is told apart: requests are for the server, answers and notifications for the client', async () => {
    await incoming()
    forget()
    adapter.tell(pdu(0x40, 4, '0a0300'))
    adapter.tell(pdu(0x40, 4, '1b030001'))
    client.pdu(0x40, 4, '0a0300')
    server.pdu(0x40, 4, '0b77')
    adapter.tell(pdu(0x40, 4, '0b01'))
    await settled()
    expect(server.of('024020')).to.deep.equal(['024020070003000400' + '0a0300'])
    expect(client.of('024020')).to.deep.equal(['024020080004000400' + '1b030001', '024020060002000400' + '0b01'])
    expect(adapter.acl).to.have.length(2)
  })

  it('a peer that was connected to may ask, too: it gets the server that advertises', async () => {
    await outgoing()
    forget()
    adapter.tell(pdu(0x40, 4, '0a0300'))
    expect(server.packets).to.deep.equal(['043e13010040000100020000eeffc0180000002a0000', '0240200700030004000a0300'])
    expect(client.packets).to.deep.equal([])
  })

  it('what it asks waits while the only server is taken, until the next one advertises, and has what it serves', async () => {
    const other = fakeLibrary(host.stack('peripheral'))
    await outgoing()
    adapter.tell(connected(0x41, 1, 'c0ffee000003'))
    forget()
    adapter.tell(pdu(0x40, 4, '0a0300'))
    adapter.tell(pdu(0x40, 4, '52030001'))
    await settled()
    expect([server.packets, other.packets, client.packets]).to.deep.equal([[], [], []])
    other.command(0x200a, '01')
    await settled()
    await settled()
    expect(server.packets).to.deep.equal([])
    expect(other.of('043e13')).to.deep.equal(['043e13010040000100020000eeffc0180000002a0000'])
    expect(other.of('024020')).to.deep.equal(['0240200700030004000a0300', '02402008000400040052030001'])
    expect(client.packets).to.deep.equal([])
  })

  it('what it asks does not wait for ever: it is told that there is no room', async () => {
    await outgoing()
    adapter.tell(connected(0x41, 1, 'c0ffee000003'))
    forget()
    adapter.tell(pdu(0x40, 4, '020001'))
    await clock.advance(4_000)
    expect(adapter.acl.map((packet) => packet.toString('hex'))).to.deep.equal(['0240000900050004000102000011'])
    expect([server.packets, client.packets]).to.deep.equal([[], []])
  })

  it('a server that was taken in this way gets no second central that comes before it has stopped to advertise', async () => {
    await outgoing()
    adapter.tell(pdu(0x40, 4, '0a0300'))
    forget()
    adapter.tell(connected(0x41, 1, 'c0ffee000003'))
    expect(server.packets).to.deep.equal([])
    expect(host.links).to.have.length(2)
    adapter.tell(pdu(0x41, 4, '0a0500'))
    server.command(0x200a, '01')
    await settled()
    await settled()
    expect(server.of('024120')).to.deep.equal(['0241200700030004000a0500'])
  })

  it('is asked nothing of where there is no server: the client answers that', async () => {
    await host.stop()
    host = createHciHost({ adapter, clock })
    await host.start()
    client = fakeLibrary(host.stack('central'))
    await outgoing()
    adapter.tell(pdu(0x40, 4, '0a0300'))
    expect(client.of('024020')).to.have.length(1)
  })

  it('a client that leaves a link which the peer made does not end it', async () => {
    await incoming()
    forget()
    client.command(0x0406, '4000 13')
    await settled()
    expect(client.packets).to.deep.equal(['040f0400010604', '04050400400016'])
    expect(adapter.opcodes()).to.deep.equal([])
    adapter.tell(pdu(0x40, 4, '1b030001'))
    await clock.advance(60_000)
    expect(client.packets).to.have.length(2)
    expect(host.linkTo(PEER)?.closed).to.equal(false)
    adapter.tell(disconnected(0x40))
    await settled()
    expect(server.of('040504')).to.have.length(1)
    expect(client.packets).to.have.length(2)
  })

  it('a client that leaves its own link ends it, at once or when the peer asks no more', async () => {
    await outgoing()
    client.command(0x0406, '4000 13')
    expect(adapter.opcodes()).to.deep.equal([0x200d, 0x0406])
    adapter.tell(disconnected(0x40, 0x16))
    await settled()
    await outgoing()
    adapter.tell(pdu(0x40, 4, '0a0300'))
    forget()
    client.command(0x0406, '4000 13')
    await settled()
    expect(adapter.opcodes()).to.deep.equal([])
    expect(client.of('040504')).to.have.length(1)
    await clock.advance(3_000)
    server.pdu(0x40, 4, '0b77')
    adapter.tell(pdu(0x40, 4, '0a0300'))
    await clock.advance(3_000)
    expect(adapter.opcodes(), 'it asked').to.deep.equal([])
    await clock.advance(3_000)
    expect(adapter.opcodes()).to.deep.equal([0x0406])
  })

  it('its own link stays while streams hold it, however quiet they are', async () => {
    await outgoing()
    const [release, other] = [host.linkTo(PEER)!.hold(), host.linkTo(PEER)!.hold()]
    forget()
    client.command(0x0406, '4000 13')
    await clock.advance(60_000)
    release()
    release()
    await clock.advance(60_000)
    expect(adapter.opcodes()).to.deep.equal([])
    other()
    await clock.advance(3_000)
    expect(adapter.opcodes()).to.deep.equal([0x0406])
  })

  it('its own link that nobody uses ends when it is told to', async () => {
    await host.stop()
    host = createHciHost({ adapter, clock, idleMs: 60_000 })
    await begin()
    await outgoing()
    const release = host.linkTo(PEER)!.hold()
    forget()
    client.command(0x0406, '4000 13')
    await clock.advance(60_000)
    release()
    await clock.advance(59_999)
    expect(adapter.opcodes()).to.deep.equal([])
    await clock.advance(1)
    expect(adapter.opcodes()).to.deep.equal([0x0406])
  })

  it('two that connect to each other at once get one link', async () => {
    adapter.answers.set(0x200e, undefined)
    client.command(0x200d, CREATE)
    await settled()
    adapter.tell(connected(0x40, 1, PEER))
    expect(server.of('043e1301004000' + '01')).to.have.length(1)
    expect(client.of('043e1301004000' + '00')).to.have.length(1)
    expect(adapter.opcodes(), 'the own attempt is given up').to.deep.equal([0x200d, 0x200e])
    adapter.complete(0x200e, '00')
    adapter.tell(connected(0, 0, '000000000000', 0x02))
    await settled()
    expect(client.of('043e1301'), 'and its end told to nobody').to.have.length(1)
    expect(host.links).to.have.length(1)
    client.command(0x200d, CREATE.replace('02', '03'))
    await settled()
    expect(adapter.opcodes().at(-1), 'others can be connected to').to.equal(0x200d)
  })

  it('a library whose attempt was given up, and its end lost on the way, can connect again', async () => {
    client.command(0x200d, CREATE)
    await settled()
    // The controller says that it gives up, and its Connection Complete never comes.
    client.command(0x200e, '')
    await settled()
    forget()
    adapter.answers.set(0x200e, '0c')
    client.command(0x200d, CREATE)
    await settled()
    expect(client.of('040f040c'), 'not yet').to.have.length(1)
    expect(adapter.opcodes(), 'the controller is asked whether there is one').to.deep.equal([0x200e])
    await outgoing()
    expect(adapter.opcodes()).to.deep.equal([0x200e, 0x200d])
    expect(client.of('043e1301004000')).to.have.length(1)
  })

  it('an attempt under way is touched neither by another one of its library nor by that of another library', async () => {
    client.command(0x200d, CREATE)
    await settled()
    client.command(0x200d, CREATE.replace('02', '03'))
    await settled()
    expect(client.of('040f040c')).to.have.length(1)
    const other = fakeLibrary(host.stack('central'))
    other.command(0x200d, CREATE.replace('02', '03'))
    await settled()
    expect(other.of('040f040c')).to.have.length(1)
    expect(adapter.opcodes()).to.deep.equal([0x200d])
    adapter.tell(connected(0x40, 0, PEER))
    expect(client.of('043e1301004000')).to.have.length(1)
  })

  it('a library that is released leaves its links to those that use them', async () => {
    const stack = host.stack('peripheral')
    const other = fakeLibrary(stack)
    other.command(0x200a, '01')
    await settled()
    await incoming()
    forget()
    stack.release()
    await settled()
    expect(host.linkTo(PEER)?.closed).to.equal(false)
    expect(adapter.opcodes()).to.deep.equal([])
  })
})

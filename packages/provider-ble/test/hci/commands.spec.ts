import { expect } from 'chai'
import { manualClock, type ManualClock } from '@kithmesh/testkit'
import { createHciHost } from '../../dist/hci/create-hci-host.js'
import type { HciHost } from '../../dist/hci/hci-host.js'
import { fakeLibrary, settled, type FakeLibrary } from './support/fake-library.ts'
import { stopHost } from './support/stop-host.ts'
import { connected, scriptedController, type ScriptedController } from './support/scripted-controller.ts'

describe('commands of libraries', () => {
  let clock: ManualClock
  let adapter: ScriptedController
  let host: HciHost
  beforeEach(async () => {
    clock = manualClock()
    adapter = scriptedController()
    host = createHciHost({ adapter, clock })
    await host.start()
    adapter.clear()
  })
  afterEach(async () => {
    await stopHost(host, adapter, clock)
  })
  const central = (): FakeLibrary => fakeLibrary(host.stack('central'))
  const peripheral = (): FakeLibrary => fakeLibrary(host.stack('peripheral'))

  it('are answered to the one that gave them, and never while it is writing', async () => {
    const [one, other] = [central(), peripheral()]
    one.command(0x200b, '01 1200 1200 00 00')
    one.command(0x1001)
    expect(one.packets).to.deep.equal([])
    await settled()
    expect(one.packets.toSorted()).to.deep.equal(['040e04010b2000', '040e0c0101100009000009ffff0000'].toSorted())
    expect(other.packets).to.deep.equal([])
  })

  it('wait for their turn: no more are sent than the controller grants', async () => {
    for (const opcode of [0x200b, 0x2008, 0x2009]) adapter.answers.set(opcode, undefined)
    const library = central()
    library.command(0x200b, '01 1200 1200 00 00')
    library.command(0x2008)
    library.command(0x2009)
    expect(adapter.opcodes()).to.deep.equal([0x200b])
    adapter.grant = 0
    adapter.complete(0x200b, '00')
    expect(adapter.opcodes(), 'a controller that grants nothing and has nothing to answer').to.deep.equal([0x200b, 0x2008])
    adapter.complete(0x2008, '00')
    expect(adapter.opcodes()).to.deep.equal([0x200b, 0x2008, 0x2009])
    adapter.grant = 2
    adapter.complete(0x2009, '00')
    library.command(0x200b, '01 1200 1200 00 00')
    library.command(0x2008)
    library.command(0x2009)
    expect(adapter.opcodes()).to.deep.equal([0x200b, 0x2008, 0x2009, 0x200b, 0x2008])
  })

  it('are granted by an answer to no command, too', () => {
    adapter.answers.set(0x200b, undefined)
    const library = central()
    library.command(0x200b, '01 1200 1200 00 00')
    library.command(0x2008)
    adapter.tell('040e03 02 0000')
    expect(adapter.opcodes()).to.deep.equal([0x200b, 0x2008])
  })

  it('are answered once, however often the controller answers', async () => {
    adapter.answers.set(0x200b, undefined)
    const library = central()
    library.command(0x200b, '01 1200 1200 00 00')
    for (let times = 0; times < 3; times++) adapter.complete(0x200b, '00')
    await settled()
    expect(library.packets).to.deep.equal(['040e0401' + '0b2000'])
  })

  it('are answered with an error when too many wait', async () => {
    adapter.answers.set(0x200b, undefined)
    const library = central()
    for (let count = 0; count < 300; count++) library.command(0x200b, '01 1200 1200 00 00')
    await settled(60)
    expect(library.of('040e04 01 0b20 07')).to.have.length(300 - 256 - 1)
    expect(adapter.commands).to.have.length(1)
  })

  it('that reset the controller are answered without doing so', async () => {
    const library = central()
    library.command(0x200c, '01 00')
    await settled()
    adapter.clear()
    library.command(0x0c03)
    await settled()
    expect(adapter.opcodes(), 'what the library had running is stopped').to.deep.equal([0x200c])
    expect(library.of('040e04 01 030c 00')).to.have.length(1)
  })

  it('that set masks add to what others need', async () => {
    const library = central()
    library.command(0x2001, '1f00000000000000')
    library.command(0x0c01, '0000000000000020')
    await settled()
    expect(adapter.commands).to.deep.equal([])
    library.command(0x2001, '0010000000000000')
    await settled()
    expect(adapter.commands.map(({ opcode, parameters }) => [opcode, parameters.toString('hex')])).to.deep.equal([
      [0x2001, '5f10000000000000']
    ])
    expect(library.of('040e04 01 0120 00')).to.have.length(2)
  })

  it('that ask what is known are answered from there, whatever the controller has', async () => {
    const library = central()
    for (const opcode of [0x2002, 0x1005, 0x2003, 0x0c6c, 0x0c6d]) library.command(opcode, opcode === 0x0c6d ? '0100' : '')
    await settled(10)
    expect(adapter.commands).to.deep.equal([])
    expect(library.of('040e07 01 0220 00')).to.deep.equal(['040e070102200000' + '0410'])
    expect(library.of('040e0b 01 0510 00')).to.have.length(1)
  })

  it('do not touch links of others', async () => {
    const [one, other] = [peripheral(), central()]
    one.command(0x200a, '01')
    await settled()
    adapter.tell(connected(0x40, 1, 'c0ffee000002'))
    adapter.clear()
    other.command(0x0406, '4000 13')
    other.command(0x1405, '4000')
    other.command(0x2013, '4000 0600 0600 0000 0a00 0000 0000')
    await settled()
    expect(adapter.commands).to.deep.equal([])
    expect(other.packets).to.deep.equal(['040f04020106' + '04', '040e0701051402' + '400000', '040f0402011320'])
    one.command(0x1405, '4000')
    await settled()
    expect(adapter.opcodes()).to.deep.equal([0x1405])
    expect(one.of('040e07 01 0514'), 'a result that is too short is filled').to.deep.equal(['040e0701051400000000'])
  })

  it('beginning to advertise once more succeeds, whatever the controller thinks of it', async () => {
    const one = peripheral()
    adapter.answers.set(0x200a, '0c')
    one.command(0x200a, '01')
    await settled()
    expect(one.packets, 'it is not advertising').to.deep.equal(['040e04010a200c'])
    adapter.answers.set(0x200a, '00')
    one.command(0x200a, '01')
    await settled()
    adapter.answers.set(0x200a, '0c')
    one.packets.length = 0
    one.command(0x200a, '01')
    await settled()
    expect(one.packets).to.deep.equal(['040e04010a2000'])
  })

  it('to stop what another library runs are answered without doing so', async () => {
    const [one, other] = [peripheral(), peripheral()]
    one.command(0x200a, '01')
    await settled()
    adapter.clear()
    other.command(0x200a, '00')
    other.command(0x2006, '2000 2000 00 00 00 000000000000 07 00')
    await settled()
    expect(adapter.commands).to.deep.equal([])
    expect(other.packets).to.deep.equal(['040e04010a2000', '040e0401062000'])
    one.command(0x200a, '00')
    await settled()
    expect(adapter.opcodes()).to.deep.equal([0x200a])
  })

  it('are forgotten with the library that gave them', async () => {
    adapter.answers.set(0x200b, undefined)
    const stack = host.stack('central')
    const library = fakeLibrary(stack)
    library.command(0x200c, '01 00')
    await settled()
    library.command(0x200b, '01 1200 1200 00 00')
    library.command(0x2008)
    library.packets.length = 0
    adapter.clear()
    stack.release()
    stack.release()
    adapter.complete(0x200b, '00')
    await settled()
    expect(adapter.opcodes(), 'its scan is ended').to.deep.equal([0x200c])
    expect(library.packets).to.deep.equal([])
    library.command(0x1001)
    await settled()
    expect(library.packets).to.deep.equal([])
    expect(library.socket.isDevUp()).to.equal(false)
  })

  it('that are no commands are ignored', async () => {
    const library = central()
    for (const hex of ['', '01', '0101', '010120ff00', '02', '0240', '0900', '04ff00']) library.write(hex)
    await settled()
    expect(adapter.commands).to.deep.equal([])
    expect(library.packets).to.deep.equal([])
  })

  it('reach a controller that is shared without its masks being changed, and connect by the kernel', async () => {
    await host.stop()
    host = createHciHost({ adapter, clock, l2cap: false })
    await host.start()
    adapter.clear()
    adapter.answers.set(0x200d, undefined)
    const library = fakeLibrary(host.stack('central'))
    library.command(0x0c01, 'ffffffffffffffff')
    library.command(0x2001, 'ffffffffffffffff')
    library.command(0x200d, '6000 3000 00 00 020000eeffc0 00 0600 1200 0000 2a00 0400 0600')
    await settled()
    expect(adapter.opcodes()).to.deep.equal([0x200d])
    expect(library.of('040f04 00 01 0d20')).to.have.length(1)
    await clock.advance(10_000)
    adapter.tell(connected(0x39, 0, 'c0ffee000009'))
    adapter.tell(connected(0x38, 1, 'c0ffee000008'))
    expect(host.links, 'those of the system').to.deep.equal([])
    adapter.tell(connected(0x40, 0, 'c0ffee000002'))
    await settled()
    expect(library.of('043e1301')).to.have.length(1)
    expect(host.links).to.have.length(1)
    expect(adapter.opcodes(), 'nothing is tuned').to.deep.equal([0x200d])
  })
})

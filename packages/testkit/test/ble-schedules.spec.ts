import { expect } from 'chai'
import fc from 'fast-check'
import { AirFixture } from './ble-fixture.ts'
import type { HandHost } from './ble-host.ts'

const DEVICES = 4
const device = fc.nat(DEVICES - 1)
const step = fc.oneof(
  fc.record({ do: fc.constant('advertise' as const), a: device }),
  fc.record({ do: fc.constant('silence' as const), a: device }),
  fc.record({ do: fc.constant('connect' as const), a: device, b: device }),
  fc.record({ do: fc.constant('cancel' as const), a: device }),
  fc.record({ do: fc.constant('disconnect' as const), a: device, which: fc.nat(3) }),
  fc.record({ do: fc.constant('send' as const), a: device, which: fc.nat(3), octets: fc.integer({ min: 4, max: 60 }) }),
  fc.record({ do: fc.constant('separate' as const), a: device, b: device }),
  fc.record({ do: fc.constant('join' as const), a: device, b: device }),
  fc.record({ do: fc.constant('reset' as const), a: device }),
  fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 1500 }) })
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

/** What one host knows of its links: what it was told of, minus what it was told had ended. */
class Books {
  readonly open = new Map<number, string>()
  sent = 0
  completed = 0

  constructor(host: HandHost) {
    host.onPacket = (packet) => {
      const code = packet[1]
      if (packet[0] !== 4) return
      if (code === 0x3e && packet[3] === 1 && packet[4] === 0) {
        const handle = packet.readUInt16LE(5)
        expect(this.open.has(handle), 'a handle in use given out again').to.equal(false)
        this.open.set(handle, Buffer.from(packet.subarray(9, 15)).reverse().toString('hex'))
      } else if (code === 0x05) {
        expect(this.open.delete(packet.readUInt16LE(4)), 'an end of a link that there is not').to.equal(true)
      } else if (code === 0x13) this.completed += packet.readUInt16LE(6)
    }
  }

  pick(which: number): number | undefined {
    return [...this.open.keys()][which % Math.max(1, this.open.size)]
  }
}

async function play(fixture: AirFixture, hosts: readonly HandHost[], books: Books[], one: Step): Promise<void> {
  const { air, clock } = fixture
  if (one.do === 'wait') return await clock.advance(one.ms)
  const host = hosts[one.a] as HandHost
  const controller = fixture.of(host)
  const own = books[one.a] as Books
  switch (one.do) {
    case 'advertise':
      if (!controller.advertising) await host.advertise()
      return
    case 'silence':
      return void (await host.command(0x200a, Uint8Array.of(0)))
    case 'connect':
      if (one.a !== one.b) await host.connect(fixture.of(hosts[one.b] as HandHost).address.id, { timeout: 50 })
      return
    case 'cancel':
      return void (await host.command(0x200e))
    case 'disconnect': {
      const handle = own.pick(one.which)
      if (handle !== undefined) await host.disconnect(handle)
      return
    }
    case 'send': {
      const handle = own.pick(one.which)
      // Ends of links make it impossible to count exactly, so a test host of few packets stays far below what there is room for.
      if (handle !== undefined && own.sent - own.completed < 8) {
        own.sent++
        host.send(handle, Buffer.alloc(one.octets))
      }
      return
    }
    case 'separate':
      if (one.a !== one.b) air.separate(controller, fixture.of(hosts[one.b] as HandHost))
      return
    case 'join':
      if (one.a !== one.b) air.join(controller, fixture.of(hosts[one.b] as HandHost))
      return
    case 'reset':
      own.open.clear()
      await host.command(0x0c03)
      await host.command(0x0c01, Buffer.alloc(8, 0xff))
      await host.command(0x2001, Buffer.alloc(8, 0xff))
  }
}

/** At most one link for each pair, and each host knows exactly what its controller has. */
function check(fixture: AirFixture, books: readonly Books[]): void {
  fixture.controllers.forEach((controller, index) => {
    const peers = controller.links.map(({ peer }) => peer.id)
    expect(new Set(peers).size, `one link for each pair at ${controller.address.id}`).to.equal(peers.length)
    expect(new Map(controller.links.map(({ handle, peer }) => [handle, peer.id]))).to.deep.equal(books[index]?.open)
  })
}

describe('random schedules on a virtual air', () => {
  it('never leave a link dangling, and never make two between the same pair', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
        const fixture = new AirFixture()
        const hosts: HandHost[] = []
        for (let count = 0; count < DEVICES; count++) hosts.push(await fixture.host({ fragments: 27, aclCount: 8 }))
        const books = hosts.map((host) => new Books(host))
        for (const one of steps) {
          await play(fixture, hosts, books, one)
          await fixture.settle()
          check(fixture, books)
        }
        for (const controller of fixture.controllers) {
          fixture.air.join(controller)
          expect(controller.violations).to.deep.equal([])
        }
        for (const host of hosts) {
          await host.command(0x200a, Uint8Array.of(0))
          await host.command(0x200e)
        }
        // Whatever one side alone still knew of is over when the longest supervision timeout is.
        await fixture.clock.advance(1001)
        check(fixture, books)
        for (const controller of fixture.controllers) {
          for (const { peer } of controller.links) {
            const other = fixture.controllers.find(({ address }) => address.id === peer.id)
            expect(other?.links.map((link) => link.peer.id)).to.include(controller.address.id)
          }
        }
        for (const [index, host] of hosts.entries()) for (const handle of books[index]?.open.keys() ?? []) await host.disconnect(handle)
        await fixture.settle()
        expect(fixture.controllers.flatMap(({ links }) => links)).to.deep.equal([])
        expect(fixture.clock.pending, 'timers').to.equal(0)
        await fixture.close()
      }),
      { numRuns: 150 }
    )
  })
})

import { Buffer } from 'node:buffer'
import { expect } from 'chai'
import { manualClock } from '@kithmesh/testkit'
import type { ManualClock } from '@kithmesh/testkit'
import { rrType } from '../dist/rdata.js'
import { decodeMessage } from '../dist/dns-message.js'
import type { Message, ResourceRecord } from '../dist/dns-message.js'
import { listName, service, serviceType, txt, VirtualLink } from './support/virtual-link.ts'

const name = (label: string): string => `${label}.${serviceType}.local`
const all = (message: Message): ResourceRecord[] => [...message.answers, ...message.additionals]
const isProbe = (message: Message): boolean => message.authorities.length > 0

describe('services and browsers on one link', () => {
  let clock: ManualClock
  let lan: VirtualLink
  beforeEach(() => {
    clock = manualClock()
    lan = new VirtualLink(clock)
  })

  it('probes three times 250 ms apart, then announces twice', async () => {
    const host = lan.station('192.0.2.1')
    const shop = host.responder.publish(service('Shop'), true, () => {})
    await clock.advance(3000)
    await shop.ready
    const probes = lan.sent.filter(({ message }) => isProbe(message))
    const announcements = lan.sent.filter(({ message }) => message.response)
    expect(probes.map(({ at }) => at - probes[0]!.at)).to.deep.equal([0, 250, 500])
    expect(probes[0]!.message.questions.map(({ name, type }) => [name, type])).to.deep.equal([
      [name('Shop'), rrType.ANY],
      ['shop.local', rrType.ANY]
    ])
    expect(announcements.map(({ at }) => at - probes[0]!.at)).to.deep.equal([750, 1750])
    for (const { message } of announcements) {
      expect(
        message.answers
          .filter(({ flush }) => flush)
          .map(({ data }) => data.type)
          .sort()
      ).to.deep.equal([rrType.A, rrType.TXT, rrType.SRV].sort())
      expect(message.answers.filter(({ data }) => data.type === rrType.PTR).length).to.equal(3)
    }
  })
  it('is found by early and late browsers and lost after its goodbye', async () => {
    const early = lan.station('192.0.2.2')
    early.browse()
    await clock.advance(500)
    const host = lan.station('192.0.2.1')
    const shop = host.responder.publish(service('Shop'), false, () => {})
    await clock.advance(2000)
    const late = lan.station('192.0.2.3')
    late.browse()
    await clock.advance(500)
    expect(early.events).to.deep.equal([`found ${name('Shop')} a=1`])
    expect(late.events).to.deep.equal(early.events)
    const gone = host.responder.withdraw(shop)
    await clock.advance(900)
    expect(early.events.length).to.equal(1)
    await clock.advance(300)
    await gone
    expect(early.events.slice(1)).to.deep.equal([`lost ${name('Shop')}`])
    expect(late.events).to.deep.equal(early.events)
  })
  it('tells new TXT data at once, also twice within a second and back', async () => {
    const host = lan.station('192.0.2.1')
    const other = lan.station('192.0.2.2')
    other.browse()
    const shop = host.responder.publish(service('Shop'), false, () => {})
    await clock.advance(300)
    for (const text of ['a=2', 'a=1', 'a=3']) {
      host.responder.updateTxt(shop, txt(text))
      await clock.advance(10)
    }
    await clock.advance(5000)
    expect(other.events).to.deep.equal([
      `found ${name('Shop')} a=1`,
      `changed ${name('Shop')} a=2`,
      `changed ${name('Shop')} a=1`,
      `changed ${name('Shop')} a=3`
    ])
    expect(shop.label).to.equal('Shop')
  })
  it('shows a restarted service as changed, not as another one', async () => {
    const other = lan.station('192.0.2.2')
    other.browse()
    const before = lan.station('192.0.2.1')
    before.responder.publish(service('Shop', { port: 1000 }), true, () => {})
    await clock.advance(5000)
    before.crash()
    const after = lan.station('192.0.2.1')
    const again = after.responder.publish(service('Shop', { port: 2000, txt: 'a=2' }), true, () => {})
    await clock.advance(5000)
    expect(again.label).to.equal('Shop')
    expect(other.events).to.deep.equal([`found ${name('Shop')} a=1`, `changed ${name('Shop')} a=2`])
    const srv = other.browser!.links[0]!.find(name('Shop'), rrType.SRV)
    expect(srv.map(({ record: { data } }) => data.type === rrType.SRV && data.port)).to.deep.equal([2000])
  })
  it('notices a crash when nobody answers for the SRV record any more, and asks before', async () => {
    const other = lan.station('192.0.2.2')
    other.browse()
    const host = lan.station('192.0.2.1')
    host.responder.publish(service('Shop'), false, () => {})
    await clock.advance(600_000)
    expect(other.events).to.deep.equal([`found ${name('Shop')} a=1`])
    host.crash()
    const before = lan.sent.length
    await clock.advance(125_000)
    expect(other.events.slice(1)).to.deep.equal([`lost ${name('Shop')}`])
    const asked = lan.sent.slice(before).filter(({ message }) => message.questions.some(({ type }) => type === rrType.SRV))
    expect(asked.length).to.equal(4)
  })
  it('keeps a service for days that answers, however little is said', async () => {
    const other = lan.station('192.0.2.2')
    other.browse()
    const host = lan.station('192.0.2.1')
    host.responder.publish(service('Shop'), false, () => {})
    await clock.advance(2 * 86_400_000)
    expect(other.events).to.deep.equal([`found ${name('Shop')} a=1`])
  }).timeout(60_000)
  it('asks at growing intervals, with the answers it knows, which are not repeated', async () => {
    const host = lan.station('192.0.2.1')
    host.responder.publish(service('Shop'), false, () => {})
    await clock.advance(5000)
    const other = lan.station('192.0.2.2')
    const from = clock.monotonic()
    other.browse()
    await clock.advance(70_000)
    const queries = lan.sent.filter(({ from, message }) => from === '192.0.2.2' && message.questions.some(({ name }) => name === listName))
    expect(queries.map(({ at }) => Math.round((at - from) / 1000))).to.deep.equal([0, 1, 3, 7, 15, 31, 63])
    expect(queries[0]!.message.answers.length).to.equal(0)
    expect(queries[1]!.message.answers.map(({ data }) => data.type)).to.deep.equal([rrType.PTR])
    const answers = lan.sent.filter(
      ({ at, message }) => at >= from && message.response && message.answers.some(({ name }) => name === listName)
    )
    expect(answers.length).to.equal(1)
    expect(answers[0]!.at - queries[0]!.at).to.be.within(20, 125)
    expect(all(answers[0]!.message).map(({ data }) => data.type)).to.include.members([rrType.PTR, rrType.SRV, rrType.TXT, rrType.A])
  })
  it('answers a question for one of its own records at once, and says which records there are not', async () => {
    const host = lan.station('192.0.2.1')
    host.responder.publish(service('Shop'), false, () => {})
    await clock.advance(5000)
    const ask = async (type: number): Promise<Message> => {
      const count = lan.sent.length
      host.receive(
        {
          id: 0,
          response: false,
          truncated: false,
          questions: [{ name: 'SHOP.local', type }],
          answers: [],
          authorities: [],
          additionals: []
        },
        { address: '192.0.2.9', port: 5353, family: 4 }
      )
      await clock.advance(5)
      expect(lan.sent.length).to.equal(count + 1)
      return lan.sent.at(-1)!.message
    }
    expect((await ask(rrType.A)).answers.map(({ data }) => data)).to.deep.equal([{ type: rrType.A, address: '192.0.2.1' }])
    await clock.advance(1000)
    const count = lan.sent.length
    host.receive(
      {
        id: 0,
        response: false,
        truncated: false,
        questions: [{ name: 'shop.local', type: rrType.AAAA }],
        answers: [],
        authorities: [],
        additionals: []
      },
      { address: '192.0.2.9', port: 5353, family: 4 }
    )
    await clock.advance(5)
    expect(lan.sent.length).to.equal(count + 1)
  })
  it('answers a simple resolver directly, with its id and question, no flush bits and short TTLs', async () => {
    const host = lan.station('192.0.2.1')
    host.responder.publish(service('Shop'), false, () => {})
    await clock.advance(5000)
    const count = lan.sent.length
    host.receive(
      {
        id: 77,
        response: false,
        truncated: false,
        questions: [{ name: listName, type: rrType.PTR }],
        answers: [],
        authorities: [],
        additionals: []
      },
      { address: '192.0.2.9', port: 40_000, family: 4 }
    )
    await clock.advance(500)
    expect(lan.sent.length).to.equal(count)
    expect(lan.replies.length).to.equal(1)
    const { to, message } = lan.replies[0]!
    expect([to.port, message.id, message.questions.length]).to.deep.equal([40_000, 77, 1])
    expect(all(message).some(({ flush, ttl }) => flush || ttl > 10)).to.equal(false)
    expect(all(message).map(({ data }) => data.type)).to.include.members([rrType.PTR, rrType.SRV, rrType.TXT, rrType.A])
  })
  it('multicasts a record once a second at most, and who asked in between is answered then', async () => {
    const host = lan.station('192.0.2.1')
    host.responder.publish(service('Shop'), false, () => {})
    await clock.advance(5000)
    const from = clock.monotonic()
    for (let index = 0; index < 10; index++) {
      host.receive(
        {
          id: 0,
          response: false,
          truncated: false,
          questions: [{ name: listName, type: rrType.PTR }],
          answers: [],
          authorities: [],
          additionals: []
        },
        { address: `192.0.2.${index + 10}`, port: 5353, family: 4 }
      )
      await clock.advance(150)
    }
    await clock.advance(2000)
    const times = lan.sent.filter(({ at, message }) => at >= from && message.response).map(({ at }) => at)
    expect(times.length).to.equal(3)
    for (const index of [1, 2]) expect(times[index]! - times[index - 1]!).to.be.at.least(1000)
  })

  describe('with names that are taken', () => {
    it('appends a number', async () => {
      const hosts = [1, 2, 3].map((last) => lan.station(`192.0.2.${last}`))
      const shops = []
      for (const [index, host] of hosts.entries()) {
        const shop = host.responder.publish(service('Shop', { port: 1000 + index, host: `h${index}` }), true, () => {})
        await clock.advance(4000)
        await shop.ready
        shops.push(shop)
      }
      expect(shops.map(({ label }) => label)).to.deep.equal(['Shop', 'Shop 2', 'Shop 3'])
    })
    it('lets exactly one of two have the name that probe at the same instant', async () => {
      const shops = [1, 2].map((last) =>
        lan.station(`192.0.2.${last}`).responder.publish(service('Shop', { port: 1000 + last, host: `h${last}` }), true, () => {})
      )
      await clock.advance(6000)
      await Promise.all(shops.map(({ ready }) => ready))
      expect(shops.map(({ label }) => label).sort()).to.deep.equal(['Shop', 'Shop 2'])
    })
    it('finds the next free number without trying all', async () => {
      const crowd = lan.station('192.0.2.1')
      for (let number = 1; number <= 40; number++)
        crowd.responder.publish(service(number === 1 ? 'Shop' : `Shop ${number}`, { port: number, host: 'crowd' }), false, () => {})
      await clock.advance(3000)
      const shop = lan.station('192.0.2.2').responder.publish(service('Shop', { host: 'late' }), true, () => {})
      const from = clock.monotonic()
      await clock.advance(3000)
      await shop.ready
      expect(shop.label).to.equal('Shop 41')
      expect(lan.sent.filter(({ at, from: who, message }) => at >= from && who === '192.0.2.2' && isProbe(message)).length).to.be.at.most(6)
    })
    it('gives up after a hundred, with a code', async () => {
      const crowd = lan.station('192.0.2.1')
      for (let number = 1; number <= 100; number++)
        crowd.responder.publish(service(number === 1 ? 'Shop' : `Shop ${number}`, { port: number, host: 'crowd' }), false, () => {})
      await clock.advance(3000)
      let failed: Error | undefined
      const shop = lan.station('192.0.2.2').responder.publish(service('Shop', { host: 'late' }), true, (error) => {
        failed = error
      })
      await clock.advance(30_000)
      const error = await shop.ready.then(
        () => undefined,
        (error: unknown) => error
      )
      expect((error as { code?: string }).code).to.equal('ERR_DNSSD_NAME_CONFLICT')
      expect(failed).to.equal(error)
      expect(shop.state).to.equal('failed')
    })
    it('chooses another host name, too', async () => {
      const shops = [1, 2].map((last) =>
        lan.station(`192.0.2.${last}`).responder.publish(service(`Shop${last}`, { host: 'same' }), true, () => {})
      )
      await clock.advance(6000)
      await Promise.all(shops.map(({ ready }) => ready))
      expect(shops.map(({ hostName }) => hostName).sort()).to.deep.equal(['same-2.local', 'same.local'])
    })
    it('settles it when two links are joined that had the name each', async () => {
      lan.loses = () => true
      const hosts = [lan.station('192.0.2.1'), lan.station('192.0.2.2')]
      const shops = hosts.map((host, index) =>
        host.responder.publish(service('Shop', { port: 1000 + index, host: `h${index}` }), true, () => {})
      )
      await clock.advance(5000)
      expect(shops.map(({ label }) => label)).to.deep.equal(['Shop', 'Shop'])
      lan.loses = () => false
      hosts[0]!.responder.updateTxt(shops[0]!, txt('a=2'))
      await clock.advance(10_000)
      expect(shops.map(({ label, state }) => `${label} ${state}`).sort()).to.deep.equal(['Shop 2 published', 'Shop published'])
    })
    it('does not take the echo of its own earlier packets for a conflict', async () => {
      const host = lan.station('192.0.2.1')
      const shop = host.responder.publish(service('Shop'), true, () => {})
      await clock.advance(1200)
      for (let count = 0; count < 20; count++) {
        host.responder.updateTxt(shop, txt(`n=${count}`))
        if (count % 3 === 0) await clock.advance(1)
      }
      const gone = host.responder.withdraw(shop)
      const again = host.responder.publish(service('Shop', { port: 5000 }), true, () => {})
      await clock.advance(5000)
      await gone
      expect(again.label).to.equal('Shop')
      expect(again.state).to.equal('published')
    })
  })

  it('survives packets that were tampered with', async () => {
    const hosts = [lan.station('192.0.2.1'), lan.station('192.0.2.2')]
    for (const [index, host] of hosts.entries()) {
      host.browse()
      host.responder.publish(service(`Shop ${index}`), true, () => {})
    }
    await clock.advance(5000)
    const samples = lan.sent.map(({ raw }) => raw)
    let seed = 1
    const random = (below: number): number => {
      seed = (seed * 48271) % 2147483647
      return seed % below
    }
    for (let round = 0; round < 3000; round++) {
      const packet = Buffer.from(samples[random(samples.length)]!)
      for (let change = 0; change < 4; change++) packet[random(packet.length)] = random(256)
      const message = decodeMessage(packet)
      if (message !== undefined)
        for (const host of hosts)
          host.receive(message, { address: `192.0.2.${random(256)}`, port: random(2) === 0 ? 5353 : 1024, family: 4 })
      if (round % 100 === 0) await clock.advance(500)
    }
    await clock.advance(300_000)
    expect(hosts.every((host) => host.responder.size === 1)).to.equal(true)
    const newcomer = lan.station('192.0.2.3')
    newcomer.browse()
    await clock.advance(20_000)
    expect(newcomer.events.filter((event) => event.startsWith('found')).length).to.equal(2)
  })
  it('finds a hundred services, and hears all goodbyes, where every third packet is lost', async () => {
    const host = lan.station('192.0.2.1')
    const other = lan.station('192.0.2.2')
    let count = 0
    lan.loses = (_packet, from, to) => from !== to && ++count % 3 === 0
    const shops = Array.from({ length: 100 }, (_, index) =>
      host.responder.publish(service(`Shop ${index}`, { port: 1000 + index, host: 'crowd' }), false, () => {})
    )
    await clock.advance(3000)
    other.browse()
    await clock.advance(20_000)
    expect(new Set(other.events).size).to.equal(100)
    const gone = Promise.all(shops.map((shop) => host.responder.withdraw(shop)))
    await clock.advance(200_000)
    await gone
    expect(other.events.filter((event) => event.startsWith('lost')).length).to.equal(100)
  })
})

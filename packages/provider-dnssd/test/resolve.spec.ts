import { expect } from 'chai'
import { manualClock } from '@kithmesh/testkit'
import type { ManualClock } from '@kithmesh/testkit'
import type { ResolvedUrl } from '@kithmesh/core'
import { rrType } from '../dist/rdata.js'
import { resolveService, serviceUrl } from '../dist/resolve.js'
import type { Message, ResourceRecord } from '../dist/dns-message.js'
import { listName, serviceType, txt, VirtualLink } from './support/virtual-link.ts'
import type { Station } from './support/virtual-link.ts'

const name = `Shop.${serviceType}.local`

describe('resolving', () => {
  let clock: ManualClock
  let lan: VirtualLink
  let station: Station
  const stop = new AbortController()
  beforeEach(async () => {
    clock = manualClock()
    lan = new VirtualLink(clock)
    station = lan.station('192.0.2.1')
    station.browse()
    hear([
      { name: listName, ttl: 4500, flush: false, data: { type: rrType.PTR, target: name } },
      { name, ttl: 4500, flush: true, data: { type: rrType.TXT, bytes: txt('a=1') } }
    ])
  })

  const hear = (answers: ResourceRecord[]): void => {
    const message: Message = { id: 0, response: true, truncated: false, questions: [], answers, authorities: [], additionals: [] }
    station.receive(message, { address: '192.0.2.9', port: 5353, family: 4 })
  }
  const srv = (target = 'shop.local', port = 4984): ResourceRecord => ({
    name,
    ttl: 120,
    flush: true,
    data: { type: rrType.SRV, priority: 0, weight: 0, port, target }
  })
  const address = (text: string, host = 'shop.local'): ResourceRecord => ({
    name: host,
    ttl: 120,
    flush: true,
    data: { type: text.includes(':') ? rrType.AAAA : rrType.A, address: text }
  })
  const resolve = (signal = new AbortController().signal): Promise<ResolvedUrl> => {
    const result = resolveService(station.browser!, name, 'db', clock, signal, stop.signal)
    result.catch(() => {})
    return result
  }

  it('answers from what is known, without a question', async () => {
    hear([srv(), address('192.0.2.9'), address('fe80::9'), address('2001:db8::9')])
    const before = lan.sent.length
    expect(await resolve()).to.deep.equal({ url: 'wss://shop.local:4984/db', addresses: ['2001:db8::9', '192.0.2.9', 'fe80::9%lan0'] })
    expect(lan.sent.length).to.equal(before)
  })
  it('asks for host and port, then for addresses', async () => {
    const result = resolve()
    await clock.advance(50)
    const asked = (): Array<[string, number]> =>
      lan.sent.flatMap(({ message }) => message.questions.map((question): [string, number] => [question.name, question.type]))
    expect(asked()).to.deep.include([name, rrType.SRV])
    hear([srv()])
    await clock.advance(50)
    expect(asked()).to.deep.include.members([
      ['shop.local', rrType.A],
      ['shop.local', rrType.AAAA]
    ])
    hear([address('192.0.2.9')])
    hear([address('2001:db8::9')])
    await clock.advance(50)
    expect((await result).addresses).to.deep.equal(['2001:db8::9', '192.0.2.9'])
  })
  it('ends after five seconds with a code, whether host or addresses are missing', async () => {
    for (const known of [[], [srv()]]) {
      hear(known)
      const result = resolve()
      await clock.advance(5300)
      const error = await result.then(
        () => undefined,
        (error: unknown) => error as { readonly code: string; readonly hint: string }
      )
      expect(error?.code).to.equal('ERR_DNSSD_RESOLVE_TIMEOUT')
      expect(error?.hint).to.not.equal('')
    }
  })
  it('ends when cancelled, with the reason', async () => {
    const controller = new AbortController()
    const result = resolve(controller.signal)
    const reason = new Error('enough')
    controller.abort(reason)
    expect(await result.catch((error: unknown) => error)).to.equal(reason)
  })
  it('leaves out addresses that lead nowhere or home', async () => {
    hear([
      srv(),
      ...['127.0.0.1', '::1', '0.0.0.0', '::', '224.0.0.1', 'ff02::1', '::ffff:c000:201', '169.254.1.1', '192.0.2.9'].map((text) =>
        address(text)
      )
    ])
    expect((await resolve()).addresses).to.deep.equal(['192.0.2.9', '169.254.1.1'])
  })
  it('takes the newest of several ports', async () => {
    hear([srv('shop.local', 1), address('192.0.2.9')])
    await clock.advance(100)
    hear([srv('shop.local', 2)])
    expect((await resolve()).url).to.equal('wss://shop.local:2/db')
  })
  it('puts the address into the URL when the host name has no place in one', () => {
    expect(serviceUrl('a@b/..local', 1, 'db', ['192.0.2.9'])).to.equal('wss://192.0.2.9:1/db')
    expect(serviceUrl('my host.local', 1, 'd/b', ['fe80::9%lan0'])).to.equal('wss://[fe80::9]:1/d%2Fb')
    expect(new URL(serviceUrl('x\\.y.local', 1, 'db', ['192.0.2.9'])).hostname).to.equal('192.0.2.9')
  })
})

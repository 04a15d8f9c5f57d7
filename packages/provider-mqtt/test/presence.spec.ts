import { createIdentity } from '@kithmesh/identity'
import { eventually, manualClock, realClock } from '@kithmesh/testkit'
import type { Clock } from '@kithmesh/core'
import { expect } from 'chai'
import { brokerTag } from '../dist/rendezvous.js'
import { Devices, group, never, route } from './support/devices.ts'
import type { TestDevice } from './support/devices.ts'
import { ScriptedBroker } from './support/scripted-broker.ts'

const names = ({ context }: TestDevice): string[] => [...context.peers.values()].map(({ displayName }) => displayName).sort()
const sees = async (device: TestDevice, ...expected: string[]): Promise<void> => {
  await eventually(`to see ${expected.join(' and ')}`, () => names(device).join() === expected.join())
}

/** The real clock with a wall that shows another time. */
const shifted = (ms: number): Clock => ({ ...realClock, now: () => realClock.now() + ms })

describe('presence', () => {
  const devices = new Devices()
  let broker: ScriptedBroker

  beforeEach(async () => {
    broker = await ScriptedBroker.start()
  })
  afterEach(async () => {
    await devices.shutdown()
    await broker.kill()
  })

  it('leaves nothing on the broker after a clean stop', async () => {
    const a = await devices.online('a', { brokers: [broker.url] })
    expect(broker.retained.size).to.equal(1)
    await a.provider.shutdown()
    expect(broker.retained.size).to.equal(0)
  })

  it('is taken back by the last will when the connection breaks, and given again by the next one', async () => {
    const a = await devices.online('a', { brokers: [broker.url], reconnectMs: 200 })
    const b = await devices.device({ brokers: [broker.url], reconnectMs: 1 })
    await b.provider.startBrowsing()
    await sees(b, 'a')
    const executeWills = broker.cut()
    await eventually('the browser to be back', () => broker.clients === 1)
    executeWills()
    await eventually('the other to be lost', () => b.context.events.some(({ type }) => type === 'lost'))
    await sees(b, 'a')
    expect(a.context.status('publish')).to.equal('online')
  })

  it('outlives the last will of a connection that was replaced long ago', async () => {
    await devices.online('a', { brokers: [broker.url], reconnectMs: 1 })
    const b = await devices.device({ brokers: [broker.url], reconnectMs: 1 })
    await b.provider.startBrowsing()
    await sees(b, 'a')
    const executeWills = broker.cut()
    await eventually('both to be back', () => broker.clients === 2 && broker.retained.size === 1)
    await eventually('the presence of the new connection', () => broker.published.length >= 2)
    executeWills()
    // The will has replaced what the broker kept; whoever comes now still finds the device.
    const late = await devices.device({ brokers: [broker.url] })
    await late.provider.startBrowsing()
    await sees(late, 'a')
    expect(b.context.events.filter(({ type }) => type === 'lost')).to.deep.equal([])
  })

  it('is published again when somebody deletes it', async () => {
    await devices.online('a', { brokers: [broker.url] })
    const [topic] = [...broker.retained.keys()]
    broker.publish({ topic: topic as string, payload: Buffer.alloc(0), retain: true })
    await eventually('it to be there again', () => broker.retained.size === 1)
  })

  it('is lost when it is not repeated, and lives while it is', async () => {
    const clock = manualClock(Date.now())
    const a = await devices.online('a', { brokers: [broker.url], presenceTtlMs: 6000 })
    await a.context.network
    const b = await devices.device({ brokers: [broker.url], clock, presenceTtlMs: 6000 })
    await b.provider.startBrowsing()
    await sees(b, 'a')
    await clock.advance(5000)
    expect(names(b)).to.deep.equal(['a'])
    await clock.advance(2000)
    expect(names(b)).to.deep.equal([])
  })

  it('is on topics below the prefix that is named', async () => {
    const options = { brokers: [broker.url], topicPrefix: 'shop/floor' }
    await devices.online('a', options)
    expect([...broker.retained.keys()].map((topic) => topic.startsWith('shop/floor/'))).to.deep.equal([true])
    const b = await devices.device(options)
    await b.provider.startBrowsing()
    await sees(b, 'a')
  })

  it('is repeated in time', async () => {
    const clock = manualClock(Date.now())
    await devices.online('a', { brokers: [broker.url], clock, presenceTtlMs: 6000 })
    const before = broker.published.length
    await clock.advance(6000)
    await eventually('three more', () => broker.published.length === before + 3)
  })

  it('follows the network', async () => {
    const a = await devices.online('a', { brokers: [broker.url] })
    const b = await devices.device({ brokers: [broker.url] })
    await b.provider.startBrowsing()
    await sees(b, 'a')
    const id = `mqtt:${a.peerId}`
    expect((await b.provider.resolveUrl(id, { signal: never() })).addresses).to.deep.equal(['192.0.2.1'])
    a.network.become(route('192.0.2.9', '203.0.113.5'), route('2001:db8::1'))
    await eventually('the new addresses', async () => {
      const { addresses } = await b.provider.resolveUrl(id, { signal: never() })
      return addresses.includes('203.0.113.5')
    })
    const { url, network } = await b.provider.resolveUrl(id, { signal: never() })
    expect(new URL(url).hostname).to.equal(`${a.peerId.slice(0, 16)}.kithmesh.invalid`)
    expect(network).to.deep.equal({ port: 4984, routes: [route('192.0.2.9', '203.0.113.5'), route('2001:db8::1')] })
  })

  it('leaves out what nobody would take of the network', async () => {
    const a = await devices.device({ brokers: [broker.url] })
    const good = { ...route('2001:db8::1'), interfaceIndex: 2 }
    a.network.become(route('fe80::1%eth0'), { ...route('192.0.2.7'), interfaceIndex: 3 }, route('nonsense'), route('2001:db8::2'), good)
    await a.publish('a')
    const b = await devices.device({ brokers: [broker.url] })
    await b.provider.startBrowsing()
    await sees(b, 'a')
    const { network } = await b.provider.resolveUrl(`mqtt:${a.peerId}`, { signal: never() })
    expect(network?.routes).to.deep.equal([route('fe80::1'), good])
  })

  it('of a new run replaces that of a crashed one, even with a clock that was set back', async () => {
    const identity = await createIdentity({ commonName: 'a' })
    const crashed = await devices.online('before', { brokers: [broker.url], identity })
    const b = await devices.device({ brokers: [broker.url] })
    await b.provider.startBrowsing()
    await sees(b, 'before')
    const [kept] = [...broker.retained]
    await crashed.provider.shutdown()
    await sees(b)
    broker.publish({ topic: kept?.[0] as string, payload: kept?.[1] as Buffer, retain: true })
    await devices.online('after', { brokers: [broker.url], identity, clock: shifted(-60_000) })
    await sees(b, 'after')
  })

  it('is refused when the clocks differ too much, and the log says so', async () => {
    await devices.online('a', { brokers: [broker.url], clock: shifted(600_000) })
    const b = await devices.online('b', { brokers: [broker.url] })
    const c = await devices.device({ brokers: [broker.url] })
    await c.provider.startBrowsing()
    await sees(c, 'b')
    await eventually('a warning', () =>
      b.context.logger.entries.some(({ level, message }) => level === 'warn' && message.includes('clock'))
    )
    expect(names(c)).to.deep.equal(['b'])
  })

  it('fails both modes only when all brokers have been away for its time, and recovers', async () => {
    const clock = manualClock(Date.now())
    const a = await devices.online('a', { brokers: [broker.url], clock, presenceTtlMs: 60_000, reconnectMs: 10 })
    await broker.kill()
    await eventually('the loss to be noticed', () => a.context.logger.entries.some(({ message }) => message.includes('cannot be used now')))
    await clock.advance(30_000)
    expect([a.context.status('browse'), a.context.status('publish')]).to.deep.equal(['online', 'online'])
    await clock.advance(31_000)
    expect([a.context.status('browse'), a.context.status('publish')]).to.deep.equal(['failed', 'failed'])
    await broker.start()
    await eventually('both to be online again', async () => {
      await clock.advance(500)
      return a.context.status('browse') === 'online' && a.context.status('publish') === 'online'
    })
  })

  it('names nothing readable where there is a group key', async () => {
    const a = await devices.online('a name to find', { brokers: [broker.url], groupKey: Buffer.alloc(16, 3) })
    await a.provider.updateMetadata(new Map([['secret-key', Buffer.from('secret-value')]]))
    const everything = [
      ...broker.published.map(({ topic, payload }) => topic + payload.toString('latin1')),
      ...broker.connects.map((packet) => JSON.stringify(packet))
    ]
    const shown = everything.join(' ') + broker.connects.map(({ will }) => String(will?.payload)).join(' ')
    const forbidden = [
      a.peerId,
      'a name to find',
      'secret',
      group,
      a.identity.commonName,
      Buffer.from(a.peerId, 'hex').toString('latin1'),
      brokerTag('x')
    ]
    for (const text of forbidden) expect(shown.includes(text), text).to.equal(false)
    for (const { topic } of broker.published) expect(topic).to.match(/^kithmesh\/[0-9a-f]{32}\/p\/[0-9a-f]{32}$/)
  })

  it('keeps topics of groups with any name free of their text', async () => {
    await devices.online('a/+/#', { brokers: [broker.url], peerGroupId: 'com/+/#/shop' })
    const b = await devices.online('b', { brokers: [broker.url], peerGroupId: 'com/+/#/shop' })
    await sees(b, 'a/+/#')
    for (const { topic } of broker.published) expect(topic).to.match(/^kithmesh\/[0-9a-f-]{36}\/p\/[0-9a-f]{64}$/)
  })
})

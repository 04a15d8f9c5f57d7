import { setImmediate as turn } from 'node:timers/promises'
import { errorCode } from '@kithmesh/core'
import { pinnedPeers } from '@kithmesh/identity'
import { eventually } from '@kithmesh/testkit'
import { expect } from 'chai'
import { Devices, never } from './support/devices.ts'
import type { TestDevice } from './support/devices.ts'
import { EmbeddedBroker } from './support/embedded-broker.ts'

interface Received {
  readonly from: string
  readonly text: string
}

function inboxOf(device: TestDevice): Received[] {
  const received: Received[] = []
  device.channel.onMessage((from, message) => {
    received.push({ from, text: Buffer.from(message).toString() })
  })
  return received
}

const reaches = (from: TestDevice, to: TestDevice): Promise<true> =>
  eventually('the other to be reachable', () => from.channel.reaches(to.peerId))

describe('signalling channel', () => {
  const devices = new Devices()
  let broker: EmbeddedBroker

  beforeEach(async () => {
    broker = await EmbeddedBroker.start()
  })
  afterEach(async () => {
    await devices.shutdown()
    await broker.kill()
  })

  for (const [title, options] of Object.entries({
    'between EC identities': {},
    'between RSA identities': { kind: 'rsa' },
    'with a group key': { groupKey: Buffer.alloc(32, 1) },
    'with a passphrase': { groupKey: 'correct horse battery' }
  } as const)) {
    it(`carries messages both ways ${title}`, async () => {
      const [a, b] = await Promise.all([
        devices.online('a', { brokers: [broker.url], ...options }),
        devices.online('b', { brokers: [broker.url], ...options })
      ])
      const [atA, atB] = [inboxOf(a), inboxOf(b)]
      await Promise.all([reaches(a, b), reaches(b, a)])
      await a.channel.send(b.peerId, Buffer.from('hello b'), { signal: never() })
      await b.channel.send(a.peerId, Buffer.from('hello a'), { signal: never() })
      await eventually('both', () => atA.length === 1 && atB.length === 1)
      expect(atB).to.deep.equal([{ from: a.peerId, text: 'hello b' }])
      expect(atA).to.deep.equal([{ from: b.peerId, text: 'hello a' }])
    })
  }

  it('answers a device that publishes nothing', async () => {
    const shop = await devices.device({ brokers: [broker.url] })
    await shop.publish('shop')
    const visitor = await devices.device({ brokers: [broker.url] })
    await visitor.provider.startBrowsing()
    await reaches(visitor, shop)
    expect(shop.channel.reaches(visitor.peerId)).to.equal(false)
    const [atVisitor, atShop] = [inboxOf(visitor), inboxOf(shop)]
    await visitor.channel.send(shop.peerId, Buffer.from('anybody there?'), { signal: never() })
    await eventually('the question', () => atShop.length === 1)
    await shop.channel.send(visitor.peerId, Buffer.from('yes'), { signal: never() })
    await eventually('the answer', () => atVisitor.length === 1)
    expect(atVisitor).to.deep.equal([{ from: shop.peerId, text: 'yes' }])
  })

  it('carries 16 KiB and refuses more', async () => {
    const [a, b] = await Promise.all([devices.online('a', { brokers: [broker.url] }), devices.online('b', { brokers: [broker.url] })])
    const atB = inboxOf(b)
    await reaches(a, b)
    const text = 'x'.repeat(16 * 1024)
    await a.channel.send(b.peerId, Buffer.from(text), { signal: never() })
    await eventually('the message', () => atB.length === 1)
    expect(atB[0]?.text === text).to.equal(true)
    const error = await a.channel.send(b.peerId, Buffer.alloc(16 * 1024 + 1), { signal: never() }).catch((reason: unknown) => reason)
    expect(errorCode(error)).to.equal('ERR_MQTT_TOO_LARGE')
  })

  it('delivers only what the authenticator accepts', async () => {
    const [a, stranger] = await Promise.all([
      devices.online('a', { brokers: [broker.url] }),
      devices.online('stranger', { brokers: [broker.url] })
    ])
    const b = await devices.online('b', { brokers: [broker.url], authenticator: pinnedPeers([a.peerId]) })
    const atB = inboxOf(b)
    await Promise.all([reaches(a, b), reaches(stranger, b)])
    await stranger.channel.send(b.peerId, Buffer.from('let me in'), { signal: never() })
    await a.channel.send(b.peerId, Buffer.from('hello'), { signal: never() })
    await eventually('the message', () => atB.length > 0)
    expect(atB).to.deep.equal([{ from: a.peerId, text: 'hello' }])
    expect(b.context.logger.entries.some(({ message }) => message.includes('not taken'))).to.equal(true)
  })

  it('reaches nobody that has gone, nor anybody when stopped', async () => {
    const [a, b] = await Promise.all([devices.online('a', { brokers: [broker.url] }), devices.online('b', { brokers: [broker.url] })])
    await reaches(a, b)
    await b.provider.shutdown()
    await eventually('the other to be gone', () => !a.channel.reaches(b.peerId))
    const error = await a.channel.send(b.peerId, Buffer.from('hello'), { signal: never() }).catch((reason: unknown) => reason)
    expect(errorCode(error)).to.equal('ERR_MQTT_UNKNOWN_PEER')
    await a.provider.shutdown()
    const stopped = await a.channel.send(b.peerId, Buffer.from('hello'), { signal: never() }).catch((reason: unknown) => reason)
    expect(errorCode(stopped)).to.equal('ERR_MQTT_STOPPED')
  })

  it('is the same object every time, and ends subscriptions', async () => {
    const [a, b] = await Promise.all([devices.online('a', { brokers: [broker.url] }), devices.online('b', { brokers: [broker.url] })])
    expect(a.provider.signalingChannel?.()).to.equal(a.channel)
    const first: string[] = []
    const end = b.channel.onMessage((_from, message) => {
      first.push(Buffer.from(message).toString())
    })
    const second = inboxOf(b)
    await reaches(a, b)
    await a.channel.send(b.peerId, Buffer.from('one'), { signal: never() })
    await eventually('one', () => second.length === 1)
    end()
    await a.channel.send(b.peerId, Buffer.from('two'), { signal: never() })
    await eventually('two', () => second.length === 2)
    await turn()
    expect(first).to.deep.equal(['one'])
  })

  it('keeps a receiver that throws from disturbing the others', async () => {
    const [a, b] = await Promise.all([devices.online('a', { brokers: [broker.url] }), devices.online('b', { brokers: [broker.url] })])
    b.channel.onMessage(() => {
      throw new Error('no')
    })
    const atB = inboxOf(b)
    await reaches(a, b)
    await a.channel.send(b.peerId, Buffer.from('one'), { signal: never() })
    await a.channel.send(b.peerId, Buffer.from('two'), { signal: never() })
    await eventually('both', () => atB.length === 2)
  })

  it('rejects with the reason of an aborted signal', async () => {
    const [a, b] = await Promise.all([devices.online('a', { brokers: [broker.url] }), devices.online('b', { brokers: [broker.url] })])
    await reaches(a, b)
    const reason = new Error('changed my mind')
    const error = await a.channel
      .send(b.peerId, Buffer.from('one'), { signal: AbortSignal.abort(reason) })
      .catch((caught: unknown) => caught)
    expect(error).to.equal(reason)
  })
})

import { certificateToPem, createIdentity, parseCertificates, peerIdOf } from '@kithmesh/identity'
import type { Identity } from '@kithmesh/identity'
import { eventually, manualClock } from '@kithmesh/testkit'
import { expect } from 'chai'
import { createGroup } from '../dist/group.js'
import { createSigner } from '../dist/identity-signature.js'
import type { Signer } from '../dist/identity-signature.js'
import { sealLetter } from '../dist/letter.js'
import { brokerTag } from '../dist/rendezvous.js'
import { Sealer, createInboxKeys } from '../dist/sealing.js'
import { encodeGone, encodePresence } from '../dist/presence-statement.js'
import type { PresenceInput } from '../dist/presence-statement.js'
import { Devices, group as groupName, never, route } from './support/devices.ts'
import type { DeviceOptions, TestDevice } from './support/devices.ts'
import { ScriptedBroker } from './support/scripted-broker.ts'

const names = ({ context }: TestDevice): string[] => [...context.peers.values()].map(({ displayName }) => displayName).sort()
const sees = async (device: TestDevice, ...expected: string[]): Promise<void> => {
  await eventually(`to see ${expected.join(' and ')}`, () => names(device).join() === expected.join())
}

describe('hostile brokers and their clients', () => {
  const devices = new Devices()
  const group = createGroup(groupName, 'kithmesh')
  let broker: ScriptedBroker
  let identity: Identity
  let signer: Signer

  before(async () => {
    identity = await createIdentity({ commonName: 'mallory' })
    signer = createSigner(identity)
  })
  beforeEach(async () => {
    broker = await ScriptedBroker.start()
  })
  afterEach(async () => {
    await devices.shutdown()
    await broker.kill()
  })

  const input = (fields: Partial<PresenceInput> = {}): PresenceInput => ({
    startedAt: Date.now() - 1000,
    epoch: '1'.repeat(16),
    sequence: 1,
    via: { tag: brokerTag('x'), number: 0 },
    time: Date.now(),
    ttlMs: 60_000,
    displayName: 'mallory',
    metadata: new Map(),
    inboxKey: createInboxKeys().publicKey,
    inboxTags: [],
    facts: { measuredAt: 0, routes: [route('192.0.2.66')] },
    port: 1,
    ...fields
  })
  const browser = async (options: Partial<DeviceOptions> = {}): Promise<TestDevice> => {
    const device = await devices.device({ brokers: [broker.url], ...options })
    await device.provider.startBrowsing()
    return device
  }
  /** What comes after everything else: when it was seen, all before it was dealt with. */
  let markers = 0
  const marker = async (device: TestDevice): Promise<void> => {
    const name = `marker ${++markers}`
    const other = await devices.device({ brokers: [broker.url] })
    await other.publish(name)
    await eventually(name, () => names(device).includes(name))
    await other.provider.shutdown()
    await eventually(`no ${name}`, () => !names(device).includes(name))
  }

  describe('presence', () => {
    const topic = (): string => group.presenceTopic(identity.peerId)
    const put = (payload: Uint8Array, on = topic()): void => {
      broker.publish({ topic: on, payload: Buffer.from(payload), retain: true })
    }

    it('as it should be is taken', async () => {
      const device = await browser()
      put(encodePresence(signer, group.id, input()))
      await sees(device, 'mallory')
    })

    it('of any changed byte is dropped', async () => {
      const device = await browser()
      const good = encodePresence(signer, group.id, input())
      for (let at = 0; at < good.length; at += 11) {
        const bad = Buffer.from(good)
        bad[at] = (bad[at] as number) ^ 0x40
        put(bad)
      }
      for (let length = 1; length < good.length; length += 37) put(good.subarray(0, length))
      put(Buffer.concat([good, Buffer.of(0)]))
      await marker(device)
      expect(names(device)).to.deep.equal([])
    })

    it('of another group is dropped', async () => {
      const device = await browser()
      put(encodePresence(signer, createGroup('com.example.other', 'kithmesh').id, input()))
      await marker(device)
      expect(names(device)).to.deep.equal([])
    })

    it("on another device's topic is dropped, and so is deleting there", async () => {
      const device = await browser()
      const victim = await devices.online('victim', { brokers: [broker.url] })
      await sees(device, 'victim')
      const theirs = group.presenceTopic(victim.peerId)
      put(encodePresence(signer, group.id, input()), theirs)
      put(encodeGone(signer, group.id, { startedAt: Date.now(), epoch: 'f'.repeat(16), sequence: 99, via: undefined }), theirs)
      put(Buffer.alloc(0), theirs)
      await marker(device)
      expect(names(device)).to.deep.equal(['victim'])
      expect(device.context.events.filter((event) => event.type === 'lost' && event.ids.includes(`mqtt:${victim.peerId}`))).to.deep.equal(
        []
      )
    })

    it('that claims another peer id in its metadata is dropped', async () => {
      const device = await browser()
      put(encodePresence(signer, group.id, input({ metadata: new Map([['_PID', Buffer.alloc(32, 7)]]) })))
      await marker(device)
      expect(names(device)).to.deep.equal([])
    })

    it('that is malformed, though signed, is dropped', async () => {
      const device = await browser()
      const wrong: Partial<Record<keyof PresenceInput, unknown>>[] = [
        { ttlMs: 1e9 },
        { ttlMs: -1 },
        { time: -1 },
        { sequence: 1.5 },
        { epoch: 'x' },
        { displayName: 'a\nb' },
        { displayName: 'x'.repeat(300) },
        { inboxKey: Buffer.alloc(31) },
        { inboxTags: Array.from({ length: 9 }, () => brokerTag('x')) },
        { inboxTags: ['nonsense'] },
        { port: 70_000 },
        { via: { tag: 'no', number: 0 } },
        { facts: { measuredAt: 0, routes: [{ ...route('192.0.2.1'), localAddress: 'localhost' }] } },
        { facts: { measuredAt: 0, routes: [{ ...route('192.0.2.1'), family: 6 }] } },
        { facts: { measuredAt: 0, routes: [{ ...route('192.0.2.1'), interfaceIndex: 3 }] } },
        { facts: { measuredAt: 0, routes: [route('192.0.2.1'), route('192.0.2.2')] } },
        { facts: { measuredAt: 0, routes: [{ ...route('192.0.2.1'), tcp: { mapping: 'odd' } }] } },
        {
          facts: {
            measuredAt: 0,
            routes: [{ ...route('192.0.2.1'), udp: { mapping: 'none', filtering: 'unknown', ports: { kind: 'range', low: 9, high: 1 } } }]
          }
        }
      ]
      for (const fields of wrong) put(encodePresence(signer, group.id, { ...input(), ...fields } as PresenceInput))
      await marker(device)
      expect(names(device)).to.deep.equal([])
    })

    it('that is too large is dropped', async () => {
      const device = await browser()
      const good = encodePresence(signer, group.id, input())
      put(Buffer.concat([good, Buffer.alloc(9000)]))
      await marker(device)
      expect(names(device)).to.deep.equal([])
    })

    it('of the past does not come back', async () => {
      const device = await browser()
      const seen = await devices.online('shop', { brokers: [broker.url] })
      await sees(device, 'shop')
      const recorded = broker.published.filter(({ topic: on }) => on === group.presenceTopic(seen.peerId))
      await seen.provider.shutdown()
      await sees(device)
      for (const publication of recorded) for (const retain of [true, false]) broker.inject({ ...publication, retain })
      await marker(device)
      expect(names(device)).to.deep.equal([])
      // Somebody who has seen none of it cannot know before it expires; then nobody takes it.
      const later = await devices.device({ brokers: [broker.url], clock: manualClock(Date.now() + 600_000) })
      await later.provider.startBrowsing()
      for (const publication of recorded) broker.inject(publication)
      await eventually('it to be dropped as expired', () =>
        later.context.logger.entries.some(({ fields }) => fields?.['reason'] === 'expired')
      )
      expect(names(later)).to.deep.equal([])
    })

    it('in a flood of made-up ones leaves the listed devices alone', async () => {
      const device = await browser({ maxPeers: 5 })
      await devices.online('shop', { brokers: [broker.url] })
      await sees(device, 'shop')
      const flood = await Promise.all(Array.from({ length: 12 }, () => createIdentity({ commonName: 'flood' })))
      for (const one of flood) put(encodePresence(createSigner(one), group.id, input()), group.presenceTopic(one.peerId))
      await eventually('the list to be full', () => device.context.peers.size === 5)
      await eventually('a warning', () => device.context.logger.entries.some(({ message }) => message.includes('more devices')))
      expect(names(device)).to.include('shop')
    })

    it('is seen at once on a broker that keeps thousands of topics of garbage', async () => {
      const own = createGroup(groupName, 'kithmesh')
      for (let index = 0; index < 5_000; index++) {
        const node = index.toString(16).padStart(64, '0')
        broker.retained.set(
          own.presenceTopic(node),
          index % 2 === 0 ? Buffer.from(`garbage ${index}`) : encodePresence(signer, own.id, input())
        )
      }
      put(encodePresence(signer, group.id, input()))
      const device = await browser({ maxPeers: 10 })
      await sees(device, 'mallory')
    })

    it('is nothing to who has another group key, or none', async () => {
      const key = Buffer.alloc(16, 1)
      const a = await devices.online('a', { brokers: [broker.url], groupKey: key })
      const outsiders = [await browser(), await browser({ groupKey: Buffer.alloc(16, 2) })]
      const insider = await browser({ groupKey: key })
      await sees(insider, 'a')
      // The same bytes on the topics of the others.
      for (const [other, otherKey] of [
        [outsiders[0], undefined],
        [outsiders[1], Buffer.alloc(16, 2)]
      ] as const) {
        const theirs = createGroup(groupName, 'kithmesh', otherKey)
        for (const { payload } of broker.published) broker.inject({ topic: theirs.presenceTopic(a.peerId), payload, retain: false })
        expect(names(other as TestDevice)).to.deep.equal([])
      }
    })
  })

  describe('messages', () => {
    const listen = (device: TestDevice): string[] => {
      const heard: string[] = []
      device.channel.onMessage((_from, message) => {
        heard.push(Buffer.from(message).toString())
      })
      return heard
    }
    /** Two devices that see each other, and what the second one hears. */
    const pair = async (options: Partial<DeviceOptions> = {}): Promise<{ a: TestDevice; b: TestDevice; heard: string[] }> => {
      const a = await devices.online('a', { brokers: [broker.url], ...options })
      const b = await devices.online('b', { brokers: [broker.url], ...options })
      await eventually('b to be reachable', () => a.channel.reaches(b.peerId))
      return { a, b, heard: listen(b) }
    }
    const letters = (): readonly { topic: string; payload: Buffer; retain: boolean }[] =>
      broker.published.filter(({ topic }) => topic.includes('/i/'))
    /** Everything before this message was dealt with when it arrives. */
    const last = async (a: TestDevice, b: TestDevice, heard: string[]): Promise<void> => {
      await a.channel.send(b.peerId, Buffer.from('last'), { signal: never() })
      await eventually('the last message', () => heard.includes('last'))
    }

    it('are delivered once, however often they come', async () => {
      const { a, b, heard } = await pair()
      await a.channel.send(b.peerId, Buffer.from('one'), { signal: never() })
      for (let count = 0; count < 5; count++) for (const letter of letters()) broker.inject(letter)
      await last(a, b, heard)
      expect(heard).to.deep.equal(['one', 'last'])
    })

    it('of any changed byte are dropped', async () => {
      const { a, b, heard } = await pair()
      await a.channel.send(b.peerId, Buffer.from('one'), { signal: never() })
      await eventually('the message', () => heard.length === 1)
      const [{ topic, payload }] = letters() as [{ topic: string; payload: Buffer; retain: boolean }]
      for (let at = 0; at < payload.length; at += 17) {
        const bad = Buffer.from(payload)
        bad[at] = (bad[at] as number) ^ 1
        broker.inject({ topic, payload: bad, retain: false })
      }
      for (let length = 0; length < payload.length; length += 41)
        broker.inject({ topic, payload: payload.subarray(0, length), retain: false })
      await last(a, b, heard)
      expect(heard).to.deep.equal(['one', 'last'])
    })

    it("are worthless in another's inbox, or to a later run of the same device", async () => {
      const { a, b, heard } = await pair()
      const c = await devices.online('c', { brokers: [broker.url] })
      const atC = listen(c)
      await eventually('c to be reachable', () => a.channel.reaches(c.peerId))
      await a.channel.send(b.peerId, Buffer.from('for b'), { signal: never() })
      const recorded = [...letters()]
      for (const { payload } of recorded) broker.inject({ topic: group.inboxTopic(c.peerId), payload, retain: false })
      await last(a, c, atC)
      expect(atC).to.deep.equal(['last'])
      await Promise.all([b.provider.stopBrowsing(), b.provider.stopPublishing()])
      await Promise.all([b.provider.startBrowsing(), b.publish('b again')])
      for (const letter of recorded) broker.inject(letter)
      await sees(a, 'b again', 'c')
      await last(a, b, heard)
      expect(heard).to.deep.equal(['for b', 'last'])
    })

    /** A letter by Mallory, who may do everything but have another's key. */
    const forge = (to: TestDevice, key: Buffer, { now = Date.now(), body = 'forged', as = signer, id = group.id } = {}): Buffer =>
      sealLetter(
        as,
        new Sealer(),
        { group: id, toPeerId: to.peerId, toKey: key },
        { body: Buffer.from(body), replyTo: { key: createInboxKeys().publicKey, tags: [] }, now, monotonic: 0 }
      )
    const keyOf = (device: TestDevice): Buffer => {
      const fields = /"inboxKey":"([^"]+)"/.exec(String(broker.retained.get(group.presenceTopic(device.peerId))))
      return Buffer.from(fields?.[1] as string, 'base64')
    }

    it('of a made-up sender are dropped', async () => {
      const { a, b, heard } = await pair()
      const key = keyOf(b)
      // Mallory signs, and shows the certificate of another device.
      const stolen: Signer = { ...signer, peerId: a.peerId, certificates: createSigner(a.identity).certificates }
      broker.inject({ topic: group.inboxTopic(b.peerId), payload: forge(b, key, { as: stolen }), retain: false })
      broker.inject({ topic: group.inboxTopic(b.peerId), payload: forge(b, key, { id: Buffer.alloc(16, 9) }), retain: false })
      await last(a, b, heard)
      expect(heard).to.deep.equal(['last'])
    })

    it('of another time are dropped, and the log says so', async () => {
      const { a, b, heard } = await pair()
      const key = keyOf(b)
      for (const difference of [-130_000, 130_000])
        broker.inject({ topic: group.inboxTopic(b.peerId), payload: forge(b, key, { now: Date.now() + difference }), retain: false })
      broker.inject({
        topic: group.inboxTopic(b.peerId),
        payload: forge(b, key, { now: Date.now() - 60_000, body: 'in time' }),
        retain: false
      })
      await last(a, b, heard)
      expect(heard).to.deep.equal(['in time', 'last'])
      expect(b.context.logger.entries.some(({ level, message }) => level === 'warn' && message.includes('clock'))).to.equal(true)
    })

    it('of a time that the clocks of two devices may not differ by are dropped, as is such presence', async () => {
      const { a, b, heard } = await pair({ clockSkewMs: 10_000 })
      const key = keyOf(b)
      for (const [body, difference] of [
        ['old', -12_000],
        ['early', 12_000],
        ['in time', -6_000]
      ] as const)
        broker.inject({ topic: group.inboxTopic(b.peerId), payload: forge(b, key, { now: Date.now() + difference, body }), retain: false })
      const [time, startedAt] = [Date.now() + 12_000, Date.now()]
      broker.inject({
        topic: group.presenceTopic(identity.peerId),
        payload: Buffer.from(encodePresence(signer, group.id, input({ time, startedAt }))),
        retain: false
      })
      await last(a, b, heard)
      expect(heard).to.deep.equal(['in time', 'last'])
      await marker(b)
      expect(names(b)).to.not.include('mallory')
    })

    it('of one sender are taken as often as is allowed, and three seconds worth of them at once', async () => {
      const { a, b, heard } = await pair({ messagesPerSecond: 2, clock: manualClock(Date.now()) })
      await last(a, b, heard)
      const key = keyOf(b)
      for (let index = 0; index < 12; index++)
        broker.inject({ topic: group.inboxTopic(b.peerId), payload: forge(b, key, { body: `flood ${index}` }), retain: false })
      await a.channel.send(b.peerId, Buffer.from('after'), { signal: never() })
      await eventually('the message of the other', () => heard.includes('after'))
      expect(heard.filter((text) => text.startsWith('flood'))).to.have.length(6)
    })

    it('of one sender in a flood cost the others nothing', async () => {
      const { a, b, heard } = await pair({ clock: manualClock(Date.now()) })
      await last(a, b, heard)
      const payloads = Array.from({ length: 500 }, (_value, index) => forge(b, keyOf(b), { body: `flood ${index}` }))
      for (const payload of payloads) broker.inject({ topic: group.inboxTopic(b.peerId), payload, retain: false })
      await a.channel.send(b.peerId, Buffer.from('after'), { signal: never() })
      await eventually('the message of the other', () => heard.includes('after'))
      expect(heard.filter((text) => text.startsWith('flood')).length).to.be.lessThan(200)
    })

    it('of a thousand strangers who are not admitted leave room for others', async () => {
      const friend = await createIdentity({ commonName: 'friend' })
      const { b, heard } = await pair({
        messagesPerSecond: 100_000,
        authenticator: { name: 'test', check: async ({ peerId }) => peerId === friend.peerId }
      })
      const key = keyOf(b)
      const [leaf] = parseCertificates(identity.chainPem)
      if (leaf === undefined) throw new Error('there is no certificate')
      const send = (as: Signer): void => {
        broker.inject({ topic: group.inboxTopic(b.peerId), payload: forge(b, key, { as, body: as.peerId }), retain: false })
      }
      for (let index = 0; index < 1_100; index++) {
        // The issuer's signature is nobody's business: one key has as many ids as it likes.
        const der = Buffer.from(leaf.raw)
        der.writeUInt16BE(index, der.length - 2)
        send(createSigner({ ...identity, peerId: peerIdOf(der), chainPem: certificateToPem(der) }))
        if (index % 100 === 99) await new Promise(setImmediate)
      }
      await eventually('the friend to be heard', () => {
        send(createSigner(friend))
        return heard.length > 0
      })
      expect(new Set(heard)).to.deep.equal(new Set([friend.peerId]))
    })

    it('in reverse order arrive all the same', async () => {
      const held: { topic: string; payload: Buffer; retain: boolean }[] = []
      await broker.kill()
      broker = await ScriptedBroker.start({
        deliver: (publication) => {
          if (!publication.topic.includes('/i/')) return [publication]
          held.push(publication)
          return []
        }
      })
      const { a, b, heard } = await pair()
      for (const text of ['one', 'two', 'three']) await a.channel.send(b.peerId, Buffer.from(text), { signal: never() })
      for (const publication of held.reverse()) broker.inject(publication)
      await eventually('all three', () => heard.length === 3)
      expect(heard).to.deep.equal(['three', 'two', 'one'])
    })

    it('that are too large are dropped', async () => {
      const { a, b, heard } = await pair()
      broker.inject({ topic: group.inboxTopic(b.peerId), payload: Buffer.alloc(40_000, 1), retain: false })
      await last(a, b, heard)
      expect(heard).to.deep.equal(['last'])
    })
  })

  it('that send packets without measure are hung up on', async () => {
    const device = await browser()
    // PUBLISH with a remaining length of 256 MB, and its first bytes.
    broker.sendRaw(Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f, 0, 1, 97]))
    await eventually('the reason to be logged', () =>
      device.context.logger.entries.some(({ fields }) => String(fields?.['error']).includes('more than 65536 bytes'))
    )
    await eventually('a new connection', () => broker.clients === 1 && broker.connects.length === 2)
  })

  it('that speak nonsense are hung up on', async () => {
    await browser()
    broker.sendRaw(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'))
    await eventually('a new connection', () => broker.clients === 1 && broker.connects.length === 2)
  })

  it('that deliver on foreign topics are not listened to', async () => {
    const device = await browser()
    // MQTT 5, written by hand: no library sends such topics.
    for (const topic of [
      'a',
      'kithmesh',
      `${group.presenceTopic('x')}`,
      group.presenceFilter,
      `${group.inboxTopic(identity.peerId)}/x`,
      group.inboxTopic(identity.peerId)
    ])
      broker.sendRaw(
        Buffer.concat([Buffer.of(0x30, 2 + topic.length + 1 + 4, 0, topic.length), Buffer.from(topic), Buffer.of(0), Buffer.from('nope')])
      )
    await marker(device)
    expect(names(device)).to.deep.equal([])
  })
})

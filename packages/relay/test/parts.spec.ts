import { expect } from 'chai'
import { manualClock } from '@kithmesh/testkit'
import { addressRanges } from '../dist/address-ranges.js'
import { PacketMeter } from '../dist/broker/packet-meter.js'
import { RetainedStore } from '../dist/broker/retained-store.js'
import { topicPolicy } from '../dist/broker/topic-policy.js'
import { Budget } from '../dist/budget.js'
import { decodeChannelFrame, encodeChannelFrame } from '../dist/turn/channel-frames.js'
import { Channels } from '../dist/turn/channels.js'
import { Nonces } from '../dist/turn/nonces.js'
import { PeerPolicy } from '../dist/turn/peer-policy.js'
import { Permissions } from '../dist/turn/permissions.js'
import { UserTable } from '../dist/users.js'

describe('where a relay relays to', () => {
  const policy = (allowed: string[] = []): PeerPolicy =>
    new PeerPolicy({
      allowed: addressRanges(allowed),
      relays: new Set(['203.0.113.10', '2001:db8::10']),
      isOwn: (address) => ['203.0.113.10', '203.0.113.12', '10.0.0.5', '127.0.0.1', '2001:db8::10'].includes(address),
      isRelay: ({ port }) => port === 50_000,
      ownPorts: new Set([1_883, 3_478])
    })

  it('is the internet, and its own relays', () => {
    for (const peer of [
      { address: '198.51.100.7', port: 40_000 },
      { address: '2001:db8::7', port: 40_000 },
      { address: '203.0.113.10', port: 50_000 },
      { address: '::ffff:198.51.100.7', port: 40_000 }
    ])
      expect(policy().whyNotRelay(peer), peer.address).to.equal(undefined)
  })

  const nowhere = [
    ...[
      '10.1.2.3',
      '172.31.0.1',
      '192.168.0.1',
      '100.64.0.1',
      '169.254.169.254',
      '127.0.0.1',
      '127.8.8.8',
      '0.0.0.0',
      '224.0.0.251',
      '255.255.255.255'
    ],
    ...[
      '::1',
      '::',
      'fe80::1',
      'fd00:ec2::254',
      'ff02::fb',
      '::ffff:127.0.0.1',
      '::ffff:10.0.0.1',
      '::127.0.0.1',
      '64:ff9b::7f00:1',
      '2002:7f00:1::',
      '100::1'
    ],
    ...['203.0.113.12', 'example.org', '']
  ]
  for (const address of nowhere)
    it(`is not ${address === '' ? 'no address' : address}`, () => {
      expect(policy().whyNotPermit(address)).to.be.a('string')
      expect(policy().whyNotRelay({ address, port: 40_000 })).to.be.a('string')
    })

  it('is not the relay itself, other ports of it, or services', () => {
    for (const port of [1_883, 3_478, 8_080, 22])
      expect(policy().whyNotRelay({ address: '203.0.113.10', port }), `${port}`).to.be.a('string')
    for (const port of [0, 25, 53, 123, 1_023]) expect(policy().whyNotRelay({ address: '198.51.100.7', port }), `${port}`).to.be.a('string')
  })

  it('is what was asked for besides, but never multicast, and never the own ports', () => {
    const open = policy(['10.0.0.0/8', '127.0.0.1', '203.0.113.12', 'fd00::/8', '224.0.0.0/4', '64:ff9b::/96'])
    for (const [address, port] of [
      ['10.9.9.9', 443],
      ['127.0.0.1', 8_080],
      ['203.0.113.12', 8_080],
      ['fd12::1', 40_000]
    ] as const)
      expect(open.whyNotRelay({ address, port }), address).to.equal(undefined)
    for (const [address, port] of [
      ['192.168.0.1', 40_000],
      ['127.0.0.1', 1_883],
      ['10.0.0.5', 3_478],
      ['224.0.0.251', 5_353],
      ['64:ff9b::7f00:1', 40_000]
    ] as const)
      expect(open.whyNotRelay({ address, port }), address).to.be.a('string')
  })
})

describe('parts of a relay', () => {
  it('ranges are read strictly', () => {
    const inside = addressRanges(['192.168.1.0/24', '10.0.0.1', 'fd00::/8'])
    expect(['192.168.1.255', '10.0.0.1', 'fd99::1'].map(inside)).to.deep.equal([true, true, true])
    expect(['192.168.2.0', '10.0.0.2', 'fe80::1', 'text'].map(inside)).to.deep.equal([false, false, false, false])
    for (const wrong of ['', 'a', '10.0.0.0/', '10.0.0.0/33', '10.0.0.0/8/8', '10.0.0.0/-1', 'fe80::1%eth0', '::/129'])
      expect(() => addressRanges([wrong]), wrong).to.throw(TypeError)
  })

  it('topics are those of Kithmesh', () => {
    const topics = topicPolicy('kithmesh')
    const [uuid, label, id] = ['6ba7b810-9dad-11d1-80b4-00c04fd430c8', 'b'.repeat(32), 'a'.repeat(64)]
    expect([`kithmesh/${uuid}/p/${id}`, `kithmesh/${label}/i/${label}`].map((topic) => topics.kindOf(topic))).to.deep.equal([
      'presence',
      'inbox'
    ])
    for (const wrong of [
      `kithmesh/${uuid}/q/${id}`,
      `kithmesh/${uuid}/p/${id}/x`,
      `x/kithmesh/${uuid}/p/${id}`,
      `kithmesh/${uuid}/p/${id.toUpperCase()}`,
      `kithmesh/${uuid}/p/+`
    ])
      expect(topics.kindOf(wrong), wrong).to.equal(undefined)
    expect(
      [`kithmesh/${uuid}/p/+`, `kithmesh/${uuid}/p/${id}`, `kithmesh/${uuid}/i/${id}`].map((filter) => topics.maySubscribe(filter))
    ).to.deep.equal([true, true, true])
    for (const wrong of [
      `kithmesh/${uuid}/i/+`,
      `kithmesh/${uuid}/#`,
      `kithmesh/+/p/${id}`,
      `kithmesh/${uuid}/p/#`,
      '+/+/p/+',
      `$share/x/kithmesh/${uuid}/p/+`
    ])
      expect(topics.maySubscribe(wrong), wrong).to.equal(false)
    expect(topicPolicy('a/b').kindOf(`a/b/${uuid}/p/${id}`)).to.equal('presence')
  })

  it('packets are counted however they are cut, and large or malformed ones seen from their lengths', () => {
    const packets = Buffer.concat([Buffer.from([0xc0, 0]), Buffer.from([0x30, 0x80, 0x01]), Buffer.alloc(128), Buffer.from([0xc0, 0])])
    for (const step of [1, 2, 3, 50, packets.length]) {
      const meter = new PacketMeter()
      let count = 0
      for (let at = 0; at < packets.length; at += step) count += meter.count(packets.subarray(at, at + step), 200)!
      expect(count, `${step}`).to.equal(3)
    }
    expect(new PacketMeter().count(packets, 127)).to.equal(undefined)
    expect(new PacketMeter().count(Buffer.from([0x30, 0x80, 0x80, 0x80, 0x80, 0x01]), 2 ** 30)).to.equal(undefined)
  })

  it('a budget is spent at once, owed, and comes back with time', async () => {
    const clock = manualClock()
    const budget = new Budget(100, 2, clock)
    expect([budget.take(150), budget.take(100), budget.take(1)]).to.deep.equal([true, true, false])
    expect(budget.owe(50)).to.equal(1_010)
    await clock.advance(1_010)
    expect([budget.take(1), budget.take(1)]).to.deep.equal([true, false])
    await clock.advance(60_000)
    expect([budget.owe(199), budget.owe(1)]).to.deep.equal([0, 10])
    expect(new Budget(Number.POSITIVE_INFINITY, 2, clock).owe(1e12)).to.equal(0)
  })

  it('messages are kept while there is room, and for a time', () => {
    const store = new RetainedStore({ retained: 3, retainedBytes: 100, retainedMs: 1_000 })
    const put = (topic: string, bytes: number, now = 0): void => {
      store.store({ topic, payload: Buffer.alloc(bytes, 'x'), qos: 1 }, now)
    }
    put('g/p/1', 5)
    put('g/p/2', 5, 600)
    put('h/p/1', 5)
    put('h/p/2', 5)
    expect([store.size, store.has('h/p/2')]).to.deep.equal([3, false])
    expect(store.match('g/p/+').map(({ topic }) => topic)).to.deep.equal(['g/p/1', 'g/p/2'])
    put('h/p/1', 90)
    expect(store.match('h/p/1')[0]?.payload.length).to.equal(5)
    store.sweep(1_000)
    expect(store.match('g/p/+').map(({ topic }) => topic)).to.deep.equal(['g/p/2'])
    put('g/p/2', 0)
    expect([store.size, store.match('g/p/+')]).to.deep.equal([0, []])
    put('h/p/1', 90)
    expect(store.match('h/p/1')).to.have.length(1)
  })

  it('permissions end after five minutes, channels after ten, and both are bounded', async () => {
    const clock = manualClock()
    const permissions = new Permissions(2, clock)
    const channels = new Channels(1, clock)
    const peer = { address: '192.0.2.1', port: 7_000 }
    expect([permissions.grant(['192.0.2.1', '192.0.2.2']), permissions.grant(['192.0.2.3'])]).to.deep.equal([true, false])
    expect([channels.bind(0x4001, peer), channels.bind(0x4001, peer), channels.bind(0x4002, { ...peer, port: 1 })]).to.deep.equal([
      'bound',
      'bound',
      'full'
    ])
    expect([channels.bind(0x4002, peer), channels.bind(0x4001, { ...peer, port: 1 }), channels.bind(0x3fff, peer)]).to.deep.equal([
      'conflict',
      'conflict',
      'conflict'
    ])
    await clock.advance(299_999)
    expect(permissions.has('::ffff:192.0.2.1')).to.equal(true)
    await clock.advance(1)
    expect([permissions.has('192.0.2.1'), permissions.grant(['192.0.2.3', '192.0.2.4'])]).to.deep.equal([false, true])
    await clock.advance(299_999)
    expect([channels.peerOf(0x4001), channels.numberOf(peer)]).to.deep.equal([peer, 0x4001])
    await clock.advance(1)
    expect([channels.peerOf(0x4001), channels.numberOf(peer), channels.bind(0x4002, peer)]).to.deep.equal([undefined, undefined, 'bound'])
  })

  it('nonces are this server’s own, for an hour', async () => {
    const clock = manualClock()
    const [nonces, others] = [new Nonces(clock), new Nonces(clock)]
    const here = '192.0.2.1'
    const nonce = nonces.issue(here)
    expect([
      nonces.valid(nonce, here),
      others.valid(nonce, here),
      nonces.valid('', here),
      nonces.valid(`${nonce.slice(0, -1)}x`, here),
      nonces.valid('é'.repeat(nonce.length), here)
    ]).to.deep.equal([true, false, false, false, false])
    expect(nonces.valid(nonce, '::ffff:192.0.2.1')).to.equal(true)
    expect(nonces.valid(nonce, '192.0.2.2'), 'who overheard it, elsewhere').to.equal(false)
    await clock.advance(3_600_000)
    expect(nonces.valid(nonce, here)).to.equal(false)
  })

  it('channel data are read strictly, with the numbers of RFC 5766, too', () => {
    const data = Buffer.from('hello')
    expect(decodeChannelFrame(encodeChannelFrame({ channel: 0x7fff, data }, true))).to.deep.equal({ channel: 0x7fff, data })
    expect(encodeChannelFrame({ channel: 0x4000, data }, true)).to.have.length(12)
    for (const wrong of ['', '4000', '40000005aa', '400000010102030405', '80000000'])
      expect(decodeChannelFrame(Buffer.from(wrong, 'hex')), wrong).to.equal(undefined)
  })

  it('users are replaced by name and password', () => {
    const table = new UserTable('realm', [
      { username: 'a', password: 'password a' },
      { username: 'b', password: 'password b' }
    ])
    expect([
      table.accepts('a', Buffer.from('password a')),
      table.accepts('a', Buffer.from('password b')),
      table.accepts('c', Buffer.alloc(0))
    ]).to.deep.equal([true, false, false])
    const gone = table.replace([
      { username: 'a', password: 'password a' },
      { username: 'b', password: 'another one' }
    ])
    expect([...gone]).to.deep.equal(['b'])
    expect(() => table.replace([])).to.throw(TypeError)
    expect(table.accepts('b', Buffer.from('another one'))).to.equal(true)
  })
})

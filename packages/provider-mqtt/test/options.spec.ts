import { inspect } from 'node:util'
import { createIdentity } from '@kithmesh/identity'
import type { Identity } from '@kithmesh/identity'
import { mqtt } from '@kithmesh/provider-mqtt'
import type { MqttOptions } from '@kithmesh/provider-mqtt'
import { recordingContext } from '@kithmesh/testkit'
import { expect } from 'chai'
import { checkOptions } from '../dist/options.js'
import type { CheckedBroker } from '../dist/options.js'

describe('options', () => {
  let identity: Identity
  before(async () => {
    identity = await createIdentity({ commonName: 'a' })
  })
  const check = (options: Partial<MqttOptions>): CheckedBroker[] => [
    ...checkOptions({ brokers: ['mqtt://127.0.0.1'], identity, ...options }).brokers
  ]

  it('read broker URLs', () => {
    const brokers = check({
      brokers: [
        'mqtt://one',
        'mqtts://[::1]',
        'ws://three:8080',
        'wss://user:p%40ss@Four/path?x=1',
        { url: 'mqtt://one:99', id: 'other', username: 'u', password: '' }
      ]
    })
    expect(
      brokers.map(({ id, url, host, port, secure, webSocketPath, username, password }) => [
        id,
        url,
        host,
        port,
        secure,
        webSocketPath,
        username,
        password
      ])
    ).to.deep.equal([
      ['one:1883', 'mqtt://one:1883', 'one', 1883, false, undefined, undefined, undefined],
      ['[::1]:8883', 'mqtts://[::1]:8883', '::1', 8883, true, undefined, undefined, undefined],
      ['three:8080', 'ws://three:8080/mqtt', 'three', 8080, false, '/mqtt', undefined, undefined],
      ['four:443', 'wss://four:443/path', 'four', 443, true, '/path?x=1', 'user', 'p@ss'],
      ['other', 'mqtt://one:99', 'one', 99, false, undefined, 'u', '']
    ])
  })

  for (const [title, options] of Object.entries<Partial<MqttOptions>>({
    'no broker': { brokers: [] },
    'nine brokers': { brokers: Array.from({ length: 9 }, (_value, index) => `mqtt://b${index}`) },
    'a broker twice': { brokers: ['mqtt://b', 'mqtt://b:1883'] },
    'another scheme': { brokers: ['http://b'] },
    'no URL': { brokers: ['b:1883'] },
    'a path where there is none': { brokers: ['mqtt://b/path'] },
    'a fragment': { brokers: ['wss://b/#x'] },
    'port 0': { brokers: ['mqtt://b:0'] },
    'an unknown protocol version': { brokers: [{ url: 'mqtt://b', protocolVersion: 3 as 4 }] },
    'a short group key': { groupKey: Buffer.alloc(15) },
    'a short passphrase': { groupKey: 'short' },
    'a prefix with a wildcard': { topicPrefix: 'a/+' },
    'a prefix with an empty level': { topicPrefix: '/a' },
    'no time to live': { presenceTtlMs: 0 },
    'a broken escape': { brokers: ['mqtt://user:100%@b'] },
    'half a device': { maxPeers: 1.5 }
  })) {
    it(`refuse ${title}`, () => {
      expect(() => check(options)).to.throw(TypeError)
    })
  }

  it('never repeat a password', () => {
    for (const url of [
      'mqtt://user:secret@',
      'mqtt://user:secret@b:port',
      'http://user:secret@b',
      'mqtt://user:secret@b/path',
      'mqtt://user:secret@b:0',
      'mqtt://user:secret%@b'
    ])
      try {
        check({ brokers: [url] })
        expect.fail('it was taken')
      } catch (error) {
        expect(error).to.be.instanceOf(TypeError)
        expect(inspect(error, { depth: Infinity, showHidden: true })).to.not.include('secret')
      }
  })

  it('refuse an identity that is not that of the discovery', () => {
    const factory = mqtt({ brokers: ['mqtt://127.0.0.1'], identity })
    expect(() => factory.create(recordingContext({ peerGroupId: 'g', localPeerId: 'a'.repeat(64) }))).to.throw(TypeError)
  })

  it('refuse metadata that do not fit, and publish nothing', async () => {
    const provider = mqtt({ brokers: ['mqtt://127.0.0.1:9'], identity }).create(
      recordingContext({ peerGroupId: 'g', localPeerId: identity.peerId })
    )
    const metadata = new Map(Array.from({ length: 40 }, (_value, index) => [`k${index}`, Buffer.alloc(200)]))
    const error = (await provider.startPublishing({ displayName: 'a', port: 1, metadata }).catch((reason: unknown) => reason)) as {
      code?: string
    }
    expect(error.code).to.equal('ERR_MQTT_TOO_LARGE')
    await provider.shutdown()
  })
})

import { execFile, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { errorCode } from '@kithmesh/core'
import { createCertificateAuthority, createIdentity } from '@kithmesh/identity'
import { eventually } from '@kithmesh/testkit'
import { expect } from 'chai'
import { createDevice, never } from './device.mjs'
import { Mosquitto, passwordFile } from './mosquitto.mjs'

const kithmesh = fileURLToPath(new URL('../../../packages/cli/bin/kithmesh.js', import.meta.url))
const anonymous = ([port]) => `listener ${port} 127.0.0.1\nallow_anonymous true\npersistence false`

describe('MQTT with mosquitto', () => {
  const brokers = []
  const devices = []
  const children = []

  const broker = async (...args) => {
    const made = await Mosquitto.create(...args)
    brokers.push(made)
    return made
  }
  const device = async (options) => {
    const made = await createDevice(options)
    devices.push(made)
    return made
  }
  const online = async (name, options) => await (await device(options)).online(name)

  afterEach(async () => {
    for (const child of children.splice(0)) child.kill('SIGKILL')
    await Promise.all(devices.splice(0).map(({ provider }) => provider.shutdown()))
    await Promise.all(brokers.splice(0).map((made) => made[Symbol.asyncDispose]()))
  })

  it('shows kithmesh peers who is there, and shows nobody that somebody looked', async () => {
    const { ports } = await broker(1, anonymous)
    const settings = { brokers: [`mqtt://127.0.0.1:${ports[0]}`], groupKey: 'a long passphrase' }
    const key = brokers[0].file('key', 'a long passphrase\n')
    const shop = await online('shop', settings)
    const words = [
      '--group',
      'com.example.shop',
      '--broker',
      settings.brokers[0],
      '--group-key-file',
      key,
      '--seconds',
      '8',
      '--interface',
      'lo',
      '--json'
    ]
    const { stdout } = await promisify(execFile)(process.execPath, [kithmesh, 'peers', ...words])
    const device = JSON.parse(stdout)
    expect(device.name).to.equal('shop')
    expect(device.seen.map(({ provider, service }) => [provider, service])).to.deep.equal([['MQTT', `mqtt:${shop.peerId}`]])
    expect(shop.names()).to.deep.equal([])
  })

  for (const protocolVersion of [5, 4]) {
    describe(`version ${protocolVersion === 5 ? '5' : '3.1.1'}`, () => {
      const open = async (options = {}) => {
        const { ports } = await broker(1, anonymous)
        const settings = { brokers: [{ url: `mqtt://127.0.0.1:${ports[0]}`, protocolVersion }], ...options }
        const [a, b] = await Promise.all([online('a', settings), online('b', settings)])
        await Promise.all([a.sees('b'), b.sees('a')])
        return { a, b, settings }
      }

      it('shows devices to each other and carries messages', async () => {
        const { a, b } = await open()
        expect(a.brokers.map((state) => [state.state, state.protocolVersion])).to.deep.equal([['connected', protocolVersion]])
        await a.echo(b)
        await b.echo(a)
      })
      it('does so with a group key, too', async () => {
        const { a, b } = await open({ groupKey: 'correct horse battery staple' })
        await a.echo(b)
      })
      it('shows changes of metadata, and who comes late sees the last', async () => {
        const { a, b, settings } = await open()
        await a.provider.updateMetadata(new Map([['n', Buffer.from('1')]]))
        const shows = (other) =>
          eventually('the metadata', () => other.context.peers.get(`mqtt:${a.peerId}`)?.metadata.get('n')?.[0] === 49)
        await shows(b)
        const late = await device(settings)
        await late.provider.startBrowsing()
        await shows(late)
      })
      it('leaves nothing behind after a clean stop', async () => {
        const { a, b, settings } = await open()
        await a.provider.shutdown()
        await b.sees()
        const late = await device(settings)
        await late.provider.startBrowsing()
        await late.sees('b')
      })
      it('carries the largest message', async () => {
        const { a, b } = await open()
        const heard = []
        b.channel.onMessage((_from, message) => heard.push(message))
        const message = Buffer.alloc(16 * 1024, 7)
        await a.channel.send(b.peerId, message, { signal: never })
        await eventually('the message', () => heard.length === 1)
        expect(Buffer.compare(heard[0], message)).to.equal(0)
      })
    })
  }

  it('tells at once that a process was killed, by its last will', async () => {
    const { ports } = await broker(1, anonymous)
    const url = `mqtt://127.0.0.1:${ports[0]}`
    const a = await device({ brokers: [url] })
    await a.provider.startBrowsing()
    const child = fork(fileURLToPath(new URL('./device-process.mjs', import.meta.url)), [url, 'victim'])
    children.push(child)
    await once(child, 'message')
    await a.sees('victim')
    child.kill('SIGKILL')
    await a.sees()
    const late = await device({ brokers: [url] })
    await late.provider.startBrowsing()
    await online('b', { brokers: [url] })
    await late.sees('b')
  })

  it('sends to nobody that has gone', async () => {
    const { ports } = await broker(1, anonymous)
    const url = `mqtt://127.0.0.1:${ports[0]}`
    const [a, b] = await Promise.all([online('a', { brokers: [url] }), online('b', { brokers: [url] })])
    await a.echo(b)
    await b.provider.shutdown()
    await a.sees()
    const error = await a.channel.send(b.peerId, Buffer.from('hello'), { signal: never }).catch((reason) => reason)
    expect(errorCode(error)).to.equal('ERR_MQTT_UNKNOWN_PEER')
  })

  for (const persistence of [false, true]) {
    it(`outlives the broker's being killed and restarted ${persistence ? 'with' : 'without'} what it had kept`, async () => {
      const made = await broker(
        1,
        ([port], _file, folder) =>
          `listener ${port} 127.0.0.1\nallow_anonymous true\npersistence ${persistence}\npersistence_location ${folder}/\nautosave_on_changes true\nautosave_interval 1`
      )
      const url = `mqtt://127.0.0.1:${made.ports[0]}`
      const [a, b] = await Promise.all([online('a', { brokers: [url] }), online('b', { brokers: [url] })])
      await Promise.all([a.sees('b'), b.sees('a')])
      for (let round = 0; round < 2; round++) {
        await made.kill()
        await eventually('the loss to be noticed', () => [a, b].every(({ brokers: [state] }) => state.state !== 'connected'))
        await made.start()
        await eventually('both to be back', () => [a, b].every(({ brokers: [state] }) => state.state === 'connected'))
        await a.echo(b)
        const late = await device({ brokers: [url] })
        await late.provider.startBrowsing()
        await late.sees('a', 'b')
        await late.provider.shutdown()
      }
      for (const { context } of [a, b]) expect(context.events.filter(({ type }) => type === 'lost')).to.deep.equal([])
    })
  }

  it('falls over to the other brokers when one is killed, and uses it again', async () => {
    const three = [await broker(1, anonymous), await broker(1, anonymous), await broker(1, anonymous)]
    const urls = three.map(({ ports }) => `mqtt://127.0.0.1:${ports[0]}`)
    const [a, b] = await Promise.all([online('a', { brokers: urls }), online('b', { brokers: urls })])
    await Promise.all([a.sees('b'), b.sees('a')])
    for (const one of three) {
      await one.kill()
      await a.echo(b)
      await one.start()
      await eventually('it to be used again', () =>
        [a, b].every(({ brokers: states }) => states.every(({ state }) => state === 'connected'))
      )
    }
    await b.echo(a)
  })

  describe('passwords and access lists', () => {
    const withUsers =
      (users, acl) =>
      ([port], file) =>
        `listener ${port} 127.0.0.1\nallow_anonymous false\npersistence false\npassword_file ${passwordFile(file, users)}\n${
          acl === undefined ? '' : `acl_file ${file('acl', acl)}`
        }`

    it('lets in who knows the password, and says who does not', async () => {
      const { ports } = await broker(1, withUsers({ shop: 'se/cret' }))
      const url = `mqtt://shop:${encodeURIComponent('se/cret')}@127.0.0.1:${ports[0]}`
      const [a, b] = await Promise.all([online('a', { brokers: [url] }), online('b', { brokers: [url] })])
      await a.echo(b)
      for (const [wrong, protocolVersion] of [
        ['mqtt://shop:wrong@127.0.0.1', 5],
        ['mqtt://127.0.0.1', 4]
      ]) {
        const stranger = await device({ brokers: [{ url: `${wrong}:${ports[0]}`, protocolVersion }] })
        const error = await stranger.provider.startBrowsing().catch((reason) => reason)
        expect(errorCode(error)).to.equal('ERR_MQTT_NO_BROKER')
        expect(errorCode(error.cause)).to.equal('ERR_MQTT_REFUSED')
      }
    })

    it('works with the access list that the README of the package shows', async () => {
      const identities = await Promise.all(['a', 'b'].map((commonName) => createIdentity({ commonName })))
      const acl = [
        'pattern read kithmesh/+/p/+',
        'pattern readwrite kithmesh/+/p/%u',
        'pattern read kithmesh/+/i/%u',
        'pattern write kithmesh/+/i/+'
      ]
      const { ports } = await broker(
        1,
        withUsers(Object.fromEntries(identities.map(({ peerId }) => [peerId, 'secret'])), `${acl.join('\n')}\n`)
      )
      const brokersOf = ({ peerId }) => [{ url: `mqtt://127.0.0.1:${ports[0]}`, username: peerId, password: 'secret' }]
      const [a, b] = await Promise.all(
        identities.map((identity, index) => online(['a', 'b'][index], { identity, brokers: brokersOf(identity) }))
      )
      await Promise.all([a.sees('b'), b.sees('a')])
      await a.echo(b)
      // With another's login, the topics are not one's own.
      const impostor = await device({ brokers: brokersOf(identities[0]) })
      const error = await impostor.publish('impostor').catch((reason) => reason)
      expect(errorCode(error)).to.equal('ERR_MQTT_NO_BROKER')
      expect(errorCode(error.cause)).to.equal('ERR_MQTT_DENIED')
    })
  })

  describe('TLS and WebSocket', () => {
    let authority
    let server
    before(async () => {
      authority = await createCertificateAuthority({ commonName: 'brokers' })
      server = await createIdentity({ commonName: 'broker', altNames: ['127.0.0.1', 'localhost'], issuer: authority })
    })
    const tls = (file, extra = '') =>
      `cafile ${file('ca.pem', authority.certificatePem)}\ncertfile ${file('cert.pem', server.chainPem)}\nkeyfile ${file('key.pem', server.privateKeyPem)}\n${extra}`
    const trust = () => ({ mode: 'ca', ca: [authority.certificatePem] })

    it('speaks mqtts with an authority of its own, and with a pinned certificate', async () => {
      const { ports } = await broker(1, ([port], file) => `listener ${port} 127.0.0.1\nallow_anonymous true\n${tls(file)}`)
      const url = `mqtts://127.0.0.1:${ports[0]}`
      const a = await online('a', { brokers: [{ url, trust: trust() }] })
      const b = await online('b', { brokers: [{ url, trust: { mode: 'pinned', certificate: server.certificatePem } }] })
      await a.echo(b)
      const stranger = await device({ brokers: [url] })
      const error = await stranger.provider.startBrowsing().catch((reason) => reason)
      expect(errorCode(error.cause.cause)).to.equal('ERR_IDENTITY_UNTRUSTED')
    })

    it('shows its certificate to brokers that ask for one', async () => {
      const { ports } = await broker(
        1,
        ([port], file) => `listener ${port} 127.0.0.1\nallow_anonymous true\n${tls(file, 'require_certificate true')}`
      )
      const url = `mqtts://127.0.0.1:${ports[0]}`
      const clients = await Promise.all(['a', 'b'].map((commonName) => createIdentity({ commonName, issuer: authority })))
      const [a, b] = await Promise.all(
        clients.map((identity) => online(identity.commonName, { identity, brokers: [{ url, trust: trust(), clientIdentity: identity }] }))
      )
      await a.echo(b)
      const stranger = await device({ brokers: [{ url, trust: trust() }] })
      const error = await stranger.provider.startBrowsing().catch((reason) => reason)
      expect(errorCode(error)).to.equal('ERR_MQTT_NO_BROKER')
    })

    it('speaks ws and wss, to devices that use mqtt, too', async () => {
      const { ports } = await broker(
        3,
        ([plain, ws, wss], file) =>
          `allow_anonymous true\nlistener ${plain} 127.0.0.1\nlistener ${ws} 127.0.0.1\nprotocol websockets\nlistener ${wss} 127.0.0.1\nprotocol websockets\n${tls(file)}`
      )
      const id = 'the broker'
      const a = await online('a', { brokers: [{ id, url: `mqtt://127.0.0.1:${ports[0]}` }] })
      const b = await online('b', { brokers: [{ id, url: `ws://127.0.0.1:${ports[1]}/mqtt` }] })
      const c = await online('c', { brokers: [{ id, url: `wss://127.0.0.1:${ports[2]}/mqtt`, trust: trust() }] })
      await Promise.all([a.sees('b', 'c'), b.sees('a', 'c'), c.sees('a', 'b')])
      await a.echo(b)
      await b.echo(c)
      await c.echo(a)
    })
  })
})

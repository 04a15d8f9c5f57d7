import { once } from 'node:events'
import { createServer as createHttpsServer } from 'node:https'
import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { createServer as createTlsServer, type TLSSocket } from 'node:tls'
import { errorCode } from '@kithmesh/core'
import { createCertificateAuthority, createIdentity } from '@kithmesh/identity'
import type { Identity } from '@kithmesh/identity'
import type { BrokerStatus } from '@kithmesh/provider-mqtt'
import { eventually, manualClock } from '@kithmesh/testkit'
import { expect } from 'chai'
import { WebSocketServer, createWebSocketStream } from 'ws'
import { Devices, never } from './support/devices.ts'
import type { TestDevice } from './support/devices.ts'
import { EmbeddedBroker } from './support/embedded-broker.ts'
import { ScriptedBroker } from './support/scripted-broker.ts'

const names = ({ context }: TestDevice): string[] => [...context.peers.values()].map(({ displayName }) => displayName).sort()
const sees = async (device: TestDevice, ...expected: string[]): Promise<void> => {
  await eventually(`to see ${expected.join(' and ')}`, () => names(device).join() === expected.join())
}

/** Asks over signalling and takes the answer. */
async function echo(from: TestDevice, to: TestDevice): Promise<void> {
  await eventually('the other to be reachable', () => from.channel.reaches(to.peerId))
  const end = to.channel.onMessage((peerId, message) => {
    void to.channel.send(peerId, message, { signal: never() })
  })
  let heard = 0
  const listen = from.channel.onMessage((peerId) => {
    if (peerId === to.peerId) heard++
  })
  await from.channel.send(to.peerId, Buffer.from('echo'), { signal: never() })
  await eventually('the echo', () => heard > 0)
  end()
  listen()
}

describe('brokers', () => {
  const devices = new Devices()
  const closing: (() => unknown)[] = []

  const embedded = async (...args: Parameters<typeof EmbeddedBroker.start>): Promise<EmbeddedBroker> => {
    const broker = await EmbeddedBroker.start(...args)
    closing.push(() => broker.kill())
    return broker
  }
  const scripted = async (...args: Parameters<typeof ScriptedBroker.start>): Promise<ScriptedBroker> => {
    const broker = await ScriptedBroker.start(...args)
    closing.push(() => broker.kill())
    return broker
  }

  afterEach(async () => {
    await devices.shutdown()
    for (const close of closing.splice(0).reverse()) await close()
  })

  describe('protocol versions', () => {
    for (const [title, options, protocolVersion, used] of [
      ['MQTT 5 by default', {}, 'auto', 5],
      ['MQTT 3.1.1 where it is asked for', {}, 4, 4],
      ['MQTT 3.1.1 where the broker refuses 5', { versions: [4] }, 'auto', 4],
      ['MQTT 3.1.1 where the broker hangs up on 5', { versions: [4], silent: true }, 'auto', 4]
    ] as const) {
      it(`speaks ${title}`, async () => {
        const broker = await scripted(options)
        let states: readonly BrokerStatus[] = []
        const settings = { brokers: [{ url: broker.url, protocolVersion }] }
        const a = await devices.online('a', {
          ...settings,
          onBrokers: (brokers) => {
            states = brokers
          }
        })
        const b = await devices.online('b', settings)
        await sees(a, 'b')
        await sees(b, 'a')
        await echo(a, b)
        expect(states.map(({ state, protocolVersion: version }) => [state, version])).to.deep.equal([['connected', used]])
      })
    }

    it('fails where only MQTT 5 is wanted and the broker does not know it', async () => {
      const broker = await scripted({ versions: [4] })
      const device = await devices.device({ brokers: [{ url: broker.url, protocolVersion: 5 }] })
      const error = await device.provider.startBrowsing().catch((reason: unknown) => reason)
      expect(errorCode(error)).to.equal('ERR_MQTT_NO_BROKER')
      expect(errorCode((error as Error).cause)).to.equal('ERR_MQTT_REFUSED')
      expect(device.context.status('browse')).to.equal('failed')
    })
  })

  it('are told how long they may hear nothing', async () => {
    const broker = await scripted()
    await devices.online('a', { brokers: [broker.url], keepAliveSeconds: 7 })
    expect(broker.connects.map(({ keepalive }) => keepalive)).to.deep.equal([7])
  })

  it('that say that nobody reads a message make sending fail', async () => {
    const broker = await scripted()
    const [a, b] = await Promise.all([devices.online('a', { brokers: [broker.url] }), devices.online('b', { brokers: [broker.url] })])
    await sees(a, 'b')
    // Nobody tells that b has gone: its connection was cut, and its will comes late.
    const readers = broker.mute('/i/')
    const error = await a.channel.send(b.peerId, Buffer.from('hello'), { signal: never() }).catch((reason: unknown) => reason)
    expect(errorCode(error)).to.equal('ERR_MQTT_UNKNOWN_PEER')
    expect(readers).to.equal(2)
  })

  describe('login', () => {
    const admits = ({ username, password }: { username?: string; password?: Buffer }): boolean =>
      username === 'shop' && String(password) === 'pa ss/'

    it('takes user name and password from the URL or the options', async () => {
      const broker = await scripted({ admits })
      const a = await devices.online('a', { brokers: [broker.url.replace('//', `//shop:${encodeURIComponent('pa ss/')}@`)] })
      await devices.online('b', { brokers: [{ url: broker.url, username: 'shop', password: 'pa ss/' }] })
      await sees(a, 'b')
    })

    it('says that the broker refused, and tells nobody the password', async () => {
      const broker = await scripted({ admits })
      const device = await devices.device({ brokers: [broker.url.replace('//', '//shop:secret@')] })
      const error = (await device.provider.startBrowsing().catch((reason: unknown) => reason)) as Error
      expect(errorCode(error)).to.equal('ERR_MQTT_NO_BROKER')
      expect(errorCode(error.cause)).to.equal('ERR_MQTT_REFUSED')
      expect(
        JSON.stringify([error.message, device.context.logger.entries.map(({ message, fields }) => [message, String(fields?.['error'])])])
      ).to.not.include('secret')
    })

    it('says that the broker denies a topic', async () => {
      const broker = await scripted({ denies: (topic) => topic.includes('/p/') })
      const device = await devices.device({ brokers: [broker.url] })
      const error = (await device.provider.startBrowsing().catch((reason: unknown) => reason)) as Error
      expect(errorCode(error)).to.equal('ERR_MQTT_NO_BROKER')
      expect(errorCode(error.cause)).to.equal('ERR_MQTT_DENIED')
    })
  })

  describe('TLS', () => {
    let authority: Identity
    let server: Identity

    before(async () => {
      authority = await createCertificateAuthority({ commonName: 'brokers' })
      server = await createIdentity({ commonName: 'broker', altNames: ['127.0.0.1'], issuer: authority })
    })

    /** A broker behind TLS, spoken to directly or over WebSocket. */
    const secure = async (webSocket: boolean): Promise<{ url: string; subProtocols: string[]; clients: string[] }> => {
      const broker = await scripted()
      const sockets = new Set<Socket>()
      const subProtocols: string[] = []
      const clients: string[] = []
      const tls = { key: server.privateKeyPem, cert: server.chainPem, requestCert: true, rejectUnauthorized: false }
      const note = (socket: TLSSocket): void => {
        clients.push(String(socket.getPeerCertificate().subject?.CN))
      }
      if (!webSocket) {
        const listener = createTlsServer(tls, (socket) => {
          note(socket)
          broker.accept(socket)
        })
        listener.on('connection', (socket: Socket) => sockets.add(socket))
        listener.on('tlsClientError', () => {})
        listener.listen(0, '127.0.0.1')
        await once(listener, 'listening')
        closing.push(() => {
          for (const socket of sockets) socket.destroy()
          listener.close()
        })
        return { url: `mqtts://127.0.0.1:${(listener.address() as AddressInfo).port}`, subProtocols, clients }
      }
      const listener = createHttpsServer(tls)
      listener.on('secureConnection', note)
      listener.on('connection', (socket: Socket) => sockets.add(socket))
      const upgrades = new WebSocketServer({ server: listener, path: '/mqtt', handleProtocols: () => 'mqtt' })
      upgrades.on('connection', (socket, request) => {
        subProtocols.push(String(request.headers['sec-websocket-protocol']))
        broker.accept(createWebSocketStream(socket) as unknown as Socket)
      })
      listener.listen(0, '127.0.0.1')
      await once(listener, 'listening')
      closing.push(() => {
        for (const socket of sockets) socket.destroy()
        upgrades.close()
        listener.close()
      })
      return { url: `wss://127.0.0.1:${(listener.address() as AddressInfo).port}/mqtt`, subProtocols, clients }
    }

    it('shows the certificate it is to show, and none otherwise', async () => {
      const clientIdentity = await createIdentity({ commonName: 'till 1' })
      for (const webSocket of [false, true]) {
        const { url, clients } = await secure(webSocket)
        const trust = { mode: 'ca', ca: [authority.certificatePem] } as const
        for (const options of [
          { url, trust },
          { url, trust, clientIdentity }
        ])
          await devices.online('a', { brokers: [options] })
        expect(clients).to.deep.equal(['undefined', 'till 1'])
      }
    })

    for (const webSocket of [false, true]) {
      const scheme = webSocket ? 'wss' : 'mqtts'
      it(`speaks ${scheme} with an authority of one's own, and with a pinned certificate`, async () => {
        const { url, subProtocols } = await secure(webSocket)
        const a = await devices.online('a', { brokers: [{ url, trust: { mode: 'ca', ca: [authority.certificatePem] } }] })
        const b = await devices.online('b', { brokers: [{ url, trust: { mode: 'pinned', certificate: server.certificatePem } }] })
        await sees(a, 'b')
        await echo(a, b)
        if (webSocket) expect(subProtocols).to.deep.equal(['mqtt', 'mqtt'])
      })

      it(`refuses a certificate that nobody vouches for over ${scheme}`, async () => {
        const { url } = await secure(webSocket)
        const device = await devices.device({ brokers: [url] })
        const error = (await device.provider.startBrowsing().catch((reason: unknown) => reason)) as Error
        expect(errorCode(error)).to.equal('ERR_MQTT_NO_BROKER')
        expect(errorCode(error.cause)).to.equal('ERR_MQTT_CONNECT')
        expect(errorCode((error.cause as Error).cause)).to.equal('ERR_IDENTITY_UNTRUSTED')
      })
    }
  })

  describe('that hang', () => {
    /** Takes connections and says nothing. */
    const silent = async (): Promise<string> => {
      const sockets = new Set<Socket>()
      const server = createServer((socket) => {
        sockets.add(socket)
        socket.on('error', () => {})
      })
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      closing.push(() => {
        for (const socket of sockets) socket.destroy()
        server.close()
      })
      return `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`
    }

    it('fail a start within the time for a connection', async () => {
      for (const url of [await silent(), (await silent()).replace('mqtt:', 'mqtts:'), (await silent()).replace('mqtt:', 'ws:')]) {
        const device = await devices.device({ brokers: [url], connectTimeoutMs: 100 })
        const error = (await device.provider.startBrowsing().catch((reason: unknown) => reason)) as Error
        expect(errorCode(error), url).to.equal('ERR_MQTT_NO_BROKER')
        expect(errorCode(error.cause), url).to.equal('ERR_MQTT_CONNECT')
        expect(error.message, url).to.include('no answer within 100 ms')
      }
    })

    it('are asked again after the time for that', async () => {
      const clock = manualClock()
      const broker = await scripted({ admits: () => false })
      const working = await scripted()
      await devices.online('a', { brokers: [broker.url, working.url], clock, reconnectMs: 10_000 })
      await eventually('the first time', () => broker.connects.length === 1)
      // A pause is drawn from the upper half.
      await clock.advance(4_900)
      expect(broker.connects).to.have.length(1)
      await clock.advance(5_100)
      await eventually('the second time', () => broker.connects.length === 2)
    })

    it('hold up nobody, whether they do not greet or do not acknowledge', async () => {
      const deaf = await scripted({ deaf: true })
      const broker = await embedded()
      const brokers = [await silent(), deaf.url, broker.url]
      const [a, b] = await Promise.all([devices.online('a', { brokers }), devices.online('b', { brokers })])
      await sees(a, 'b')
      await sees(b, 'a')
      await eventually('the deaf one to be connected', () => deaf.clients === 2)
      await echo(a, b)
    })

    it('end with the stop of a start', async () => {
      const device = await devices.device({ brokers: [await silent()] })
      const started = device.provider.startBrowsing().catch((reason: unknown) => reason)
      await device.provider.stopBrowsing()
      expect(errorCode(await started)).to.equal('ERR_MQTT_STOPPED')
      expect(device.context.status('browse')).to.equal('offline')
    })
  })

  describe('that die', () => {
    it('keep nobody from being seen: presence and subscriptions are restored on the same one', async () => {
      const broker = await embedded()
      const [a, b] = await Promise.all([devices.online('a', { brokers: [broker.url] }), devices.online('b', { brokers: [broker.url] })])
      await sees(a, 'b')
      await sees(b, 'a')
      await broker.kill()
      await broker.start()
      // The new broker knows nothing: whoever comes now finds both only when they have returned.
      const late = await devices.device({ brokers: [broker.url] })
      await late.provider.startBrowsing()
      await sees(late, 'a', 'b')
      await eventually('a to be connected', () => a.channel.reaches(b.peerId))
      await echo(a, b)
      for (const { context } of [a, b]) {
        expect(context.events.filter(({ type }) => type === 'lost')).to.deep.equal([])
        expect(context.status('browse')).to.equal('online')
      }
    })

    it('are replaced by the others, for presence and for messages', async () => {
      const all = [await embedded(), await embedded(), await embedded()]
      const brokers = all.map(({ url }) => url)
      const [a, b] = await Promise.all([devices.online('a', { brokers }), devices.online('b', { brokers })])
      await sees(a, 'b')
      await echo(a, b)
      for (const broker of all.slice(0, 2)) {
        await broker.kill()
        await echo(a, b)
        await echo(b, a)
      }
      const late = await devices.online('late', { brokers })
      await sees(late, 'a', 'b')
      await echo(late, a)
    })

    it('do not matter when they were never there', async () => {
      const broker = await embedded()
      const gone = await embedded()
      await gone.kill()
      let states: readonly BrokerStatus[] = []
      const a = await devices.online('a', {
        brokers: [gone.url, broker.url],
        onBrokers: (brokers) => {
          states = brokers
        }
      })
      await devices.online('b', { brokers: [broker.url] })
      await sees(a, 'b')
      await eventually('the dead broker to be given up for now', () => states.find(({ url }) => url === gone.url)?.state === 'waiting')
      const dead = states.find(({ url }) => url === gone.url)
      expect(errorCode(dead?.error)).to.equal('ERR_MQTT_CONNECT')
      await gone.start()
      await eventually('the broker that returned to be used', () => states.every(({ state }) => state === 'connected'))
    })

    it('fail a start with the reason of each', async () => {
      const gone = await embedded()
      await gone.kill()
      const refusing = await scripted({ admits: () => false })
      const device = await devices.device({ brokers: [gone.url, refusing.url] })
      const error = (await device.publish('a').catch((reason: unknown) => reason)) as Error & {
        details: { brokers: Record<string, string> }
      }
      expect(errorCode(error)).to.equal('ERR_MQTT_NO_BROKER')
      expect(Object.values(error.details.brokers)).to.have.length(2)
      expect(device.context.status('publish')).to.equal('failed')
      await gone.start()
      await device.publish('a')
      expect(device.context.status('publish')).to.equal('online')
    })
  })

  it('are used as rendezvous hashing by the recipient says, so that both ends meet on the same ones', async () => {
    const all = [await scripted(), await scripted(), await scripted(), await scripted()]
    const brokers = all.map(({ url }) => url)
    const [a, b] = await Promise.all([devices.online('a', { brokers, inboxBrokers: 1 }), devices.online('b', { brokers, inboxBrokers: 1 })])
    await eventually('all brokers to have both', () => all.every(({ retained }) => retained.size === 2))
    await sees(a, 'b')
    await echo(a, b)
    const letters = all.map(({ published }) => published.filter(({ topic }) => topic.includes('/i/')).length)
    expect(letters.reduce((sum, count) => sum + count)).to.equal(2)
  })
})

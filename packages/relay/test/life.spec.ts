import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { expect } from 'chai'
import { errorCode } from '@kithmesh/core'
import { createIdentity } from '@kithmesh/identity'
import { createRelay } from '@kithmesh/relay'
import { eventually, rejection } from '@kithmesh/testkit'
import { Stage, team } from './support/relays.ts'

describe('a relay', () => {
  const stage = new Stage()
  /** No other test uses this address, so that a port that was left is free still. */
  const host = '127.0.65.1'
  afterEach(() => stage.end())

  it('can be stopped and started again on the same ports, and both twice', async () => {
    const first = await stage.relay({ host })
    const { brokers, stun } = first.urls
    await first.start()
    await Promise.all([first.stop(), first.stop()])
    expect(() => first.urls).to.throw(TypeError)
    const [mqttPort, stunPort, alternateStunPort] = [brokers[0], ...stun].map((url) => Number(url?.split(':').at(-1)))
    const again = await stage.relay({ host, mqttPort: mqttPort!, stunPort: stunPort!, alternateStunPort: alternateStunPort! })
    expect(again.urls).to.deep.equal({ brokers, stun, turn: [`turn:${host}:${stunPort}`] })
    await again.stop()
    await again.start()
    expect(again.urls.brokers).to.deep.equal(brokers)
  })

  it('with TLS has the port for TURN over it that it is told', async () => {
    const { privateKeyPem: key, certificatePem: cert } = await createIdentity({ commonName: 'relay' })
    const first = await stage.relay({ tls: { cert, key } })
    const turns = first.urls.turn.find((url) => url.startsWith('turns:'))
    await first.stop()
    const again = await stage.relay({ tls: { cert, key }, turnsPort: Number(turns?.split(':').at(-1)) })
    expect(again.urls.turn).to.include(turns)
  })

  for (const [what, limits, hosts] of [
    ['all together', { connections: 3 }, ['127.0.0.2', '127.0.0.3', '127.0.0.4', '127.0.0.5']],
    ['one address', { connectionsPerAddress: 2 }, ['127.0.0.2', '127.0.0.2', '127.0.0.3', '127.0.0.2']]
  ] as const)
    it(`has so many connections of ${what} as it is told, to the broker and to STUN and TURN each`, async () => {
      const relay = await stage.relay({ limits })
      for (const url of [relay.urls.brokers[0], relay.urls.stun[0]]) {
        const sockets: Socket[] = []
        for (const localAddress of hosts) {
          const socket = connect({ port: Number(url?.split(':').at(-1)), host: '127.0.0.1', localAddress }).on('error', () => {})
          sockets.push(socket.resume())
          await once(socket, 'connect')
        }
        await eventually('the last one to be closed', () => sockets.at(-1)?.closed === true)
        expect(sockets.map(({ closed }) => closed)).to.deep.equal([false, false, false, true])
        for (const socket of sockets) socket.destroy()
      }
    })

  it('says which address and port cannot be had, and leaves none open', async () => {
    const first = await stage.relay({ host })
    const stunPort = Number(first.urls.stun[0]?.split(':').at(-1))
    const second = stage.use(createRelay({ host, users: [team], mqttPort: 0, stunPort, alternateStunPort: 0 }))
    const error = await rejection(second.start())
    expect(errorCode(error)).to.equal('ERR_RELAY_LISTEN')
    expect((error as Error).message).to.contain(`UDP ${host}:${stunPort}`)
    await first.stop()
    await second.start()
    expect(second.status.broker.clients).to.equal(0)
  })

  it('refuses a certificate that cannot be used', async () => {
    const relay = stage.use(
      createRelay({ host: '127.0.0.1', users: [team], mqttPort: 0, stunPort: 0, alternateStunPort: 0, tls: { cert: 'no', key: 'no' } })
    )
    expect(errorCode(await rejection(relay.start()))).to.equal('ERR_RELAY_TLS')
  })

  for (const [what, options] of Object.entries({
    'no users': { users: [] },
    'two users of one name': { users: [team, team] },
    'a short password': { users: [{ username: 'a', password: 'short' }] },
    'a colon in a name': { users: [{ username: 'a:b', password: 'long enough' }] },
    'an address that means all': { host: '0.0.0.0' },
    'a name for an address': { host: 'localhost' },
    'an address twice': { host: ['127.0.0.1', '127.0.0.1'] },
    'a range that is none': { allowPeers: ['10.0.0.0/33'] },
    'one port for two': { stunPort: 3478, alternateStunPort: 3478 },
    'a limit that is none': { limits: { allocations: 0 } },
    'a prefix with a wildcard': { topicPrefix: 'a/+' }
  }))
    it(`is not made with ${what}`, () => {
      expect(() => createRelay({ host: '127.0.0.1', users: [team], ...options })).to.throw(TypeError)
    })
})

import { once } from 'node:events'
import { type AddressInfo, type Socket, createServer } from 'node:net'
import { errorCode } from '@kithmesh/core'
import { type BrokerProbe, probeBroker } from '@kithmesh/provider-mqtt'
import { eventually, manualClock } from '@kithmesh/testkit'
import { expect } from 'chai'
import { EmbeddedBroker } from './support/embedded-broker.ts'

const LIMIT = { timeoutMs: 30_000 }

describe('probing a broker', () => {
  const closing: (() => unknown)[] = []
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close()
  })

  const broker = async (...options: Parameters<typeof EmbeddedBroker.start>): Promise<EmbeddedBroker> => {
    const started = await EmbeddedBroker.start(...options)
    closing.push(() => started.kill())
    return started
  }
  const failure = ({ failure: found }: BrokerProbe): string => `${found?.step} ${errorCode(found?.error)}`

  /** Takes connections and says nothing. */
  const silent = async (): Promise<{ readonly url: string; readonly sockets: readonly Socket[] }> => {
    const sockets: Socket[] = []
    const server = createServer((socket) => sockets.push(socket.on('error', () => {}))).listen(0, '127.0.0.1')
    await once(server, 'listening')
    closing.push(() => {
      for (const socket of sockets) socket.destroy()
      server.close()
    })
    return { url: `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`, sockets }
  }

  it('measures the login and a round trip, and leaves nothing behind', async () => {
    const subject = await broker()
    const published: { topic: string; retain: boolean }[] = []
    subject.aedes.on('publish', ({ topic, retain }, client) => {
      if (client !== null) published.push({ topic, retain })
    })
    const probe = await probeBroker(subject.url, LIMIT)
    expect(probe).to.deep.include({ id: new URL(subject.url).host, url: subject.url, login: false, failure: undefined })
    expect(probe.protocolVersion).to.be.oneOf([4, 5])
    expect(probe.connectMs).to.be.at.least(0)
    expect(probe.roundTripMs).to.be.at.least(0)
    expect(published).to.have.lengthOf(1)
    expect(published[0]?.topic).to.match(/^kithmesh\/[0-9a-f-]{36}\/i\/[0-9a-f]{64}$/)
    expect(published[0]?.retain).to.equal(false)
    expect(subject.aedes.connectedClients).to.equal(0)
  })

  it('tries the topics of the group and prefix that are named', async () => {
    const subject = await broker()
    const topics: string[] = []
    subject.aedes.on('subscribe', (subscriptions) => {
      topics.push(...subscriptions.map(({ topic }) => topic))
    })
    await probeBroker(subject.url, { ...LIMIT, topicPrefix: 'shop', peerGroupId: 'com.example' })
    await probeBroker(subject.url, { ...LIMIT, topicPrefix: 'shop', peerGroupId: 'com.example' })
    expect(topics.map((topic) => topic.split('/')[0])).to.deep.equal(['shop', 'shop'])
    expect(topics[0]?.split('/')[1]).to.equal(topics[1]?.split('/')[1])
  })

  it('tells a login that is refused', async () => {
    const subject = await broker({
      authenticate: (_client, username, password, done) => {
        done(null, username === 'ann' && password?.toString() === 'right')
      }
    })
    const url = (password: string): string => subject.url.replace('//', `//ann:${password}@`)
    expect((await probeBroker(url('right'), LIMIT)).failure).to.equal(undefined)
    const refused = await probeBroker(url('wrong'), LIMIT)
    expect(failure(refused)).to.equal('connect ERR_MQTT_REFUSED')
    expect(JSON.stringify(refused) + String(refused.failure?.error)).to.not.include('wrong')
  })

  it('tells which right is missing', async () => {
    const noReading = await broker({
      authorizeSubscribe: (_client, _subscription, done) => {
        done(null, null)
      }
    })
    expect(failure(await probeBroker(noReading.url, LIMIT))).to.equal('subscribe ERR_MQTT_DENIED')
    const noWriting = await broker({
      authorizePublish: (_client, _packet, done) => {
        done(new Error('no'))
      }
    })
    expect(failure(await probeBroker(noWriting.url, LIMIT))).to.match(/^publish ERR_MQTT_(LOST|DENIED)$/)
    const noDelivery = await broker({ authorizeForward: () => null })
    expect(failure(await probeBroker(noDelivery.url, { timeoutMs: 500 }))).to.equal('receive ERR_MQTT_DENIED')
  })

  it('tells one that is not there, and one that says nothing, within the time given', async () => {
    const subject = await broker()
    const { url } = subject
    await subject.kill()
    const gone = await probeBroker(url, LIMIT)
    expect(failure(gone)).to.equal('connect ERR_MQTT_CONNECT')
    expect(errorCode(gone.failure?.error.cause)).to.equal('ECONNREFUSED')

    const { url: quietUrl } = await silent()
    const quiet = await probeBroker(quietUrl, { timeoutMs: 300 })
    expect(failure(quiet)).to.equal('connect ERR_MQTT_CONNECT')
    expect(quiet.connectMs).to.equal(undefined)
  })

  it('gives up after the time given, by the clock given', async () => {
    const clock = manualClock()
    const { url, sockets } = await silent()
    let over = false
    const probe = probeBroker(url, { clock, timeoutMs: 3_600_000 }).finally(() => {
      over = true
    })
    await eventually('the connection', () => sockets.length === 1)
    await clock.advance(3_599_999)
    expect(over).to.equal(false)
    await clock.advance(1)
    expect(failure(await probe)).to.equal('connect ERR_MQTT_CONNECT')
  })

  it('ends with the reason of its signal, and refuses what is no broker', async () => {
    const reason = new Error('enough')
    const rejects = (promise: Promise<unknown>): Promise<unknown> =>
      promise.then(
        () => undefined,
        (error: unknown) => error
      )
    expect(await rejects(probeBroker('mqtt://127.0.0.1:1', { signal: AbortSignal.abort(reason) }))).to.equal(reason)
    expect(await rejects(probeBroker('http://127.0.0.1'))).to.be.instanceOf(TypeError)
    for (const options of [{ timeoutMs: Number.NaN }, { timeoutMs: 0 }, { timeoutMs: 2 ** 31 }, { topicPrefix: 'a/#' }])
      expect(await rejects(probeBroker('mqtt://127.0.0.1:1', options)), JSON.stringify(options)).to.be.instanceOf(TypeError)
  })
})

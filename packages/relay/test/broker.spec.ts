import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import { expect } from 'chai'
import { connectAsync, type IClientOptions, type MqttClient } from 'mqtt'
import { eventually, manualClock, recordingLogger, rejection } from '@kithmesh/testkit'
import type { Relay } from '@kithmesh/relay'
import { Stage, team } from './support/relays.ts'

const group = 'kithmesh/6ba7b810-9dad-11d1-80b4-00c04fd430c8'
const node = (n: number): string => n.toString(16).padStart(64, '0')

/** Whether something comes back before the connection is closed. */
function isAnswered(port: number, bytes: Buffer): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectTcp(port, '127.0.0.1').on('error', () => {})
    socket.once('data', () => {
      resolve(true)
      socket.destroy()
    })
    socket.once('close', () => {
      resolve(false)
    })
    socket.write(bytes)
  })
}

/** CONNECT (MQTT 3.1.1 §3.1). */
function greeting({ username, password }: { readonly username: string; readonly password: string }): Buffer {
  const text = (value: string): Buffer => Buffer.from([value.length >> 8, value.length & 255, ...Buffer.from(value)])
  const rest = Buffer.concat([text('MQTT'), Buffer.from([4, 0xc2, 0, 60]), text('one'), text(username), text(password)])
  return Buffer.from([0x10, rest.length, ...rest])
}

/** What comes back first, hexadecimal. */
async function answerTo(bytes: Buffer, where: { port: number; host: string; localAddress: string }): Promise<string> {
  const socket = connectTcp(where)
  socket.write(bytes)
  const [answer] = (await once(socket, 'data')) as [Buffer]
  socket.destroy()
  return answer.toString('hex')
}

describe('the broker of a relay', () => {
  const stage = new Stage()
  afterEach(() => stage.end())

  async function client(relay: Relay, options: IClientOptions = {}): Promise<MqttClient> {
    const settings = { ...team, reconnectPeriod: 0, protocolVersion: 4, timerVariant: 'native', ...options } as const
    const made = await connectAsync(relay.urls.brokers[0]!, settings)
    made.on('error', () => {})
    stage.use({ [Symbol.asyncDispose]: () => made.endAsync(true) })
    return made
  }

  /** What a client receives, `topic payload`. */
  function received(of: MqttClient): string[] {
    const messages: string[] = []
    of.on('message', (topic, payload) => messages.push(`${topic.slice(-1)} ${payload.toString()}`))
    return messages
  }

  async function closed(of: MqttClient): Promise<void> {
    await new Promise<void>((resolve) => {
      if (of.connected) of.once('close', resolve)
      else resolve()
    })
  }

  it('keeps the presence of a group for those who come later, and executes last wills', async () => {
    const relay = await stage.relay()
    const will = { topic: `${group}/p/${node(1)}`, payload: Buffer.from('gone'), qos: 1, retain: true } as const
    const one = await client(relay, { will })
    await one.publishAsync(`${group}/p/${node(1)}`, 'here', { qos: 1, retain: true })
    const other = await client(relay)
    const messages = received(other)
    await other.subscribeAsync(`${group}/p/+`, { qos: 1 })
    await eventually('the presence', () => messages.length === 1)
    one.stream.destroy()
    await eventually('the last will', () => messages.length === 2)
    expect(messages).to.deep.equal(['1 here', '1 gone'])
    await eventually('both messages to be counted', () => relay.status.broker.messages === 2)
    expect(relay.status.broker).to.include({ clients: 1, retained: 1 })
    await other.publishAsync(`${group}/p/${node(1)}`, '', { qos: 1, retain: true })
    await eventually('nothing to be kept', () => relay.status.broker.retained === 0)
  })

  it('refuses wrong logins, and logs in nobody without one', async () => {
    const relay = await stage.relay()
    for (const wrong of [{ password: 'something else' }, { username: 'nobody' }, { username: '', password: '' }]) {
      const error = (await rejection(client(relay, wrong))) as unknown as { code?: number }
      expect(error.code).to.equal(4)
    }
    expect(relay.status.broker).to.include({ clients: 0, refused: 3 })
  })

  it('logs whom it refuses', async () => {
    const logger = recordingLogger()
    const relay = await stage.relay({ logger })
    await rejection(client(relay, { password: 'something else' }))
    const entry = logger.entries.find(({ message }) => message.includes('was refused'))
    expect(entry?.fields?.['from']).to.contain('127.0.0.1')
  })

  it('looks at a few wrong logins of an address, then at none for a while, and at those of others as always', async () => {
    const relay = await stage.relay()
    const code = async (password: string): Promise<number | undefined> =>
      ((await rejection(client(relay, { password }))) as unknown as { code?: number }).code
    const guesses = await Promise.all(Array.from({ length: 24 }, (_, index) => code(`guess ${index}`)))
    expect(guesses.filter((each) => each === 4)).to.have.length(20)
    expect(guesses.filter((each) => each === 3)).to.have.length(4)
    expect(await code(team.password), 'nor at the right one, or it could be told from the others').to.equal(3)
    const port = Number(relay.urls.brokers[0]?.split(':').at(-1))
    expect(await answerTo(greeting(team), { port, host: '127.0.0.1', localAddress: '127.0.0.9' })).to.equal('20020000')
    expect(await answerTo(greeting(team), { port, host: '127.0.0.1', localAddress: '127.0.0.1' })).to.equal('20020003')
  })

  it('has no topics but those of Kithmesh, and no way to look for groups', async () => {
    const relay = await stage.relay()
    const asking = await client(relay)
    for (const filter of ['#', 'kithmesh/#', 'kithmesh/+/p/+', `${group}/+/${node(1)}`, `${group}/i/+`, '$SYS/#', 'other/topic']) {
      const [granted] = await asking.subscribeAsync(filter).catch((error: { granted?: unknown }) => [error])
      expect((granted as { qos?: number }).qos, filter).not.to.be.oneOf([0, 1, 2])
    }
    for (const topic of ['other/topic', `${group}/p/short`, `${group}/x/${node(1)}`, 'kithmesh']) {
      const publishing = await client(relay)
      publishing.publish(topic, 'x')
      await closed(publishing)
    }
    const leaving = await client(relay)
    leaving.publish(`${group}/i/${node(1)}`, 'x', { retain: true })
    await closed(leaving)
    expect(
      (await rejection(client(relay, { will: { topic: 'other/topic', payload: Buffer.from('x'), qos: 0, retain: false } }))) as object
    ).to.include({
      code: 5
    })
    expect(asking.connected).to.equal(true)
  })

  it('has its topics below the prefix it was given, and there alone', async () => {
    const relay = await stage.relay({ topicPrefix: 'shop/floor' })
    const one = await client(relay)
    const messages = received(one)
    const own = `shop/floor/${group.split('/')[1]}/i/${node(1)}`
    await one.subscribeAsync(own)
    await one.publishAsync(own, 'hello', { qos: 1 })
    await eventually('a message of one’s own', () => messages.length === 1)
    one.publish(`${group}/i/${node(1)}`, 'x')
    await closed(one)
  })

  it('forgets a message that is not renewed for as long as it is told', async () => {
    const clock = manualClock()
    const relay = await stage.relay({ clock, limits: { retainedMs: 100_000 } })
    const one = await client(relay)
    await one.publishAsync(`${group}/p/${node(1)}`, 'here', { qos: 1, retain: true })
    await clock.advance(99_000)
    expect(relay.status.broker.retained).to.equal(1)
    await clock.advance(100_000)
    expect(relay.status.broker.retained).to.equal(0)
  })

  it('bounds the bytes of the messages that are kept', async () => {
    const relay = await stage.relay({ limits: { retainedBytes: 1_000 } })
    const one = await client(relay)
    await one.publishAsync(`${group}/p/${node(1)}`, Buffer.alloc(500), { qos: 1, retain: true })
    one.publish(`${group}/p/${node(2)}`, Buffer.alloc(500), { retain: true })
    await closed(one)
    expect(relay.status.broker.retained).to.equal(1)
  })

  it('bounds packets, subscriptions, and the messages that are kept', async () => {
    const relay = await stage.relay({ limits: { packetBytes: 2_000, subscriptionsPerClient: 2, retained: 3, retainedPerClient: 2 } })
    const large = await client(relay)
    large.publish(`${group}/p/${node(1)}`, Buffer.alloc(2_500))
    await closed(large)
    const subscribing = await client(relay)
    const granted = await subscribing.subscribeAsync([1, 2, 3].map((n) => `${group}/i/${node(n)}`)).catch((error: unknown) => error)
    expect(granted).to.be.instanceOf(Error)
    const [one, two] = [await client(relay), await client(relay)]
    for (const n of [1, 2]) await one.publishAsync(`${group}/p/${node(n)}`, 'x', { qos: 1, retain: true })
    one.publish(`${group}/p/${node(3)}`, 'x', { retain: true })
    await closed(one)
    await two.publishAsync(`${group}/p/${node(4)}`, 'x', { qos: 1, retain: true })
    await two.publishAsync(`${group}/p/${node(4)}`, 'y', { qos: 1, retain: true })
    two.publish(`${group}/p/${node(5)}`, 'x', { retain: true })
    await closed(two)
    expect(relay.status.broker.retained).to.equal(3)
  })

  it('cuts off a client that does not read, and others do not notice', async () => {
    const relay = await stage.relay({ limits: { waitingBytes: 100_000, mqttBytesPerSecond: 50_000_000, packetsPerSecond: 10_000 } })
    const frozen = await client(relay)
    await frozen.subscribeAsync(`${group}/i/${node(1)}`)
    ;(frozen.stream as Socket).pause()
    const reading = await client(relay)
    const messages = received(reading)
    await reading.subscribeAsync(`${group}/i/${node(1)}`, { qos: 1 })
    const sending = await client(relay)
    for (let n = 1; n <= 400; n++) {
      await sending.publishAsync(`${group}/i/${node(1)}`, Buffer.alloc(30_000, 'x'), { qos: 1 })
      // Who reads is never far behind, however slow the machine is.
      await eventually('it to arrive', () => messages.length === n)
    }
    await eventually('the frozen client to be cut off', () => relay.status.broker.clients === 2)
  })

  it('reads more slowly from a client that sends too much, and others do not notice', async () => {
    const relay = await stage.relay({ limits: { packetsPerSecond: 5 } })
    const [greedy, other] = [await client(relay), await client(relay)]
    let acknowledged = 0
    // More than what comes out of the socket at once, which is taken as a whole.
    const payload = Buffer.alloc(3_000)
    for (let n = 0; n < 200; n++) greedy.publish(`${group}/i/${node(1)}`, payload, { qos: 1 }, (error) => (error ? 0 : acknowledged++))
    const messages = received(other)
    await other.subscribeAsync(`${group}/i/${node(2)}`)
    await other.publishAsync(`${group}/i/${node(2)}`, 'hello', { qos: 1 })
    await eventually('a message of one’s own', () => messages.length === 1)
    expect(acknowledged).to.be.lessThan(200)
    expect(greedy.connected).to.equal(true)
  })

  it('gives a client id to each user: nobody takes over the connection of another one', async () => {
    const relay = await stage.relay({ users: [team, { username: 'other', password: 'another secret' }] })
    const one = await client(relay, { clientId: 'same' })
    const other = await client(relay, { clientId: 'same', username: 'other', password: 'another secret' })
    await one.publishAsync(`${group}/i/${node(1)}`, 'x', { qos: 1 })
    expect([one.connected, other.connected]).to.deep.equal([true, true])
    relay.setUsers([team])
    await closed(other)
    await client(relay, { clientId: 'same' })
    await closed(one)
  })

  it('survives nonsense, and connections in numbers', async () => {
    const relay = await stage.relay({ limits: { connections: 20, connectionsPerAddress: 20 } })
    const port = Number(relay.urls.brokers[0]?.split(':').at(-1))
    let seed = 7
    const random = (below: number): number => (seed = (seed * 48_271) % 2_147_483_647) % below
    const greeting = Buffer.from('101600044d51545404c2003c000174' + '00047465616d' + '000161', 'hex')
    for (let batch = 0; batch < 5; batch++) {
      const closing = Array.from({ length: 20 }, (_, n) => {
        const bytes = n % 3 === 0 ? Buffer.from(Array.from({ length: random(200) }, () => random(256))) : Buffer.from(greeting)
        if (n % 3 !== 0) for (let i = 0; i < 3; i++) bytes[random(bytes.length)] = random(256)
        const socket = connectTcp(port, '127.0.0.1')
        socket.on('error', () => {})
        socket.resume().end(bytes)
        return new Promise((resolve) => socket.once('close', resolve))
      })
      await Promise.all(closing)
    }
    const many = Array.from({ length: 40 }, () => connectTcp(port, '127.0.0.1').on('error', () => {}))
    await eventually('some to be refused', () => many.filter(({ closed: over }) => over).length >= 20)
    for (const socket of many) socket.destroy()
    await eventually('somebody to be answered', () => isAnswered(port, greeting), { everyMs: 50 })
    await client(relay)
  })
})

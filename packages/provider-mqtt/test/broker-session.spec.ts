import { connect } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { systemClock } from '@kithmesh/core'
import { createIdentity } from '@kithmesh/identity'
import { eventually } from '@kithmesh/testkit'
import { expect } from 'chai'
import { BrokerSession } from '../dist/broker-session.js'
import { checkOptions } from '../dist/options.js'
import type { CheckedBroker } from '../dist/options.js'
import { never } from './support/devices.ts'
import { ScriptedBroker } from './support/scripted-broker.ts'

describe('a connection to a broker', () => {
  let server: ScriptedBroker
  let session: BrokerSession
  let collect: () => void

  before(() => {
    setFlagsFromString('--expose-gc')
    collect = runInNewContext('gc') as () => void
  })
  beforeEach(async () => {
    server = await ScriptedBroker.start()
    const identity = await createIdentity({ commonName: 'a' })
    const [broker] = checkOptions({ brokers: [server.url], identity }).brokers as [CheckedBroker]
    session = await BrokerSession.greet(connect(broker.port, broker.host), {
      broker,
      clock: systemClock,
      clientId: 'a',
      protocolVersion: 5,
      keepAliveSeconds: 30,
      will: { topic: 'will', payload: Buffer.alloc(0), expirySeconds: 1 },
      signal: never(),
      onMessage: () => {}
    })
  })
  afterEach(async () => {
    await session.end()
    await server.kill()
  })

  it('keeps nothing of what was acknowledged', async () => {
    const sent: WeakRef<Buffer>[] = []
    for (let index = 0; index < 50; index++) {
      const payload = Buffer.alloc(16_384, index)
      sent.push(new WeakRef(payload))
      await session.publish('topic', payload)
    }
    server.published.length = 0
    await eventually('the payloads to be collected', () => {
      collect()
      return sent.filter((ref) => ref.deref() !== undefined).length <= 5
    })
  })

  it('that ends tells whoever waits for an acknowledgement', async () => {
    const lost = session.publish('topic', Buffer.from('x')).catch((error: unknown) => (error as { code?: string }).code)
    session.destroy(new Error('cut'))
    expect(await lost).to.equal('ERR_MQTT_LOST')
    const late = session.publish('topic', Buffer.from('y')).catch((error: unknown) => (error as { code?: string }).code)
    expect(await late).to.equal('ERR_MQTT_LOST')
  })
})

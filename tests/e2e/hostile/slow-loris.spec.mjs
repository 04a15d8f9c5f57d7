// Clients that send a byte now and then, at every level of the protocol, for an hour of the listener's time: those that owe a handshake or a
// first message are cut off, none of them costs more than a connection, and whoever behaves is served at once.
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { manualClock } from '@kithmesh/testkit'
import { expect } from 'chai'
import { eventually } from '../../support/eventually.mjs'
import { MORE_COMING } from '../cli/hostile-client.mjs'
import { meter } from './memory-meter.mjs'
import { ServedDatabase, revOf } from './served-database.mjs'

const EACH = 10
const STEP_MS = 5_000
const HOUR_MS = 3_600_000

describe('a slow loris', () => {
  let clock
  let served

  beforeEach(async () => {
    clock = manualClock()
    served = await ServedDatabase.start({ heartbeatMs: 60_000, clock })
  })
  afterEach(() => served.stop())

  const tcp = async () => {
    const socket = connect(served.listener.port, '127.0.0.1')
    socket.on('error', () => {})
    await once(socket, 'connect')
    socket.on('data', () => {})
    return served.keep({
      get over() {
        return socket.destroyed || !socket.writable
      },
      raw: (bytes) => socket.writable && socket.write(bytes),
      destroy: () => socket.destroy()
    })
  }

  /** Makes a client of each kind, and says how it goes on with every step. */
  const kinds = {
    'in the HTTP request': async () => {
      const client = await tcp()
      client.raw('GET /db/_blipsync HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ')
      return [client, () => client.raw('x')]
    },
    'in the header of a WebSocket frame': async () => {
      const client = await served.client()
      const head = Buffer.from([0x82, 0xff, 0, 0, 0, 0, 0, 0, 0x40, 0])
      let at = 0
      return [client, () => at < head.length && client.raw(head.subarray(at, ++at))]
    },
    'in the payload of a WebSocket frame': async () => {
      const client = await served.welcomed()
      client.raw(Buffer.from([0x82, 0xff, 0, 0, 0, 0, 0, 0x0f, 0, 0, 0, 0, 0, 0]))
      return [client, () => client.raw(Buffer.from([1]))]
    },
    'in the first BLIP message': async () => {
      const client = await served.client()
      const { number } = client.begin()
      client.frame(number, MORE_COMING, Buffer.from([100]))
      return [client, () => client.frame(number, MORE_COMING, Buffer.from('x'))]
    }
  }

  for (const [what, make] of Object.entries(kinds))
    it(`${what} is cut off`, async () => {
      const slow = []
      for (let n = 0; n < EACH; n++) slow.push(await make())
      const from = clock.monotonic()
      await eventually('the end of all', async () => {
        for (const [client, dribble] of slow) if (!client.over) dribble()
        await clock.advance(STEP_MS)
        return slow.every(([client]) => client.over)
      })
      expect(clock.monotonic() - from).to.be.below(HOUR_MS)
      await served.servesOthers()
      await eventually('no connection left', () => served.listener.status.connectionCount === 0)
    })

  for (const what of ['in the header of a WebSocket frame', 'in the first BLIP message'])
    it(`${what} is cut off for owing a first message, not only for a pong`, async () => {
      await served.listener.stop()
      await served.listen({ heartbeatMs: 2 * HOUR_MS, clock })
      const [client, dribble] = await kinds[what]()
      const from = clock.monotonic()
      await eventually('the end', async () => {
        if (!client.over) dribble()
        await clock.advance(STEP_MS)
        return client.over
      })
      expect(clock.monotonic() - from).to.be.below(HOUR_MS)
      await served.servesOthers()
    })

  it('in a later BLIP message, or in a blob, costs no more than its connection', async () => {
    const slow = []
    const digest = `sha1-${createHash('sha1').update('never complete').digest('base64')}`
    for (let n = 0; n < EACH; n++) {
      const inMessage = await served.welcomed()
      const { number } = inMessage.begin()
      inMessage.frame(number, MORE_COMING, revOf(`slow-${n}`))
      slow.push([inMessage, () => inMessage.frame(number, MORE_COMING, Buffer.from('x'))])

      const inBlob = await served.welcomed()
      let asked
      inBlob.onRequest = (request) => {
        if (request.properties.Profile === 'getAttachment') asked = request
      }
      const { number: second } = inBlob.begin()
      const body = JSON.stringify({ photo: { '@type': 'blob', content_type: 'image/png', digest, length: 100_000 } })
      inBlob.frame(second, 0, Buffer.concat([revOf(`slow-blob-${n}`), Buffer.from(body)]))
      await eventually('the request for the blob', () => asked !== undefined)
      inBlob.frame(asked.number, 1 | MORE_COMING, Buffer.from([0]))
      slow.push([inBlob, () => inBlob.frame(asked.number, 1 | MORE_COMING, Buffer.from('x'))])
    }
    const stop = meter()
    for (let passed = 0; passed < HOUR_MS; passed += STEP_MS) {
      for (const [client, dribble] of slow) if (!client.over) dribble()
      await clock.advance(STEP_MS)
      if (passed % 600_000 === 0) await served.servesOthers()
    }
    expect(stop()).to.be.below(64 * 1024 * 1024)
    expect(served.listener.status.connectionCount).to.be.at.most(2 * EACH)
    expect([...served.database.collection().documents()].filter(({ id }) => id.startsWith('slow'))).to.deep.equal([])
    expect(served.database.blobs.has(digest)).to.equal(false)
    // They keep nobody waiting at the end either.
    const stopped = served.listener.stop()
    await clock.advance(60_000)
    await stopped
    await eventually('the end of all', () => slow.every(([client]) => client.over))
  })
})

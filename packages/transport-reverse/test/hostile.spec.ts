import { connect } from 'node:net'
import { once } from 'node:events'
import { createDialPolicy, type DialPolicy } from '@kithmesh/core'
import { connectionPreamble } from '@kithmesh/core/plugin'
import { eventually, manualClock, rejection } from '@kithmesh/testkit'
import { expect } from 'chai'
import { Devices, allowAll, peerIdOf, type TestDevice } from './support/devices.ts'

const token = Buffer.alloc(16, 7).toString('base64url')
const signal = new AbortController().signal

describe('reverse connections under attack', () => {
  let devices: Devices
  beforeEach(() => {
    devices = new Devices()
  })
  afterEach(async () => {
    await devices[Symbol.asyncDispose]()
  })

  /** A machine that sends what it likes. */
  const ask = (from: TestDevice, to: TestDevice, addresses: unknown, timeoutMs = 30_000, until = signal): Promise<unknown> =>
    from.hub.request(to.peerId, 'reverse-connect', { token, addresses }, { signal: until, timeoutMs })
  /** A service that must not be reached, or counts how often it is. */
  const service = async (): Promise<{ port: number; readonly connections: number; readonly bytes: Buffer }> => {
    let connections = 0
    const received: Buffer[] = []
    const { port } = await devices.server((socket) => {
      connections++
      socket.on('data', (chunk) => received.push(chunk))
    })
    return {
      port,
      get connections() {
        return connections
      },
      get bytes() {
        return Buffer.concat(received)
      }
    }
  }
  /** The passive side is done with all that it was asked when it has answered this. */
  const settled = async (from: TestDevice, to: TestDevice): Promise<void> => {
    await from.hub.request(to.peerId, 'echo', {}, { signal })
  }

  describe('the passive side', () => {
    it('does not connect to services of its own machine, and does not say why', async () => {
      const victim = await service()
      const mallory = await devices.add('mallory')
      const bob = await devices.add('bob', { dialPolicy: createDialPolicy() })
      await bob.listen()
      for (const address of ['127.0.0.1', '127.0.0.2', '::1', '0.0.0.0', '::', '::ffff:127.0.0.1', '::ffff:7f00:1', '64:ff9b::7f00:1']) {
        const error = await rejection(ask(mallory, bob, [[address, victim.port]]))
        expect(error.details?.['code'], address).to.equal('ERR_REVERSE_POLICY')
        expect(String(error.details?.['message'])).to.not.match(/machine|loopback|private|127/)
      }
      expect(victim.connections).to.equal(0)
      expect(bob.opened).to.have.length(0)
      expect(bob.logger.entries.filter(({ message }) => /not allowed/.test(message))).to.have.length(8)
    })

    it('connects to what is allowed among what is not', async () => {
      const [allowed, forbidden] = [await service(), await service()]
      const mallory = await devices.add('mallory')
      const asked: string[] = []
      const dialPolicy: DialPolicy = {
        refuse: (from, address, port) => {
          asked.push(`${from} ${address} ${port}`)
          return port === allowed.port ? undefined : 'not that one'
        }
      }
      const bob = await devices.add('bob', { dialPolicy })
      await bob.listen()
      rejection(
        ask(mallory, bob, [
          ['127.0.0.1', forbidden.port],
          ['127.0.0.1', allowed.port]
        ])
      ).catch(() => {})
      await eventually('the connection', () => bob.opened[0])
      expect(bob.opened[0]?.remote).to.equal(`127.0.0.1:${allowed.port}`)
      expect(forbidden.connections).to.equal(0)
      expect(asked).to.deep.equal([forbidden, allowed].map(({ port }) => `${peerIdOf('mallory')} 127.0.0.1 ${port}`))
    })

    it('connects nowhere for a malformed request', async () => {
      const victim = await service()
      const mallory = await devices.add('mallory')
      const bob = await devices.add('bob')
      await bob.listen()
      for (const addresses of [
        undefined,
        [],
        [['localhost', victim.port]],
        [['127.0.0.1', String(victim.port)]],
        [['127.0.0.1', victim.port], 'more'],
        Array.from({ length: 9 }, () => ['127.0.0.1', victim.port])
      ])
        expect((await rejection(ask(mallory, bob, addresses))).details?.['code']).to.equal('ERR_REVERSE_REQUEST')
      expect(victim.connections).to.equal(0)
    })

    it('tells nobody whether a port of a private network is open', async () => {
      const open = await service()
      const closed = await devices.server(() => {})
      closed.server.close()
      await once(closed.server, 'close')
      const mallory = await devices.add('mallory')
      const bob = await devices.add('bob', { dialPolicy: createDialPolicy({ ownAddresses: true }) })
      await bob.listen()
      for (const port of [open.port, closed.port])
        expect((await rejection(ask(mallory, bob, [['127.0.0.1', port]], 100))).code).to.equal('ERR_SIGNAL_NO_ANSWER')
      await eventually('the open one to be reached', () => open.connections > 0)
      await settled(mallory, bob)
      const answers = devices.signaling.sent.filter(({ from, message }) => from === bob.peerId && !Buffer.from(message).includes('"b":{}'))
      expect(answers).to.have.length(0)
    })

    it('sends a third party one connection for a request, and in it nothing that the requester chose but the token', async () => {
      const victim = await service()
      const mallory = await devices.add('mallory')
      const bob = await devices.add('bob')
      await bob.listen()
      rejection(
        ask(
          mallory,
          bob,
          Array.from({ length: 8 }, () => ['127.0.0.1', victim.port]),
          100
        )
      ).catch(() => {})
      const expected = Buffer.from(connectionPreamble(Buffer.from(token, 'base64url')))
      await eventually('the preamble', () => victim.bytes.length >= expected.length)
      await settled(mallory, bob)
      expect(victim.connections).to.equal(1)
      expect(victim.bytes.equals(expected)).to.equal(true)
    })

    it('bounds what one peer can have it dial, and still serves others', async () => {
      const victim = await service()
      const mallory = await devices.add('mallory')
      const alice = await devices.add('alice')
      const bob = await devices.add('bob', { dialPolicy: createDialPolicy({ ownAddresses: true, perPeer: { burst: 5, perMinute: 1 } }) })
      await bob.listen()
      let refusals = 0
      for (let round = 0; round < 20; round++)
        await Promise.all(
          Array.from({ length: 5 }, async () => {
            // The first ones are dialled, and who asked hears nothing.
            const { details } = await rejection(ask(mallory, bob, [['127.0.0.1', victim.port]], round === 0 ? 50 : 30_000))
            if (details?.['code'] === 'ERR_REVERSE_POLICY') refusals++
          })
        )
      await eventually('all that may be to be dialled', () => victim.connections === 5)
      expect(refusals).to.equal(95)
      const socket = await devices.attempt(alice, bob)
      expect(socket.destroyed).to.equal(false)
    })

    it('works on a bounded number of requests at a time, and has them all behind it when they end', async () => {
      const mallory = await devices.add('mallory')
      const bob = await devices.add('bob')
      await bob.listen()
      const { port } = await service()
      const waiting = new AbortController()
      const codes: unknown[] = []
      const asked = Array.from({ length: 30 }, async () => {
        const { code, details } = await rejection(ask(mallory, bob, [['127.0.0.1', port]], 30_000, waiting.signal))
        codes.push(details?.['code'] ?? code)
      })
      await eventually('those that are too many to be refused', () => codes.length === 22)
      expect(codes.filter((code) => code === 'ERR_SIGNAL_BUSY' || code === 'ERR_REVERSE_BUSY')).to.have.length(22)
      await eventually('the others to be dialled', () => bob.opened.length === 8)
      // Nobody answers these.
      waiting.abort(new Error('enough'))
      await Promise.all(asked)
      expect(codes.slice(22)).to.deep.equal(new Array(8).fill(undefined))
      rejection(ask(mallory, bob, [['127.0.0.1', port]], 50)).catch(() => {})
      await eventually('the next one', () => bob.opened.length === 9)
    })

    it('survives an owner that throws, and drops that connection', async () => {
      const alice = await devices.add('alice', { deadlineMs: 400 })
      const bob = await devices.add('bob')
      await bob.strategy.listen!({
        onConnection() {
          throw new Error('not today')
        }
      })
      await rejection(
        devices.attempt(alice, bob).then((socket) => once(socket.resume(), 'close').then(() => Promise.reject(new Error('closed'))))
      )
      expect(bob.logger.entries.some(({ level }) => level === 'error')).to.equal(true)
    })

    it('answers nobody once it no longer listens', async () => {
      const alice = await devices.add('alice')
      const bob = await devices.add('bob')
      const close = await bob.listen()
      await close()
      await close()
      const error = await rejection(devices.attempt(alice, bob))
      expect(error.code).to.equal('ERR_REVERSE_REFUSED')
      expect(error.details?.['code']).to.equal('ERR_SIGNAL_UNKNOWN')
      await bob.listen()
      await devices.attempt(alice, bob)
    })
  })

  describe('the active side', () => {
    it('takes no stream with another token, nor one without', async () => {
      const clock = manualClock()
      const alice = await devices.add('alice', { clock })
      const mallory = await devices.add('mallory')
      const strays = [
        connectionPreamble(Buffer.alloc(16, 1)),
        Buffer.from(`KITHMESH ${'0'.repeat(32)}\r\n`),
        Buffer.from('KITHMESH '.padEnd(100, 'a')),
        Buffer.from('GET / HTTP/1.1\r\n\r\n')
      ]
      let closed = 0
      mallory.hub.handle('reverse-connect', (_from, body) => {
        for (const first of strays) {
          const socket = connect(alice.port, '127.0.0.1', () => socket.write(first))
          socket.on('error', () => {})
          socket.on('close', () => closed++)
        }
        return { connected: (body['addresses'] as unknown[])[0] }
      })
      const attempt = rejection(devices.attempt(alice, mallory))
      await eventually('what names a wrong token to be cut off', () => closed === 3)
      await eventually('what names none to go on as usual', () => alice.unclaimed.length === 1)
      await clock.advance(2_000)
      expect((await attempt).code).to.equal('ERR_REVERSE_ELSEWHERE')
    })

    it('believes no answer without a connection', async () => {
      const clock = manualClock()
      const alice = await devices.add('alice', { clock, deadlineMs: 9_000 })
      const mallory = await devices.add('mallory')
      for (const [answer, code] of [
        [{}, 'ERR_REVERSE_ELSEWHERE'],
        [{ connected: ['x', 1] }, 'ERR_REVERSE_ELSEWHERE'],
        [{ connected: ['1.2.3.4', 5] }, 'ERR_REVERSE_ELSEWHERE'],
        [undefined, 'ERR_REVERSE_TIMEOUT']
      ] as const) {
        let asked = false
        const end = mallory.hub.handle('reverse-connect', () => {
          asked = true
          return answer
        })
        const attempt = rejection(devices.attempt(alice, mallory))
        await eventually('the request', () => asked)
        await settled(mallory, alice)
        await clock.advance(9_000)
        expect((await attempt).code).to.equal(code)
        end()
      }
      // What is left is the hub's own, for requests that it handled.
      await clock.advance(30_000)
      expect(clock.pending).to.equal(0)
    })

    it('keeps a long refusal short', async () => {
      const alice = await devices.add('alice')
      const mallory = await devices.add('mallory')
      mallory.hub.handle('reverse-connect', () => {
        throw new Error('x'.repeat(10_000))
      })
      const error = await rejection(devices.attempt(alice, mallory))
      expect(error.code).to.equal('ERR_REVERSE_REFUSED')
      expect(error.message.length).to.be.lessThan(400)
    })

    it('sends every request with another token, to nobody but the peer', async () => {
      const alice = await devices.add('alice')
      const bob = await devices.add('bob', { dialPolicy: allowAll })
      await devices.add('eve')
      await bob.listen()
      await devices.attempt(alice, bob)
      await devices.attempt(alice, bob)
      const requests = devices.signaling.sent.filter(({ message }) => Buffer.from(message).includes('reverse-connect'))
      expect(requests.map(({ to }) => to)).to.deep.equal([bob.peerId, bob.peerId])
      const tokens = requests.map(({ message }) => /"token":"([^"]+)"/.exec(Buffer.from(message).toString())?.[1])
      expect(new Set(tokens).size).to.equal(2)
    })

    it('asks one peer for a few connections at a time, and lets go of those that are cancelled while they wait', async () => {
      const alice = await devices.add('alice')
      const bob = await devices.add('bob')
      let asked = 0
      bob.hub.handle('reverse-connect', () => {
        asked++
        return undefined
      })
      const controller = new AbortController()
      const attempts = Array.from({ length: 20 }, () => rejection(devices.attempt(alice, bob, controller.signal)))
      await eventually('the first requests', () => asked === 4)
      await settled(alice, bob)
      expect(asked).to.equal(4)
      const reason = new Error('changed my mind')
      controller.abort(reason)
      for (const error of await Promise.all(attempts)) expect(error).to.equal(reason)
      await settled(alice, bob)
      expect(asked).to.equal(4)
    })
  })
})

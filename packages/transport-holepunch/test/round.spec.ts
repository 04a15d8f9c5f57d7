import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { expect } from 'chai'
import { eventually, fastClock, realClock, rejection, within } from '@kithmesh/testkit'
import { Handshake } from '../dist/handshake.js'
import { encodeHello } from '../dist/hello-frames.js'
import type { PunchPlan } from '../dist/plan.js'
import { punchRound, type RoundOptions } from '../dist/round.js'

const LIMIT_MS = 30_000
// Addresses that no other test uses.
const OURS = '127.0.62.2'
const THEIRS = '127.0.62.3'
const STRANGE = '127.0.62.9'
/** A round ten times as slow: none of its deadlines passes while a test makes many connections, one after the other. */
const clock = fastClock(0.1)

describe('a round of punching', () => {
  const key = randomBytes(32)
  const sockets: Socket[] = []
  let server: Server | undefined
  let controller: AbortController
  let port: number
  beforeEach(() => {
    controller = new AbortController()
    port = 20_001 + Math.floor(Math.random() * 12_000)
  })
  afterEach(() => {
    controller.abort(new Error('the test is over'))
    for (const socket of sockets.splice(0)) socket.destroy()
    server?.close()
    server = undefined
  })

  function round(plan: Partial<PunchPlan>, options: Partial<RoundOptions> = {}): ReturnType<typeof punchRound> {
    return punchRound({
      plans: [
        {
          pair: 0,
          local: { address: OURS, port },
          targets: [{ address: THEIRS, port }],
          second: false,
          retryMs: 200,
          bursts: false,
          listen: 'never',
          ...plan
        }
      ],
      key,
      role: 'initiator',
      clock,
      random: () => 0.5,
      startInMs: 0,
      secondAfterMs: 0,
      punchMs: 5_000,
      signal: controller.signal,
      progress: () => {},
      ...options
    })
  }

  async function knock(localAddress: string): Promise<Socket> {
    const socket = connect({ host: OURS, port, localAddress })
    sockets.push(socket)
    socket.on('error', () => {})
    await Promise.race([once(socket, 'connect'), once(socket, 'close')]).catch(() => {})
    return socket
  }

  it('hands out a connection that the other side resets in the moment of its nomination, without an error that nobody hears', async () => {
    server = createServer((socket) => {
      socket.on('error', () => {})
      const own = randomBytes(16)
      const facts = { role: 'responder', pair: 0, own } as const
      socket.write(encodeHello(key, { ...facts, kind: 'hello', other: Buffer.alloc(16) }))
      socket.once('data', (hello: Buffer) => {
        socket.write(encodeHello(key, { ...facts, kind: 'echo', other: hello.subarray(4, 20) }))
        socket.resetAndDestroy()
      })
    })
    server.listen(port, THEIRS)
    await once(server, 'listening')
    const { socket } = await within(round({}), LIMIT_MS, 'the round')
    sockets.push(socket as Socket)
    socket.resume()
    await eventually('the stream to end', () => socket.destroyed)
  })

  it('leaves no port open when it is cancelled by whoever is told that it begins', async () => {
    const enough = new Error('enough')
    const result = round({ listen: 'at-once' }, { progress: () => controller.abort(enough) })
    expect(await rejection(result)).to.equal(enough)
    expect((await knock(THEIRS)).destroyed).to.equal(true)
  })

  it('leaves no connection open when it is cancelled by whoever is told of the nomination', async () => {
    const enough = new Error('enough')
    const result = round({ listen: 'at-once' }, { progress: (phase) => phase === 'nominate' && controller.abort(enough) })
    result.catch(() => {})
    let closed = false
    await eventually('a connection', async () => {
      const socket = await knock(THEIRS)
      if (socket.destroyed) return false
      socket.once('close', () => {
        closed = true
      })
      new Handshake({
        socket,
        key,
        role: 'responder',
        pair: 0,
        clock: realClock,
        deadlineMs: LIMIT_MS,
        onLive: () => {},
        onNominated: () => {},
        onFailed: () => {}
      })
      return true
    })
    expect(await rejection(result)).to.equal(enough)
    await eventually('it to be closed', () => closed)
  })

  it('does not let strangers push out a connection from an address that was named', async () => {
    const result = round({ listen: 'at-once' }, { role: 'responder' })
    result.catch(() => {})
    let first: Socket | undefined
    await eventually('the port to be open', async () => {
      const socket = await knock(THEIRS)
      if (!socket.destroyed && !socket.connecting) first = socket
      return first !== undefined
    })
    await once(first!, 'readable')
    for (let count = 0; count < 40; count++) await knock(STRANGE)
    const handshake = new Handshake({
      socket: first!,
      key,
      role: 'initiator',
      pair: 0,
      clock: realClock,
      deadlineMs: LIMIT_MS,
      onLive: (live) => live.nominate(),
      onNominated: () => {},
      onFailed: () => {}
    })
    const { remote } = await within(result, LIMIT_MS, 'the round')
    expect(remote).to.deep.equal({ address: THEIRS, port: first!.localPort })
    handshake.release()
  })

  it('takes only so many connections of a device that opens one after the other', async () => {
    const result = round({ listen: 'at-once' }, { role: 'responder' })
    result.catch(() => {})
    let live = 0
    const one = async (): Promise<void> => {
      const socket = await knock(THEIRS)
      if (socket.destroyed) return
      const handshake = new Handshake({
        socket,
        key,
        role: 'initiator',
        pair: 0,
        clock: realClock,
        deadlineMs: LIMIT_MS,
        onLive: () => live++,
        onNominated: () => {},
        onFailed: () => {}
      })
      await eventually('it to be live or dropped', () => handshake.live || socket.destroyed)
    }
    await eventually('the first one', async () => {
      await one()
      return live > 0
    })
    for (let count = 0; count < 60; count++) await one()
    await eventually('those that are too many to be closed', () => sockets.filter((socket) => !socket.destroyed).length === 32)
  })
})

import { errorCode } from '@kithmesh/core'
import { eventually, manualClock } from '@kithmesh/testkit'
import { probeTurnServer } from '@kithmesh/transport-turn'
import { expect } from 'chai'
import { catchHellos } from './support/hello-catcher.ts'
import { TestTurnServer } from './support/turn-server.ts'

const LIMIT = { timeoutMs: 30_000 }

describe('probing a TURN server', () => {
  let server: TestTurnServer
  beforeEach(async () => {
    server = new TestTurnServer()
    await server.start()
  })
  afterEach(() => server.kill())

  it('has a relay made, and gives it back', async () => {
    const [first] = await probeTurnServer(server.server, LIMIT)
    expect(first).to.include({ relay: 'tcp', transport: 'tcp', error: undefined })
    expect(first?.relayed?.address).to.equal('127.0.0.1')
    expect(first?.mapped?.address).to.equal('127.0.0.1')
    expect(server.allocated).to.be.at.least(1)
    await eventually('the relay to be given back', () => server.open === 0)
  })

  it('asks no further when the login is refused', async () => {
    const probes = await probeTurnServer({ ...server.server, credential: 'wrong' }, LIMIT)
    expect(probes.map(({ error }) => errorCode(error))).to.deep.equal(['ERR_STUN_CREDENTIALS'])
    expect(server.allocated).to.equal(0)
  })

  it('asks no further over a transport on which nobody answers', async () => {
    await server.kill()
    const probes = await probeTurnServer(server.server, LIMIT)
    expect(probes.map(({ error, relayed }) => [errorCode(error), relayed])).to.deep.equal([['ERR_STUN_CONNECT', undefined]])
    const both = await probeTurnServer({ ...server.server, url: server.url.replace(/\?.*/, '') }, LIMIT)
    expect(both.map(({ transport }) => transport)).to.deep.equal(['tcp', 'udp'])
  })

  it('asks over TLS as it is told to', async () => {
    await using catcher = await catchHellos(true)
    const login = { username: 'user', credential: 'password', tls: { servername: 'relay.example.org' } }
    const probes = await probeTurnServer({ ...login, url: catcher.url }, LIMIT)
    expect(probes.map(({ transport, error }) => [transport, errorCode(error)])).to.deep.equal([['tls', 'ERR_STUN_CONNECT']])
    expect(catcher.hellos.map((hello) => hello.includes('relay.example.org'))).to.deep.equal([true])
  })

  it('divides the time it is given among the ways, by the clock it is given', async () => {
    await using catcher = await catchHellos(false)
    const clock = manualClock()
    const probing = probeTurnServer({ ...server.server, url: catcher.url }, { clock, timeoutMs: 600 })
    await eventually('the greeting', () => catcher.hellos.length === 1)
    await clock.advance(300)
    const [first] = await probing
    expect([first?.elapsedMs, errorCode(first?.error)]).to.deep.equal([300, 'ERR_STUN_TIMEOUT'])
  })

  it('ends with the reason of its signal while it waits', async () => {
    await using catcher = await catchHellos(false)
    const controller = new AbortController()
    const reason = new Error('enough')
    const ended = probeTurnServer({ ...server.server, url: catcher.url }, { signal: controller.signal }).catch((error: unknown) => error)
    await eventually('the greeting', () => catcher.hellos.length === 1)
    controller.abort(reason)
    expect(await ended).to.equal(reason)
  })

  it('ends with the reason of its signal, and refuses what is no TURN server', async () => {
    const reason = new Error('enough')
    const rejects = (promise: Promise<unknown>): Promise<unknown> =>
      promise.then(
        () => undefined,
        (error: unknown) => error
      )
    expect(await rejects(probeTurnServer(server.server, { signal: AbortSignal.abort(reason) }))).to.equal(reason)
    expect(await rejects(probeTurnServer({ ...server.server, url: 'stun:127.0.0.1' }))).to.be.instanceOf(TypeError)
    for (const timeoutMs of [Number.NaN, 0, -1, 2 ** 31])
      expect(await rejects(probeTurnServer(server.server, { timeoutMs })), `${timeoutMs}`).to.be.instanceOf(TypeError)
  })
})

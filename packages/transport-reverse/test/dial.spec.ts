import { getEventListeners, once } from 'node:events'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { manualClock, rejection } from '@kithmesh/testkit'
import { expect } from 'chai'
import { dialAny } from '../dist/dial.js'
import { Turnstile } from '../dist/turnstile.js'

describe('dialling a device that asked for it', () => {
  let server: Server
  let port: number
  const clock = manualClock()
  const caller = new AbortController()
  const dial = (addresses: string[], signal = caller.signal): ReturnType<typeof dialAny> =>
    dialAny(
      addresses.map((address) => ({ address, port })),
      { clock, signal, deadlineMs: 1_000, staggerMs: 60_000 }
    )

  beforeEach(async () => {
    server = createServer((socket) => socket.on('error', () => {}).resume()).listen(0, '127.0.0.1')
    await once(server, 'listening')
    ;({ port } = server.address() as AddressInfo)
  })
  afterEach('it is over, and nothing is left behind', () => {
    server.close()
    expect(clock.pending).to.equal(0)
    expect(getEventListeners(caller.signal, 'abort')).to.have.length(0)
  })

  it('goes on to the next address as soon as one fails, with a socket that cannot end the process', async () => {
    const { socket, endpoint } = await dial(['127.0.0.2', '127.0.0.1'])
    expect(endpoint.address).to.equal('127.0.0.1')
    socket.destroy(new Error('nobody listens'))
    await new Promise((resolve) => socket.once('close', resolve))
  })

  it('says what became of every address', async () => {
    const error = (await rejection(dial(['127.0.0.2', '127.0.0.3']))) as Error & { code: string; details: unknown }
    expect(error.code).to.equal('ERR_REVERSE_DIAL')
    expect(error.details).to.deep.equal({ outcomes: [`127.0.0.2:${port} ECONNREFUSED`, `127.0.0.3:${port} ECONNREFUSED`] })
  })

  it('ends with the reason of its signal', async () => {
    const controller = new AbortController()
    const reason = new Error('enough')
    const dialling = rejection(dial(['127.0.0.1'], controller.signal))
    controller.abort(reason)
    expect(await dialling).to.equal(reason)
    expect(getEventListeners(controller.signal, 'abort')).to.have.length(0)
  })
})

describe('a turnstile', () => {
  it('lets in who waits in order, without those who went away', async () => {
    const turnstile = new Turnstile(1)
    const { signal } = new AbortController()
    const impatient = new AbortController()
    const leave = await turnstile.enter('key', signal)
    const entered: string[] = []
    const gone = rejection(turnstile.enter('key', impatient.signal))
    const waiting = ['first', 'second'].map(async (name) => {
      const done = await turnstile.enter('key', signal)
      entered.push(name)
      done()
    })
    const reason = new Error('no longer')
    impatient.abort(reason)
    expect(await gone).to.equal(reason)
    leave()
    await Promise.all(waiting)
    expect(entered).to.deep.equal(['first', 'second'])
    for (const one of [signal, impatient.signal]) expect(getEventListeners(one, 'abort')).to.have.length(0)
    ;(await turnstile.enter('key', signal))()
  })
})

import { getEventListeners, once } from 'node:events'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { errorCode } from '@kithmesh/core'
import { manualClock, rejection } from '@kithmesh/testkit'
import { expect } from 'chai'
import { dialPeer } from '../dist/turn/dial.js'

describe('dialling a peer from the relay', () => {
  let server: Server
  let port: number
  const clock = manualClock()
  const caller = new AbortController()
  const dial = (signal = caller.signal): ReturnType<typeof dialPeer> =>
    dialPeer({ address: '127.0.0.1', port }, '127.0.0.1', { clock, timeoutMs: 1_000, signal })

  beforeEach(async () => {
    server = createServer((socket) => socket.on('error', () => {}).end('hello')).listen(0, '127.0.0.1')
    await once(server, 'listening')
    ;({ port } = server.address() as AddressInfo)
  })
  afterEach('it is over, and nothing is left behind', () => {
    server.close()
    expect(clock.pending).to.equal(0)
    expect(getEventListeners(caller.signal, 'abort')).to.have.length(0)
  })

  it('gives a connection that is paused, and whose failure does not end the process', async () => {
    const socket = await dial()
    expect(socket.isPaused()).to.equal(true)
    socket.destroy(new Error('nobody listens'))
    await new Promise((resolve) => socket.once('close', resolve))
  })

  it('fails with the error of the socket', async () => {
    server.close()
    await once(server, 'close')
    expect(errorCode(await rejection(dial()))).to.equal('ECONNREFUSED')
  })

  it('ends with the reason of its signal, also when that has aborted already', async () => {
    const controller = new AbortController()
    const reason = new Error('enough')
    const dialling = rejection(dial(controller.signal))
    controller.abort(reason)
    expect(await dialling).to.equal(reason)
    expect(await rejection(dial(controller.signal))).to.equal(reason)
    expect(getEventListeners(controller.signal, 'abort')).to.have.length(0)
  })
})

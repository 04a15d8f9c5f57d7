import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { expect } from 'chai'
import { errorCode } from '@kithmesh/core'
import { createTurnClient, openStunUdp, type TransportAddress, type TurnClient } from '@kithmesh/stun'
import { eventually, rejection } from '@kithmesh/testkit'
import { udpServer } from './support/scripted-server.ts'

// It dies of relayed datagrams of one to three bytes, of which the first is 0x40 to 0x7f.
describe('node-turn', () => {
  const clients: TurnClient[] = []
  let server: ChildProcess
  let uri: string
  let address: TransportAddress

  before(async () => {
    // At an address that no other test uses: the library cannot take any free port, and one that was free a moment ago is so still.
    const probe = await udpServer(undefined, '127.0.64.3')
    ;({ address } = probe)
    await probe[Symbol.asyncDispose]()
    uri = `turn:${address.address}:${address.port}`
    // In a process of its own: it keeps the sockets of its relays open after it is stopped.
    server = fork(new URL('./support/node-turn-process.js', import.meta.url), [String(address.port)], { stdio: 'ignore' })
    const udp = await openStunUdp({ localAddress: '127.0.0.1' })
    await eventually(
      'the server to answer',
      async () => (await udp.bind(address, { deadlineMs: 200, rtoMs: 50 })).mapped.port === udp.localPort
    )
    await udp.close()
  })
  after(async () => {
    const exit = once(server, 'exit')
    server.kill('SIGKILL')
    await exit
  })
  afterEach(async () => {
    for (const client of clients.splice(0)) await client.close()
  })

  function client(credential = 'secret'): TurnClient {
    const made = createTurnClient({ uri, username: 'user', credential, requestTimeoutMs: 3_000 })
    clients.push(made)
    return made
  }

  it('relays between two clients in indications, also after it did not sign that it bound a channel', async () => {
    const [a, b] = [await client().allocateUdp(), await client().allocateUdp()]
    const atA: string[] = []
    a.onData((data) => atA.push(data.toString()))
    b.onData((data, from) => {
      b.send(Buffer.from(`re: ${data.toString()}`), from)
    })
    await Promise.all([a.permit(b.relayed.address), b.permit(a.relayed.address)])
    a.send(Buffer.from('the first'), b.relayed)
    await eventually('the answer', () => atA.length === 1)
    expect(errorCode(await rejection(a.bindChannel(b.relayed)))).to.equal('ERR_STUN_INTEGRITY')
    a.send(Buffer.from('the second'), b.relayed)
    await eventually('the second answer', () => atA.length === 2)
    expect(atA).to.deep.equal(['re: the first', 're: the second'])
  })

  it('refuses a wrong password', async () => {
    expect(errorCode(await rejection(client('other').allocateUdp()))).to.equal('ERR_STUN_CREDENTIALS')
  })
})

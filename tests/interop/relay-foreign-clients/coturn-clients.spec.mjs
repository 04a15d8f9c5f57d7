import { expect } from 'chai'
import { run, startRelay, team } from './programs.mjs'

/** Runs the TURN client: ten messages each way between two clients of the server; how many arrived of how many. */
async function uclient(server, flags, { password = team.password } = {}) {
  const port = flags.includes('-S') ? server.ports.turns : server.ports.stun
  const login = ['-u', team.username, '-w', password]
  const { code, text } = await run('turnutils_uclient', [...login, '-p', port, '-n', '10', ...flags, '127.0.0.1'])
  const [, sent, received] = [...text.matchAll(/tot_send_msgs=(\d+), tot_recv_msgs=(\d+)\n/g)].at(-1) ?? []
  return { code, text, sent: Number(sent), received: Number(received) }
}

const ways = {
  'datagrams on channels, over UDP': ['-y', '-c'],
  'datagrams in indications, over UDP': ['-y', '-c', '-s'],
  'datagrams on channels, over TCP': ['-y', '-c', '-t'],
  'datagrams in indications, over TCP': ['-y', '-c', '-t', '-s'],
  'datagrams on channels, over TLS': ['-y', '-c', '-t', '-S'],
  'with wrong requests in between': ['-y', '-c', '-N'],
  'with more requests than are needed': ['-y', '-c', '-G'],
  'connections (RFC 6062)': ['-T'],
  'connections, over TLS': ['-T', '-S'],
  'several clients': ['-y', '-c', '-m', '8'],
  // Of the two, one only echoes in this mode: with coturn as the server half of the messages come back, too.
  'connections that peers open': ['-P']
}

describe('what the TURN client of coturn has relayed by our server', () => {
  let server
  const runs = new Map()

  // It waits for seconds before and after: all of them at a time, on one server.
  before(async () => {
    server = await startRelay({ tls: true, limits: { answersPerSecond: 1_000 } })
    for (const [what, flags] of Object.entries(ways)) runs.set(what, uclient(server, flags))
  })
  after(async () => {
    await Promise.all(runs.values())
    await server[Symbol.asyncDispose]()
  })

  for (const what of Object.keys(ways))
    it(what, async () => {
      const { code, text, sent, received } = await runs.get(what)
      expect(code, text).to.equal(0)
      expect(sent, text).to.be.at.least(20)
      const expected = what === 'connections that peers open' ? sent / 2 : sent
      // It takes one message of each TLS record. On a busy machine several come in one, and it does not count the others.
      if (ways[what].includes('-S')) expect(received, text).to.be.within(1, expected)
      else expect(received, text).to.equal(expected)
    })

  it('and it is counted', async () => {
    const all = await Promise.all(runs.values())
    const messages = all.reduce((sum, { received }) => sum + received, 0)
    expect(server.relay.status.turn.relayedBytes).to.be.at.least(100 * messages)
  })
})

describe('the clients of coturn and our STUN and TURN server', () => {
  let server
  afterEach(() => server[Symbol.asyncDispose]())

  it('refuses a wrong password', async () => {
    server = await startRelay()
    const { text } = await uclient(server, ['-y', '-c'], { password: 'wrong' })
    expect(text).to.contain('Cannot complete Allocation')
    expect(server.relay.status.turn.refused[401]).to.be.at.least(1)
    expect(server.relay.status.turn.allocations).to.equal(0)
  })

  it('relays to nobody on loopback unless it is asked to', async () => {
    server = await startRelay({ allowPeers: [] })
    const { text } = await uclient(server, ['-c', '-e', '127.0.0.1', '-r', server.ports.mqtt])
    expect(text).to.contain('403 (Forbidden)')
    expect(server.relay.status.turn.relayedBytes).to.equal(0)
  })

  it('grants no more allocations than it should', async () => {
    server = await startRelay({ limits: { allocationsPerUser: 3 } })
    const { text } = await uclient(server, ['-y', '-c', '-m', '4'])
    expect(text).to.contain('486')
    expect(server.relay.status.turn.allocations).to.be.at.most(3)
  })

  it('answers the STUN client', async () => {
    server = await startRelay()
    const { text } = await run('turnutils_stunclient', ['-p', server.ports.stun, '127.0.0.1'])
    expect(text).to.match(/UDP reflexive addr: 127\.0\.0\.1:\d+/)
  })

  it('lets the NAT discovery find out about mapping and filtering (RFC 5780), with two addresses', async () => {
    server = await startRelay({ host: ['127.0.0.1', '127.0.0.2'] })
    const { text } = await run('turnutils_natdiscovery', ['-m', '-f', '-p', server.ports.stun, '-L', '127.0.0.1', '127.0.0.1'])
    expect(text).to.match(/No NAT|Endpoint Independent Mapping/)
    expect(text).to.contain('Endpoint Independent Filtering')
  })
})

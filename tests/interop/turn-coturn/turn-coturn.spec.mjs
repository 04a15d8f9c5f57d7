import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { finished } from 'node:stream/promises'
import { turn } from '@kithmesh/transport-turn'
import { expect } from 'chai'
import { Machines, peerIdOf } from '../../../packages/transport-turn/dist-test/support/machines.js'
import { credentials, startCoturn } from '../../support/coturn.mjs'

const TEN_MB = 10_000_000

const digest = (bytes) => createHash('sha256').update(bytes).digest('hex')

/** A server as `turn()` is given it. */
const login = (server, transport) => ({ url: server.uri(transport), ...credentials })

/** 10 MB each way at once, and an orderly end of both directions. */
async function expectIntact(pair) {
  const bytes = pair.map(() => randomBytes(TEN_MB))
  const digests = await Promise.all(
    pair.map(async (stream, index) => {
      const hash = createHash('sha256')
      stream.on('data', (chunk) => hash.update(chunk))
      stream.end(bytes[index])
      await finished(stream)
      return hash.digest('hex')
    })
  )
  expect(digests).to.deep.equal([digest(bytes[1]), digest(bytes[0])])
}

describe('turn through coturn', () => {
  const disposables = []
  const start = async (options) => {
    const server = await startCoturn(options)
    disposables.push(server)
    return server
  }
  const between = async (ours, theirs) => {
    const machines = new Machines({ a: turn({ servers: ours }), b: turn({ servers: theirs }) })
    disposables.push(machines)
    await machines.listen()
    return machines
  }
  afterEach(async () => {
    for (const each of disposables.splice(0).reverse()) await each[Symbol.asyncDispose]()
  })

  for (const [what, transport, expected] of [
    ['connections (RFC 6062)', undefined, 'RelayedStream'],
    ['connections over a control connection named in the URL', 'tcp', 'RelayedStream'],
    ['datagrams', 'udp', 'DatagramStream']
  ]) {
    for (const side of ['a', 'b']) {
      it(`carries 10 MB each way: ${what}, the server is ${side}'s`, async () => {
        const server = await start()
        const machines = await between(side === 'a' ? [login(server, transport)] : [], side === 'b' ? [login(server, transport)] : [])
        const pair = await machines.connect()

        expect(pair[0].constructor.name).to.equal(expected)
        await expectIntact(pair)
      })
    }
  }

  it('goes on when the nonce expires between the allocation and the permission', async () => {
    const server = await start({ args: ['--stale-nonce=1'] })
    const machines = await between([login(server, 'tcp')], [])
    // The first answer of b is lost: it is asked again after more than a second.
    let lost = 0
    machines.signaling.loses = (from) => from === peerIdOf('b') && lost++ < 2
    await expectIntact(await machines.connect())
    expect(lost).to.be.above(1)
  })

  for (const transport of ['tcp', 'udp']) {
    it(`ends the stream when the server is killed, and connects again when it is back: ${transport}`, async () => {
      const server = await start()
      const machines = await between([login(server, transport)], [])
      const pair = await machines.connect()
      pair[0].write(randomBytes(1_000_000))
      await once(pair[1], 'data')
      const began = performance.now()
      const closed = Promise.all(pair.map((stream) => new Promise((resolve) => stream.resume().once('close', resolve))))
      await server.kill()
      await closed
      expect(performance.now() - began).to.be.below(30_000)
      for (const stream of pair) expect(stream.errored?.code).to.be.oneOf(['ERR_TURN_LOST', 'ERR_TURN_CUT', 'ERR_DATAGRAM_SILENT'])
      const error = await machines.attempt().catch((caught) => caught)
      expect(error.code).to.equal('ERR_TURN_ALLOCATE')
      await server.start()
      await expectIntact(await machines.connect())
    })
  }

  it('uses the second server when the first is gone', async () => {
    const first = await start({ hosts: ['127.0.0.2', '127.0.0.4'] })
    const second = await start({ hosts: ['127.0.0.3', '127.0.0.4'] })
    const machines = await between([login(first), login(second)], [])
    await first.kill()
    const used = []
    const pair = await machines.connect({ progress: (phase, address) => used.push(`${phase} ${address}`) })
    expect(used.find((text) => text.startsWith('connect'))).to.contain('127.0.0.3')
    await expectIntact(pair)
  })

  it('goes from relay to relay', async () => {
    const ours = await start({ hosts: ['127.0.0.2', '127.0.0.4'] })
    const theirs = await start({ hosts: ['127.0.0.3', '127.0.0.4'] })
    for (const transport of ['tcp', 'udp']) {
      const machines = new Machines(
        { a: turn({ servers: [login(ours, transport)] }), b: turn({ servers: [login(theirs, transport)] }) },
        { refuse: () => 'the test allows nothing' }
      )
      disposables.push(machines)
      await machines.listen()
      await expectIntact(await machines.connect())
    }
  })
})

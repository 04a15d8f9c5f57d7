import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import { authenticatedRequest, formatTransportAddress, LongTermCredentials, openStunTcp } from '@kithmesh/stun'
import { eventually, rejection } from '@kithmesh/testkit'
import { credentials, startCoturn } from '../../support/coturn.mjs'

describe('TURN relays for datagrams with coturn', () => {
  let coturn
  const open = []

  function client(transport, options) {
    const turn = coturn.client(transport, options)
    open.push(turn)
    return turn
  }
  /** A UDP socket that sends back what it gets. */
  async function echo() {
    const socket = createSocket('udp4')
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    socket.on('message', (data, { address, port }) => socket.send(data, port, address))
    open.push({ close: () => new Promise((resolve) => socket.close(resolve)) })
    return { address: '127.0.0.1', port: socket.address().port }
  }
  function received(allocation) {
    const all = []
    allocation.onData((data, from) => all.push({ data, from }))
    return all
  }

  afterEach(async () => {
    for (const one of open.splice(0).reverse()) await one.close()
  })

  describe('as it comes', () => {
    before(async () => {
      coturn = await startCoturn()
    })
    after(() => coturn?.[Symbol.asyncDispose]())

    for (const transport of ['udp', 'tcp', 'tls'])
      it(`relays over ${transport}, in indications and on channels`, async () => {
        const allocation = await client(transport).allocateUdp()
        expect(allocation.mapped).to.deep.equal(allocation.local)
        expect(allocation.relayed.address).to.equal('127.0.0.1')
        const peer = await echo()
        const all = received(allocation)
        await allocation.permit(peer.address)
        expect(allocation.send(Buffer.from('by indication'), peer)).to.equal(true)
        await eventually('the echo', () => all.length === 1)
        await allocation.bindChannel(peer)
        const long = Buffer.alloc(1201, 7)
        expect(allocation.send(long, peer)).to.equal(true)
        await eventually('the echo on the channel', () => all.length === 2)
        expect(all).to.deep.equal([
          { data: Buffer.from('by indication'), from: peer },
          { data: long, from: peer }
        ])
        await allocation.close()
        expect(await allocation.ended).to.equal(undefined)
      })

    it('lets nobody in without permission, and everybody at a permitted address', async () => {
      const allocation = await client('udp').allocateUdp()
      const all = received(allocation)
      const stranger = createSocket('udp4')
      stranger.bind(0, '127.0.0.1')
      await once(stranger, 'listening')
      const other = createSocket('udp4')
      other.bind(0, '127.0.0.2')
      await once(other, 'listening')
      open.push({ close: () => new Promise((resolve) => stranger.close(() => other.close(resolve))) })
      await allocation.permit('127.0.0.1')
      other.send('from a stranger', allocation.relayed.port, allocation.relayed.address)
      stranger.send('from a friend', allocation.relayed.port, allocation.relayed.address)
      await eventually('the friend', () => all.length > 0)
      expect(all.map(({ data }) => data.toString())).to.deep.equal(['from a friend'])
    })

    it('connects two clients by their relays', async () => {
      const [a, b] = await Promise.all([client('udp').allocateUdp(), client('tcp').allocateUdp()])
      const [atA, atB] = [received(a), received(b)]
      await Promise.all([a.bindChannel(b.relayed), b.bindChannel(a.relayed)])
      for (let index = 0; index < 50; index++) {
        a.send(Buffer.from(`a${index}`), b.relayed)
        b.send(Buffer.from(`b${index}`), a.relayed)
      }
      await eventually('all of them', () => atA.length === 50 && atB.length === 50)
      expect(atA[49].data.toString()).to.equal('b49')
      expect(formatTransportAddress(atB[0].from)).to.equal(formatTransportAddress(a.relayed))
    })

    it('refuses a wrong password and an unknown user', async () => {
      const wrong = await rejection(client('udp', { credential: 'other' }).allocateUdp())
      expect(wrong.code).to.equal('ERR_STUN_CREDENTIALS')
      const nobody = await rejection(client('tcp', { username: 'nobody' }).allocateUdp())
      expect(nobody.code).to.equal('ERR_STUN_CREDENTIALS')
    })

    it('notices that the server was restarted, and allocates anew', async () => {
      for (const transport of ['udp', 'tcp']) {
        const turn = client(transport, { checkIntervalMs: 300 })
        const allocation = await turn.allocateUdp()
        await coturn.kill()
        if (transport === 'udp') await coturn.start()
        const lost = await allocation.ended
        expect(lost?.code).to.equal('ERR_TURN_LOST')
        expect(allocation.send(Buffer.from('x'), allocation.relayed)).to.equal(false)
        if (transport === 'tcp') {
          const down = await rejection(turn.allocateUdp())
          expect(down.code).to.equal('ERR_STUN_CONNECT')
          await coturn.start()
        }
        const again = await turn.allocateUdp()
        await again.permit('127.0.0.1')
      }
    })

    it('gives up on a server that is gone', async () => {
      const turn = client('udp', { checkIntervalMs: 300 })
      const allocation = await turn.allocateUdp()
      await coturn.kill()
      const lost = await allocation.ended
      expect(lost?.code).to.equal('ERR_TURN_LOST')
      expect(lost.cause.code).to.equal('ERR_STUN_UNREACHABLE')
      expect((await rejection(turn.allocateUdp())).code).to.equal('ERR_STUN_UNREACHABLE')
      await coturn.start()
    })
  })

  describe('with nonces that expire at once', () => {
    before(async () => {
      coturn = await startCoturn({ args: ['--stale-nonce=1'] })
    })
    after(() => coturn?.[Symbol.asyncDispose]())

    it('goes on refreshing and permitting', async () => {
      const allocation = await client('udp', { checkIntervalMs: 400 }).allocateUdp()
      const lost = Symbol('not yet')
      expect(await Promise.race([allocation.ended, delay(3500, lost)])).to.equal(lost)
      await allocation.permit('127.0.0.1')
      const peer = await echo()
      const all = received(allocation)
      await allocation.bindChannel(peer)
      allocation.send(Buffer.from('still here'), peer)
      await eventually('the echo', () => all.length === 1)
    })

    it('answers old nonces with 438 and takes the new one', async () => {
      const tcp = await openStunTcp({ server: coturn.address })
      open.push(tcp)
      const longTerm = new LongTermCredentials(credentials.username, credentials.credential)
      const codes = []
      const ask = async (request) => {
        const { message } = await authenticatedRequest(
          async (signed) => {
            const response = await tcp.request(signed)
            codes.push(response.message.attributes.errorCode?.code ?? 200)
            return response
          },
          longTerm,
          request
        )
        return message.messageClass
      }
      expect(await ask({ method: 'allocate', attributes: { requestedTransport: 17 } })).to.equal('success')
      // On a busy machine the first nonce is old before it is used.
      expect(codes.filter((code) => code !== 438)).to.deep.equal([401, 200])
      codes.length = 0
      await eventually(
        'the nonce to be stale',
        async () => {
          expect(await ask({ method: 'refresh' })).to.equal('success')
          return codes.includes(438)
        },
        { everyMs: 100 }
      )
      expect(codes.at(-1)).to.equal(200)
    })
  })

  describe('with a quota, and peers that are denied', () => {
    before(async () => {
      coturn = await startCoturn({ args: ['--user-quota=1', '--denied-peer-ip=127.0.0.9'] })
    })
    after(() => coturn?.[Symbol.asyncDispose]())

    it('says so', async () => {
      const first = await client('udp').allocateUdp()
      expect((await rejection(client('udp').allocateUdp())).code).to.equal('ERR_TURN_QUOTA')
      expect((await rejection(first.permit('127.0.0.9'))).code).to.equal('ERR_TURN_FORBIDDEN')
      expect((await rejection(first.permit('::1'))).code).to.equal('ERR_TURN_FAMILY')
      await first.close()
      const second = await eventually('the relay to be given back', () => client('udp').allocateUdp(), { everyMs: 200 })
      expect(second.relayed.port).to.be.greaterThan(0)
    })
  })

  describe('that sends clients elsewhere', () => {
    let other
    before(async () => {
      other = await startCoturn()
      coturn = await startCoturn({ args: [`--alternate-server=127.0.0.1:${other.port}`] })
    })
    after(async () => {
      await coturn?.[Symbol.asyncDispose]()
      await other?.[Symbol.asyncDispose]()
    })

    it('is followed only where the policy allows', async () => {
      expect((await rejection(client('udp').allocateUdp())).code).to.equal('ERR_STUN_REDIRECT')
      const turn = client('udp', { allowRedirect: ({ address, port }) => address === '127.0.0.1' && port === other.port })
      const allocation = await turn.allocateUdp()
      expect(allocation.server).to.deep.equal(other.address)
    })
  })
})

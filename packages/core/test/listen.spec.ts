import { PassThrough } from 'node:stream'
import { expect } from 'chai'
import { createPeerDiscovery } from '@kithmesh/core'
import type { ListenOptions, PeerDiscovery, ProviderCapabilities, TransportContext, TransportListener } from '@kithmesh/core'
import { Deferred } from '@kithmesh/core/plugin'
import { eventually, recordingLogger, rejection } from '@kithmesh/testkit'
import type { RecordingLogger } from '@kithmesh/testkit'
import { FakeProvider, FakeTransport, US, logged } from './fakes.ts'

class ListeningTransport extends FakeTransport {
  closed = false
  told: ListenOptions | undefined
  onListen: () => Promise<TransportListener> = async () => ({
    port: undefined,
    addresses: [this.name],
    close: async () => {
      this.closed = true
    }
  })
  listen(options: ListenOptions): Promise<TransportListener> {
    this.told = options
    return this.onListen()
  }
}

describe('PeerDiscovery.listen', () => {
  let logger: RecordingLogger
  const discoveries: PeerDiscovery[] = []

  beforeEach(() => {
    logger = recordingLogger()
  })
  afterEach(async () => {
    await Promise.all(discoveries.splice(0).map((discovery) => discovery.shutdown()))
  })

  const compose = (...transports: FakeTransport[]): PeerDiscovery => composeWith({ incomingConnections: false }, ...transports)
  const composeWith = (capabilities: Partial<ProviderCapabilities>, ...transports: FakeTransport[]): PeerDiscovery => {
    const discovery = createPeerDiscovery({
      peerGroupId: 'test',
      localPeerId: US,
      providers: [new FakeProvider('Fake', capabilities).factory],
      transports: transports.map(({ factory }) => factory),
      logger
    })
    discoveries.push(discovery)
    return discovery
  }

  it('opens every passive side, and closes them together', async () => {
    const [one, two] = [new ListeningTransport('one'), new ListeningTransport('two')]
    two.onListen = async () => ({
      port: 4984,
      addresses: ['127.0.0.1:4984'],
      close: async () => {
        two.closed = true
      }
    })
    const streams: unknown[] = []
    const listener = await compose(one, new FakeTransport('deaf'), two).listen({
      onConnection: (socket, remote, strategy) => {
        streams.push(socket, remote, strategy)
      }
    })
    expect(listener).to.deep.include({ port: 4984, addresses: ['one', '127.0.0.1:4984'] })
    const socket = new PassThrough()
    one.told?.onConnection(socket, 'h:1')
    expect(streams).to.deep.equal([socket, 'h:1', 'one'])
    await listener.close()
    expect([one.closed, two.closed]).to.deep.equal([true, true])
  })

  describe('while an attempt waits for a connection of a peer', () => {
    let transport: ListeningTransport
    let context: TransportContext
    let subject: PeerDiscovery
    let taken: unknown[]

    beforeEach(() => {
      transport = new ListeningTransport('one')
      const { factory } = transport
      subject = createPeerDiscovery({
        peerGroupId: 'test',
        localPeerId: US,
        providers: [new FakeProvider().factory],
        transports: [
          {
            ...factory,
            create: (given) => {
              context = given
              return factory.create(given)
            }
          }
        ],
        logger
      })
      discoveries.push(subject)
      taken = []
    })

    it('hands over nothing after its end', async () => {
      const listener = await subject.listen({ onConnection: (socket) => taken.push(socket) })
      context.claims.expect(Buffer.alloc(16, 1))
      const socket = new PassThrough()
      transport.told?.onConnection(socket, 'h:1')
      socket.write('GET / HTTP/1.1')
      await listener.close()
      await eventually('the socket to be destroyed', () => socket.destroyed)
      expect(taken).to.have.length(0)
    })

    it('outlives an owner that fails to take over a connection', async () => {
      const listener = await subject.listen({
        onConnection: () => {
          throw new Error('a bug')
        }
      })
      context.claims.expect(Buffer.alloc(16, 1))
      const socket = new PassThrough()
      transport.told?.onConnection(socket, 'h:1')
      socket.write('GET / HTTP/1.1')
      await eventually('the socket to be destroyed', () => socket.destroyed)
      expect(logged(logger, 'error')).to.deep.equal(['taking over a connection failed'])
      await listener.close()
    })

    it('leaves no stream open after the shutdown', async () => {
      await subject.listen({ onConnection: (socket) => taken.push(socket) })
      const claim = context.claims.expect(Buffer.alloc(16, 1))
      const socket = new PassThrough()
      transport.told?.onConnection(socket, 'h:1')
      await subject.shutdown()
      expect(socket.destroyed).to.equal(true)
      expect((await rejection(claim.socket)).code).to.equal('ERR_PD_SHUT_DOWN')
      expect(taken).to.have.length(0)
    })
  })

  it('does with those that work, and logs the others, also one that throws at once', async () => {
    const [good, bad, worse] = [new ListeningTransport('good'), new ListeningTransport('bad'), new ListeningTransport('worse')]
    bad.onListen = async () => {
      throw new Error('port taken')
    }
    worse.onListen = () => {
      throw new Error('a bug')
    }
    const listener = await compose(bad, worse, good).listen({ onConnection: () => {} })
    expect(listener.addresses).to.deep.equal(['good'])
    expect(logged(logger, 'warn')).to.have.length(2)
    await listener.close()
  })

  it('closes the others when one fails to close', async () => {
    const [stuck, good] = [new ListeningTransport('stuck'), new ListeningTransport('good')]
    stuck.onListen = async () => ({
      port: 1,
      addresses: [],
      close: async () => {
        throw new Error('stuck')
      }
    })
    const listener = await compose(stuck, good).listen({ onConnection: () => {} })
    expect(((await rejection(listener.close())) as AggregateError).errors[0]).to.include({ message: 'stuck' })
    expect(good.closed).to.equal(true)
  })

  it('says why nothing listens', async () => {
    const cause = new Error('port taken')
    const [one, two] = [new ListeningTransport('one'), new ListeningTransport('two')]
    one.onListen = two.onListen = async () => {
      throw cause
    }
    const none = await rejection(compose(new FakeTransport()).listen({ onConnection: () => {} }))
    expect(none).to.include({ code: 'ERR_PD_LISTEN_FAILED' })
    expect(none.message).to.include('none of the transports has a passive side')
    expect((await rejection(compose(one).listen({ onConnection: () => {} }))).cause).to.equal(cause)
    const both = await rejection(compose(one, two).listen({ onConnection: () => {} }))
    expect((both.cause as AggregateError).errors).to.deep.equal([cause, cause])
  })

  it('needs no transport where connections come through a provider, but says when one fails', async () => {
    const listener = await composeWith({ incomingConnections: true }, new FakeTransport()).listen({ onConnection: () => {} })
    expect(listener).to.deep.include({ port: undefined, addresses: [] })
    await listener.close()
    const broken = new ListeningTransport('broken')
    broken.onListen = async () => {
      throw new Error('port taken')
    }
    const failed = await rejection(composeWith({ incomingConnections: true }, broken).listen({ onConnection: () => {} }))
    expect(failed).to.include({ code: 'ERR_PD_LISTEN_FAILED' })
  })

  it('closes what opened too late for the shutdown', async () => {
    const slow = new ListeningTransport('slow')
    const gate = new Deferred<void>()
    slow.onListen = async () => {
      await gate.promise
      return {
        port: 1,
        addresses: [],
        close: async () => {
          slow.closed = true
        }
      }
    }
    const subject = compose(slow)
    const listening = rejection(subject.listen({ onConnection: () => {} }))
    await subject.shutdown()
    gate.resolve()
    expect((await listening).code).to.equal('ERR_PD_SHUT_DOWN')
    expect(slow.closed).to.equal(true)
    expect((await rejection(subject.listen({ onConnection: () => {} }))).code).to.equal('ERR_PD_SHUT_DOWN')
  })
})

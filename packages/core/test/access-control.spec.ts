import { PassThrough } from 'node:stream'
import { AccessLists, createPeerDiscovery, peerIdMetadata, remoteAddress, toMetadata } from '@kithmesh/core'
import type {
  ConnectionReport,
  ListenOptions,
  PeerDiscovery,
  PeerDiscoveryOptions,
  TransportContext,
  TransportListener
} from '@kithmesh/core'
import { connectionPreamble } from '@kithmesh/core/plugin'
import { expect } from 'chai'
import { manualClock, recordingLogger, rejection } from '@kithmesh/testkit'
import type { ManualClock, RecordingLogger } from '@kithmesh/testkit'
import { FakeProvider, FakeTransport, THEM, US, logged, never, settle } from './fakes.ts'

class ListeningTransport extends FakeTransport {
  accept!: ListenOptions['onConnection']
  async listen({ onConnection }: ListenOptions): Promise<TransportListener> {
    this.accept = onConnection
    return { port: 4984, addresses: [], close: async () => {} }
  }
}

/** A stream that says where it leads, as TCP's do. */
function streamTo(remoteAddress: string): PassThrough & { readonly remoteAddress: string } {
  return Object.assign(new PassThrough(), { remoteAddress })
}

describe('the access lists of a peer discovery', () => {
  let clock: ManualClock
  let logger: RecordingLogger
  let provider: FakeProvider
  let direct: ListeningTransport
  let access: AccessLists
  let discovery: PeerDiscovery

  beforeEach(() => {
    clock = manualClock()
    logger = recordingLogger()
    provider = new FakeProvider()
    provider.onResolve = async () => ({ url: 'wss://shop.test:4984', addresses: ['192.0.2.1', '198.51.100.1'] })
    direct = new ListeningTransport()
    access = new AccessLists()
  })

  afterEach(async () => {
    await discovery.shutdown()
    await settle()
    expect(clock.pending, 'timers left behind').to.equal(0)
  })

  async function compose(transports: FakeTransport[] = [direct], options: Partial<PeerDiscoveryOptions> = {}): Promise<void> {
    discovery = createPeerDiscovery({
      peerGroupId: 'shop',
      localPeerId: US,
      providers: [provider.factory],
      transports: transports.map(({ factory }) => factory),
      access,
      clock,
      logger,
      ...options
    })
    await discovery.start({ publish: { displayName: 'Us', port: 4984 } })
    provider.context.peersFound([{ id: 'a', displayName: 'Shop', metadata: toMetadata(peerIdMetadata(THEM)) }])
  }
  const rows = (report: ConnectionReport | undefined) =>
    (report?.attempts ?? []).map(({ strategy, state, phase, address, code, message }) =>
      [strategy, state, phase, address, code, message].map((each) => each ?? '-').join(' ')
    )

  it('are there, and empty, when none are given', async () => {
    await compose([direct], { access: undefined as never })
    expect(discovery.access.list.current).to.deep.equal([])
    discovery.access.onChange(() => {
      throw new Error('a listener of the program')
    })
    discovery.access.block({ peerId: THEM })
    await settle()
    expect(logged(logger, 'error'), 'a listener that throws is told to the program').to.have.length(1)
    expect(await rejection(discovery.connect(THEM))).to.include({ code: 'ERR_ACCESS_REFUSED' })
    expect(() =>
      createPeerDiscovery({ peerGroupId: 'shop', localPeerId: US, providers: [provider.factory], access: [] as never })
    ).to.throw(TypeError, 'AccessLists')
  })

  describe('on the way out', () => {
    it('keep this device from connecting to a device, by its id, and say so in the report', async () => {
      await compose()
      access.block({ peerId: THEM, note: 'lost in May' })
      const error = await rejection(discovery.connect(THEM))
      expect(error).to.include({ code: 'ERR_ACCESS_REFUSED' })
      expect(error.message).to.include('lost in May')
      expect(direct.attempts).to.deep.equal([])
      expect(discovery.explain(THEM)).to.include({ state: 'failed' })
      expect(rows(discovery.explain(THEM))[0]).to.match(
        /^\* failed access - ERR_ACCESS_REFUSED Shop may not be connected to: .*lost in May/
      )
      access.remove({ effect: 'block', peerId: THEM })
      expect(await discovery.connect(THEM)).to.include({ strategy: 'direct' })
    })

    it('concern the group, too', async () => {
      await compose()
      access.allow({ group: 'chat' })
      expect((await rejection(discovery.connect(THEM))).message).to.include('the group "shop" is none of the allowed ones')
    })

    it('take out addresses, each with its reason in the report, and the others are used', async () => {
      await compose()
      let given: readonly string[] = []
      direct.onAttempt = async ({ resolved }) => {
        given = resolved.addresses
        return direct.socket()
      }
      access.block({ range: '192.0.2.0/24' })
      const { report } = await discovery.connect(THEM)
      expect(given).to.deep.equal(['198.51.100.1'])
      expect(rows(report)).to.deep.equal([
        '* skipped access 192.0.2.1 - it is blocked by the rule for 192.0.2.0/24',
        'direct won won shop.test:4984 - -'
      ])
    })

    it('let strategies ask about addresses that a name stands for, and throw away a stream to one that is refused', async () => {
      await compose()
      access.block({ range: '203.0.113.0/24' })
      const stream = streamTo('203.0.113.7')
      let told: string | undefined
      direct.onAttempt = async ({ refuses }) => {
        told = refuses?.('203.0.113.7')
        return stream
      }
      const error = await rejection(discovery.connect(THEM))
      expect(told).to.be.a('string')
      expect(stream.destroyed).to.equal(true)
      expect(error).to.include({ code: 'ERR_ROUTE_FAILED' })
      expect(error.message).to.include('203.0.113.7 may not be connected to')
    })

    it('refuse ways without an address where addresses are allowed, and only then', async () => {
      const relay = new FakeTransport('turn', 100, true)
      await compose([relay])
      access.allow({ range: '198.51.100.0/24' })
      const error = await rejection(discovery.connect(THEM))
      expect(error).to.include({ code: 'ERR_ROUTE_NONE' })
      expect(error.message).to.include('turn: it has no address, and only certain addresses are allowed')
      access.remove({ effect: 'allow', range: '198.51.100.0/24' })
      access.block({ range: '192.0.2.0/24' })
      expect(await discovery.connect(THEM)).to.include({ quality: 'relayed' })
    })

    it('abort a race that is under way, at once, and its late streams are destroyed', async () => {
      await compose()
      let aborted: unknown
      direct.onAttempt = (_target, { signal }) => {
        signal.addEventListener('abort', () => {
          aborted = signal.reason
        })
        return never()
      }
      const connecting = rejection(discovery.connect(THEM))
      await settle()
      access.block({ range: '203.0.113.7' })
      await settle()
      expect(aborted, 'another change').to.equal(undefined)
      access.block({ peerId: THEM })
      expect(await connecting).to.include({ code: 'ERR_ACCESS_REFUSED' })
      expect(aborted).to.be.instanceOf(Error)
      expect(rows(discovery.explain(THEM))[0]).to.match(/^direct failed dial - ERR_ACCESS_REFUSED/)
    })

    it('count for a strategy whose turn comes later', async () => {
      const later = new FakeTransport('later', 10)
      await compose([direct, later])
      direct.onAttempt = never
      const connecting = discovery.connect(THEM)
      await settle()
      access.block({ range: '192.0.2.0/24' })
      let given: readonly string[] = []
      later.onAttempt = async ({ resolved }) => {
        given = resolved.addresses
        return later.socket()
      }
      await clock.advance(250)
      await connecting
      expect(given).to.deep.equal(['198.51.100.1'])
    })
  })

  it('come before the dial policy, when a peer asks to be connected to', async () => {
    const context = { value: undefined as TransportContext | undefined }
    const factory = {
      ...direct.factory,
      create: (given: TransportContext) => {
        context.value = given
        return direct
      }
    }
    await compose([], {
      transports: [factory],
      dialPolicy: { refuse: (_peer, address) => (address === '8.8.8.8' ? 'by the policy' : undefined) }
    })
    const policy = context.value?.dialPolicy
    access.block({ range: '192.0.2.0/24' })
    expect(policy?.refuse(THEM, '192.0.2.1', 4984)).to.equal('it is blocked by the rule for 192.0.2.0/24')
    expect(policy?.refuse(THEM, '8.8.8.8', 4984)).to.equal('by the policy')
    expect(policy?.refuse(THEM, '8.8.4.4', 4984)).to.equal(undefined)
    access.block({ peerId: THEM })
    expect(policy?.refuse(THEM, '8.8.4.4', 4984)).to.match(/it is blocked/)
    const error = await rejection(
      context.value?.signaling.request(THEM, 'reverse', {}, { signal: new AbortController().signal }) as Promise<unknown>
    )
    expect(error, 'signalling').to.include({ code: 'ERR_ACCESS_REFUSED' })
  })

  describe('on the way in', () => {
    let came: string[]

    async function listen(options: Partial<PeerDiscoveryOptions> = {}, transport: ListeningTransport = direct): Promise<void> {
      await compose([transport], options)
      came = []
      await discovery.listen({
        onConnection: (_socket, remote) => {
          came.push(remote)
        }
      })
    }
    const arrive = (remote: string, transport = direct): PassThrough => {
      const socket = new PassThrough()
      transport.accept(socket, remote)
      return socket
    }

    it('refuse connections from an address, however it is written', async () => {
      await listen()
      access.block({ range: '192.0.2.0/24' })
      access.block({ range: 'fe80::%eth0/10' })
      const refused = ['192.0.2.1:50312', '[::ffff:192.0.2.1]:50312', '[fe80::1%eth0]:50312'].map((remote) => arrive(remote))
      const taken = ['198.51.100.1:50312', '[2001:db8::1]:50312', '[fe80::1%eth1]:50312'].map((remote) => arrive(remote))
      expect(refused.map(({ destroyed }) => destroyed)).to.deep.equal([true, true, true])
      expect(taken.map(({ destroyed }) => destroyed)).to.deep.equal([false, false, false])
      expect(came).to.deep.equal(['198.51.100.1:50312', '[2001:db8::1]:50312', '[fe80::1%eth1]:50312'])
      expect(logged(logger, 'info'), 'one line, whatever strangers do').to.have.length(1)
    })

    it('take no relayed stream for one of an address', async () => {
      const relay = new ListeningTransport('turn', 0, true)
      await listen({}, relay)
      access.block({ range: '192.0.2.0/24' })
      expect(arrive('192.0.2.1:50312', relay).destroyed).to.equal(false)
      access.allow({ range: '0.0.0.0/0' })
      expect(arrive('192.0.2.1:50312', relay).destroyed).to.equal(true)
    })

    it('count when it has turned out what a stream is, too, and for those that were asked for', async () => {
      const context = { value: undefined as TransportContext | undefined }
      const factory = {
        ...direct.factory,
        create: (given: TransportContext) => {
          context.value = given
          return direct
        }
      }
      await compose([], { transports: [factory] })
      came = []
      await discovery.listen({
        onConnection: (_socket, remote) => {
          came.push(remote)
        }
      })
      const token = new Uint8Array(16).fill(7)
      const claim = context.value?.claims.expect(token)
      let claimed = false
      claim?.socket.then(
        () => {
          claimed = true
        },
        () => {}
      )
      const waiting = arrive('192.0.2.1:50312')
      access.block({ range: '192.0.2.0/24' })
      waiting.write('\u0016TLS')
      const asked = arrive('192.0.2.2:50312')
      asked.write(connectionPreamble(token))
      await settle()
      expect([waiting.destroyed, asked.destroyed, claimed]).to.deep.equal([true, true, false])
      expect(came).to.deep.equal([])
      claim?.cancel()
    })

    it('let each address connect at a rate: devices behind one that is busy still get in, others at once', async () => {
      await listen({ acceptRate: { burst: 10, perMinute: 60 } })
      const flood = Array.from({ length: 500 }, (_, index) => arrive(`192.0.2.1:${1024 + index}`))
      expect(flood.filter(({ destroyed }) => !destroyed)).to.have.length(10)
      expect(arrive('198.51.100.1:50312').destroyed).to.equal(false)
      await clock.advance(1_000)
      expect(arrive('192.0.2.1:50312').destroyed, 'a second later').to.equal(false)
      expect(arrive('192.0.2.1:50313').destroyed).to.equal(true)
    })

    it('never take two devices behind one address for one', async () => {
      await listen()
      for (let index = 0; index < 100; index++) expect(arrive(`192.0.2.1:${50_000 + index}`).destroyed).to.equal(false)
      expect(came).to.have.length(100)
    })

    it('refuse connections that a provider brings, by the device that is claimed, and by the stream where it has an address', async () => {
      await compose()
      const asked: unknown[] = []
      discovery.addObserver({
        incomingConnection: (peer) => {
          asked.push(peer?.id)
          return true
        }
      })
      expect(provider.context.incomingConnection('a', new PassThrough())).to.equal(true)
      access.block({ peerId: THEM })
      access.block({ range: '192.0.2.0/24' })
      expect(provider.context.incomingConnection('a', new PassThrough())).to.equal(false)
      expect(provider.context.incomingConnection(undefined, streamTo('192.0.2.1'))).to.equal(false)
      expect(provider.context.incomingConnection(undefined, streamTo('198.51.100.1'))).to.equal(true)
      expect(provider.context.incomingConnection(undefined, new PassThrough())).to.equal(true)
      expect(asked).to.deep.equal(['a', undefined, undefined])
    })
  })

  it('find the address in what is told of a connection', () => {
    for (const [remote, address] of [
      ['192.168.1.4:50312', '192.168.1.4'],
      ['192.168.1.4', '192.168.1.4'],
      ['[2001:db8::1]:50312', '2001:db8::1'],
      ['[fe80::1%eth0]:50312', 'fe80::1%eth0'],
      ['fe80::1%eth0', 'fe80::1%eth0'],
      ['::1', '::1'],
      ['[::1]', '::1'],
      ['h:1', null],
      ['relay 192.168.1.4:50312', null],
      ['', null],
      ['[192.168.1.4', null],
      ['192.168.1.4:50312:1', null]
    ] as const)
      expect(remoteAddress(remote), remote).to.equal(address)
  })
})

import { PassThrough } from 'node:stream'
import { expect } from 'chai'
import { createPeerDiscovery, formatConnectionReport, peerIdMetadata, toMetadata } from '@kithmesh/core'
import type { ByteSocket, ConnectionReport, PeerDiscovery } from '@kithmesh/core'
import { Deferred } from '@kithmesh/core/plugin'
import { manualClock, rejection } from '@kithmesh/testkit'
import type { ManualClock } from '@kithmesh/testkit'
import { FakeProvider, FakeTransport, THEM, US, never, settle } from './fakes.ts'

const rows = (report: ConnectionReport | undefined) =>
  (report?.attempts ?? []).map(({ strategy, peerId, state, phase, address, code }) =>
    [strategy, peerId, state, phase, address, code].map((each) => each ?? '-').join(' ')
  )

describe('PeerDiscovery.connect', () => {
  let clock: ManualClock
  let provider: FakeProvider
  let reports: ConnectionReport[]
  let discovery: PeerDiscovery | undefined

  beforeEach(() => {
    clock = manualClock()
    provider = new FakeProvider()
    provider.onResolve = async (id) => ({ url: `wss://${id}.test:4984`, addresses: [`127.0.1.${id.charCodeAt(0)}`] })
    reports = []
    discovery = undefined
  })

  afterEach(async () => {
    await discovery?.shutdown()
    await settle()
    expect(clock.pending, 'timers left behind').to.equal(0)
  })

  async function compose(transports: FakeTransport[], providers = [provider], sightings = ['a']): Promise<PeerDiscovery> {
    discovery = createPeerDiscovery({
      peerGroupId: 'test',
      localPeerId: US,
      providers: providers.map(({ factory }) => factory),
      transports: transports.map(({ factory }) => factory),
      clock
    })
    discovery.addObserver({
      connectionReport: (report) => {
        reports.push(report)
      }
    })
    await discovery.startBrowsing()
    for (const id of sightings) provider.context.peersFound([{ id, displayName: 'Shop', metadata: toMetadata(peerIdMetadata(THEM)) }])
    return discovery
  }

  it('hands over the stream, how it came about, and a report', async () => {
    const direct = new FakeTransport('direct')
    direct.onAttempt = async (_target, { progress }) => {
      progress('dial', '192.168.1.4:4984')
      return direct.socket()
    }
    const subject = await compose([direct])
    const device = subject.deviceWithId(THEM)
    const connection = await subject.connect(THEM)
    expect(connection.socket).to.equal(direct.sockets[0])
    expect(connection).to.include({ route: 'direct 192.168.1.4:4984', strategy: 'direct', quality: 'direct' })
    expect(connection.peer.id).to.equal('a')
    expect(connection.report).to.include({ deviceId: THEM, displayName: 'Shop', state: 'connected', route: 'direct 192.168.1.4:4984' })
    expect(rows(connection.report)).to.deep.equal(['direct a won won 192.168.1.4:4984 -'])
    await settle()
    expect(reports).to.deep.equal([connection.report])
    expect(device === undefined ? undefined : subject.explain(device)).to.deep.equal(connection.report)
    expect(subject.explain('nobody')).to.equal(undefined)
  })

  it('names the host of the URL when the transport tells no address, and says whether the route is relayed', async () => {
    const subject = await compose([new FakeTransport('turn', 0, true)])
    expect(await subject.connect(THEM)).to.include({ route: 'turn a.test:4984', quality: 'relayed' })
  })

  it('races all strategies over all sightings by rank, and destroys what comes too late', async () => {
    const [relay, direct] = [new FakeTransport('turn', 100, true), new FakeTransport('direct', 0)]
    const gate = new Deferred<ByteSocket>()
    direct.onAttempt = () => gate.promise
    const subject = await compose([relay, direct])
    const connecting = subject.connect(THEM)
    await settle()
    expect(direct.attempts).to.deep.equal(['a'])
    expect(relay.attempts).to.deep.equal([])
    expect(subject.explain(THEM)).to.include({ state: 'connecting' })
    await clock.advance(250)
    const { strategy, report } = await connecting
    expect(strategy).to.equal('turn')
    expect(rows(report)).to.deep.equal(['turn a won won a.test:4984 -', 'direct a lost lost - -'])
    const late = new PassThrough()
    gate.resolve(late)
    await settle()
    expect(late.destroyed).to.equal(true)
    expect(relay.sockets[0]?.destroyed).to.equal(false)
  })

  for (const [holdMs, after] of [
    [Infinity, 5_000],
    [60_000, 5_000],
    [1_000, 1_000],
    [Number.NaN, 250],
    [-1_000, 250]
  ] as const)
    it(`lets others begin after ${after} ms beside a strategy that asks them to wait for ${holdMs}`, async () => {
      const [first, second] = [new FakeTransport('first'), new FakeTransport('second', 1)]
      first.onAssess = () => ({ usable: true, rank: 0, holdMs })
      first.onAttempt = never
      const subject = await compose([first, second])
      const connecting = subject.connect(THEM)
      await clock.advance(after - 1)
      expect(second.attempts).to.deep.equal([])
      await clock.advance(1)
      expect(await connecting).to.include({ strategy: 'second' })
    })

  it('survives late sockets that fail', async () => {
    const [first, second] = [new FakeTransport('first'), new FakeTransport('second', 1)]
    const gate = new Deferred<ByteSocket>()
    first.onAttempt = () => gate.promise
    const subject = await compose([first, second])
    const connecting = subject.connect(THEM)
    await clock.advance(250)
    await connecting
    const late = new PassThrough({
      destroy: (_error, done) => {
        done(new Error('reset'))
      }
    })
    gate.resolve(late)
    await settle()
    expect(late.destroyed).to.equal(true)
  })

  it('goes on with the next sighting when one fails', async () => {
    const direct = new FakeTransport('direct')
    direct.onAttempt = async ({ peer }) => {
      if (peer.id === 'a') throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
      return direct.socket()
    }
    const subject = await compose([direct], [provider], ['a', 'b'])
    const { report } = await subject.connect(THEM)
    expect(rows(report)).to.deep.equal(['direct a failed dial - ECONNREFUSED', 'direct b won won b.test:4984 -'])
    expect(report.attempts[0]?.hint).to.match(/Nothing listens/)
  })

  it('dials an address that several sightings name once', async () => {
    const dialled: string[][] = []
    const direct = new FakeTransport('direct')
    direct.onAttempt = async ({ resolved }) => {
      dialled.push([...resolved.addresses])
      throw new Error('refused')
    }
    const other = new FakeTransport('other', 1)
    other.onAttempt = direct.onAttempt
    const addresses: Record<string, string[]> = {
      a: ['10.0.0.1', '10.0.0.2'],
      b: ['10.0.0.2', '10.0.0.1'],
      c: ['10.0.0.2', '10.0.0.3'],
      d: []
    }
    provider.onResolve = async (id) => ({ url: `wss://${id}.test:4984`, addresses: addresses[id] ?? [] })
    const subject = await compose([direct, other], [provider], ['a', 'b', 'c', 'd'])
    await rejection(subject.connect(THEM))
    expect(dialled).to.deep.equal([...[['10.0.0.1', '10.0.0.2'], ['10.0.0.3'], []], ...[['10.0.0.1', '10.0.0.2'], ['10.0.0.3'], []]])
    const skipped = subject.explain(THEM)?.attempts.filter(({ state }) => state === 'skipped')
    expect(skipped?.map(({ strategy, peerId, message }) => `${strategy} ${peerId}: ${message}`)).to.deep.equal([
      'direct b: Another sighting of the device names the same addresses',
      'other b: Another sighting of the device names the same addresses'
    ])
  })

  it('dials an address at each of the ports that sightings name', async () => {
    const direct = new FakeTransport('direct')
    direct.onAttempt = async () => {
      throw new Error('refused')
    }
    provider.onResolve = async (id) => ({ url: `wss://[::1]:${id === 'a' ? 1 : 2}`, addresses: ['::1'] })
    const subject = await compose([direct], [provider], ['a', 'b'])
    await rejection(subject.connect(THEM))
    expect(direct.attempts).to.deep.equal(['a', 'b'])
  })

  it('fails with every attempt in the report and every error in the cause', async () => {
    const [one, two] = [new FakeTransport('one'), new FakeTransport('two', 1)]
    one.onAttempt = async (_target, { progress }) => {
      progress('handshake', 'h:1')
      throw Object.assign(new Error('reset'), { code: 'ECONNRESET' })
    }
    two.onAttempt = () => {
      throw new TypeError('a bug')
    }
    const subject = await compose([one, two])
    const error = await rejection(subject.connect(THEM))
    expect(error.code).to.equal('ERR_ROUTE_FAILED')
    expect((error.cause as AggregateError).errors.map(({ message }: Error) => message)).to.deep.equal(['reset', 'a bug'])
    await settle()
    expect(rows(reports[0])).to.deep.equal(['one a failed handshake h:1 ECONNRESET', 'two a failed dial - TypeError'])
    expect(reports[0]?.state).to.equal('failed')
    const text = formatConnectionReport(reports[0] as ConnectionReport)
    expect(text.split('\n')[0]).to.equal(`Shop (${THEM}): failed after 0 ms`)
    expect(text).to.include('ECONNRESET').and.to.include('The other side closed the connection')
  })

  it('says why nothing can be tried', async () => {
    const [deaf, buggy, mute] = [new FakeTransport('deaf'), new FakeTransport('buggy'), new FakeTransport('mute')]
    mute.onAssess = () => undefined as never
    deaf.onAssess = () => ({ usable: false, reason: 'no address in common' })
    buggy.onAssess = () => {
      throw new Error('oops')
    }
    const subject = await compose([deaf, buggy, mute], [provider], ['a', 'b', 'c'])
    provider.onResolve = async (id) => {
      if (id === 'b') throw new Error('no SRV record')
      return { url: 'wss://x:1', addresses: [] }
    }
    provider.context.peersFound([{ id: 'c', displayName: 'Shop', connectable: false }])
    const error = await rejection(subject.connect(THEM))
    expect(error.code).to.equal('ERR_ROUTE_NONE')
    expect(error.details?.['reasons']).to.include.members([
      'deaf: no address in common',
      'buggy: oops',
      'Cannot find out where b is: no SRV record',
      'c cannot be connected to at the moment'
    ])
    expect((error.cause as AggregateError).errors).to.have.length(1)
    expect(rows(subject.explain(THEM))).to.have.members([
      'mute a failed assess - TypeError',
      '* b failed resolve - ERR_PD_RESOLVE_FAILED',
      '* c skipped assess - -',
      'deaf a skipped assess - -',
      'buggy a failed assess - -'
    ])
  })

  it('says that there is no transport', async () => {
    const error = await rejection((await compose([])).connect(THEM))
    expect(error.code).to.equal('ERR_ROUTE_NONE')
    expect(error.message).to.include('there is no transport')
  })

  it('gives up at the deadline, whatever hangs', async () => {
    const direct = new FakeTransport('direct')
    let told: AbortSignal | undefined
    direct.onAttempt = (_target, { signal }) => {
      told = signal
      return never()
    }
    const subject = await compose([direct], [provider], ['a', 'b'])
    provider.onResolve = (id) => (id === 'b' ? never() : Promise.resolve({ url: 'wss://x:1', addresses: [] }))
    for (const deadlineMs of [NaN, 0, -1, Infinity])
      expect(await rejection(subject.connect(THEM, { deadlineMs })), `${deadlineMs}`).to.be.instanceOf(TypeError)
    const connecting = rejection(subject.connect(THEM, { deadlineMs: 5000 }))
    await clock.advance(5000)
    const error = await connecting
    expect(error.code).to.equal('ERR_ROUTE_FAILED')
    expect((error.cause as AggregateError).errors[0]).to.include({ code: 'ERR_CORE_TIMEOUT' })
    expect(told?.aborted).to.equal(true)
    expect(rows(subject.explain(THEM))).to.have.members([
      'direct a failed dial - ERR_CORE_TIMEOUT',
      '* b failed resolve - ERR_CORE_TIMEOUT'
    ])
  })

  it('is cancelled by its signal with its reason', async () => {
    const direct = new FakeTransport('direct')
    const gate = new Deferred<ByteSocket>()
    direct.onAttempt = () => gate.promise
    const subject = await compose([direct])
    const abort = new AbortController()
    const connecting = rejection(subject.connect(THEM, { signal: abort.signal }))
    await settle()
    abort.abort(new Error('enough'))
    expect((await connecting).message).to.equal('enough')
    const late = new PassThrough()
    gate.resolve(late)
    await settle()
    expect(late.destroyed).to.equal(true)
    expect(reports.map(({ state }) => state)).to.deep.equal(['failed'])
    expect((await rejection(subject.connect(THEM, { signal: abort.signal }))).message).to.equal('enough')
    expect(reports).to.have.length(1)
  })

  it('is cancelled by the shutdown', async () => {
    const direct = new FakeTransport('direct')
    direct.onAttempt = () => never()
    const subject = await compose([direct])
    const connecting = rejection(subject.connect(THEM))
    await settle()
    await subject.shutdown()
    expect((await connecting).code).to.equal('ERR_PD_SHUT_DOWN')
    expect(direct.stopped).to.equal(true)
    expect(reports).to.have.length(1)
  })

  it('refuses devices that are not there', async () => {
    const subject = await compose([new FakeTransport()])
    const device = subject.devices[0]
    expect((await rejection(subject.connect('nobody'))).code).to.equal('ERR_PD_UNKNOWN_DEVICE')
    provider.context.peersLost(['a'])
    expect((await rejection(subject.connect(device ?? ''))).code).to.equal('ERR_PD_UNKNOWN_DEVICE')
  })

  it('does not take what is no open stream', async () => {
    const [wrong, closed] = [new FakeTransport('wrong'), new FakeTransport('closed', 1)]
    wrong.onAttempt = async () => ({}) as ByteSocket
    closed.onAttempt = async () => closed.socket().destroy()
    const error = await rejection((await compose([wrong, closed])).connect(THEM))
    expect((error.cause as AggregateError).errors.map(({ code }: { code: string }) => code)).to.deep.equal([
      'ERR_ROUTE_BAD_SOCKET',
      'ERR_ROUTE_BAD_SOCKET'
    ])
  })

  it('may run several times at once for one device', async () => {
    const subject = await compose([new FakeTransport()])
    const gate = new Deferred<void>()
    provider.onResolve = async () => {
      await gate.promise
      return { url: 'wss://x:1', addresses: [] }
    }
    const all = [subject.connect(THEM), subject.connect(THEM), subject.peers[0]?.resolveUrl()]
    await settle()
    gate.resolve()
    await Promise.all(all)
    expect(provider.calls.filter((call) => call.startsWith('resolve'))).to.have.length(1)
  })

  it('uses the sockets of a provider for its own sightings only', async () => {
    const ble = new FakeProvider('BLE', { suppliesSocketFactory: true })
    const opened: string[] = []
    const socket = new PassThrough()
    ble.onSocketFactory = () => ({
      framing: 'bytes',
      schemes: ['l2cap'],
      open: async (url) => {
        opened.push(url)
        return socket
      }
    })
    ble.onResolve = async (id) => ({ url: id === 'odd' ? 'other://x' : `l2cap://${id}:128`, addresses: [] })
    const subject = await compose([], [provider, ble])
    for (const id of ['radio', 'odd']) ble.context.peersFound([{ id, displayName: 'Shop', metadata: toMetadata(peerIdMetadata(THEM)) }])
    const connection = await subject.connect(THEM)
    expect(connection.socket).to.equal(socket)
    expect(connection.route).to.equal('BLE radio:128')
    expect(opened).to.deep.equal(['l2cap://radio:128'])
    expect(connection.report.attempts.map(({ peerId, message }) => [peerId, message])).to.have.deep.members([
      ['a', 'opens sightings of BLE only'],
      ['radio', undefined],
      ['odd', 'cannot open other: URLs']
    ])
    ble.onSocketFactory = () => {
      throw new Error('no')
    }
    expect((await rejection(subject.connect(THEM))).code).to.equal('ERR_ROUTE_NONE')
    ble.onSocketFactory = () => ({ framing: 'messages', schemes: ['l2cap'], open: () => never() })
    expect((await rejection(subject.connect(THEM))).code).to.equal('ERR_ROUTE_NONE')
  })

  it('takes a way of last resort after all others, and leaves it out when a better one is wanted', async () => {
    const ble = new FakeProvider('BLE', { suppliesSocketFactory: true, lastResort: true })
    ble.onSocketFactory = () => ({ framing: 'bytes', schemes: ['l2cap'], open: async () => new PassThrough() })
    ble.onResolve = async (id) => ({ url: `l2cap://${id}:128`, addresses: [] })
    const [relay, direct] = [new FakeTransport('turn', 80, true), new FakeTransport('direct')]
    const subject = await compose([relay, direct], [provider, ble])
    ble.context.peersFound([{ id: 'radio', displayName: 'Shop', metadata: toMetadata(peerIdMetadata(THEM)) }])
    const onlyIp = ({ resolved }: { resolved: { url: string } }) =>
      resolved.url.startsWith('l2cap:') ? ({ usable: false, reason: 'not IP' } as const) : undefined
    for (const transport of [relay, direct]) {
      const usual = transport.onAssess
      transport.onAssess = (target) => onlyIp(target) ?? usual(target)
    }
    const fails = async (): Promise<never> => {
      throw new Error('no')
    }
    direct.onAttempt = fails
    expect(await subject.connect(THEM)).to.include({ strategy: 'turn', quality: 'relayed' })
    relay.onAttempt = fails
    expect(await subject.connect(THEM)).to.include({ strategy: 'BLE', quality: 'last-resort', route: 'BLE radio:128' })
    const before = subject.explain(THEM)
    expect((await rejection(subject.connect(THEM, { betterThan: 'last-resort' }))).code).to.equal('ERR_ROUTE_FAILED')
    expect(subject.explain(THEM)).to.deep.equal(before)
    relay.onAttempt = async () => relay.socket()
    expect((await subject.connect(THEM, { betterThan: 'last-resort' })).quality).to.equal('relayed')
    expect((await rejection(subject.connect(THEM, { betterThan: 'relayed' }))).code).to.equal('ERR_ROUTE_FAILED')
    direct.onAttempt = async () => direct.socket()
    expect((await subject.connect(THEM, { betterThan: 'relayed' })).quality).to.equal('direct')
    expect((await rejection(subject.connect(THEM, { betterThan: 'direct' }))).code).to.equal('ERR_ROUTE_NONE')
  })

  it('keeps the reports of the last thousand devices', async () => {
    const subject = await compose([new FakeTransport()])
    const ids = Array.from({ length: 1001 }, (_, index) => `d${index}`)
    provider.context.peersFound(ids.map((id) => ({ id, displayName: id })))
    for (const id of ids) await subject.connect(`sighting:${id}`)
    expect(subject.explain('sighting:d0')).to.equal(undefined)
    expect(subject.explain('sighting:d1')).to.include({ state: 'connected' })
  })
})

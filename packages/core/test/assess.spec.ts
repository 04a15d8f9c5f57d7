import { createPeerDiscovery, errorCode, formatConnectionReport, formatDeviceAssessment, peerIdMetadata, toMetadata } from '@kithmesh/core'
import type { DeviceAssessment, PeerDiscovery } from '@kithmesh/core'
import { defineErrors } from '@kithmesh/core/plugin'
import { expect } from 'chai'
import { manualClock, rejection } from '@kithmesh/testkit'
import type { ManualClock } from '@kithmesh/testkit'
import { FakeProvider, FakeTransport, THEM, US, settle } from './fakes.ts'

const errors = defineErrors({ ERR_FAKE_DIAL: { when: 'a test dials', hint: 'Do not.' } })

describe('assessing a device', () => {
  let clock: ManualClock
  let provider: FakeProvider
  let discovery: PeerDiscovery
  beforeEach(() => {
    clock = manualClock()
    provider = new FakeProvider()
    provider.onResolve = async (id) => ({ url: `wss://${id}.test:4984`, addresses: ['10.0.0.1', '10.0.0.2'] })
  })
  afterEach(async () => {
    await discovery.shutdown()
    await settle()
    expect(clock.pending, 'timers left behind').to.equal(0)
  })

  async function compose(transports: FakeTransport[], sightings: { id: string; connectable?: boolean }[] = [{ id: 'a' }]): Promise<void> {
    discovery = createPeerDiscovery({
      peerGroupId: 'test',
      localPeerId: US,
      providers: [provider.factory],
      transports: transports.map(({ factory }) => factory),
      clock
    })
    await discovery.startBrowsing()
    for (const sighting of sightings)
      provider.context.peersFound([{ ...sighting, displayName: 'Shop', metadata: toMetadata(peerIdMetadata(THEM)) }])
  }
  const rows = ({ routes }: DeviceAssessment): string[] =>
    routes.map(({ strategy, peerId, address, usable, rank, reason, code }) =>
      [strategy, peerId, address ?? '-', usable ? `rank ${rank}` : (reason ?? '-'), code ?? '-'].join(' ')
    )

  it('tells which ways would be tried, in their order, and why the others would not', async () => {
    const [good, better, none] = [new FakeTransport('good', 5), new FakeTransport('better', 1), new FakeTransport('none')]
    none.onAssess = () => ({ usable: false, reason: 'it cannot' })
    await compose([good, none, better])
    const assessment = await discovery.assess(THEM)
    expect(assessment).to.include({ deviceId: THEM, displayName: 'Shop', refused: undefined })
    expect(rows(assessment)).to.deep.equal(['better a - rank 1 -', 'good a - rank 5 -', 'none a - it cannot -'])
    expect(assessment.sightings).to.deep.equal([
      {
        peerId: 'a',
        provider: provider.factory.name,
        connectable: true,
        url: 'wss://a.test:4984',
        addresses: ['10.0.0.1', '10.0.0.2'],
        signaling: false
      }
    ])
  })

  it('connects to nobody, and leaves no report of a connection', async () => {
    const direct = new FakeTransport('direct')
    await compose([direct])
    await discovery.assess(THEM)
    expect(direct.attempts).to.deep.equal([])
    expect(discovery.explain(THEM)).to.equal(undefined)
  })

  it('names what the access rules forbid: the device, or some of its addresses', async () => {
    const direct = new FakeTransport('direct')
    await compose([direct])
    discovery.access.add({ effect: 'block', range: '10.0.0.2' })
    const some = await discovery.assess(THEM)
    expect(some.refused).to.equal(undefined)
    expect(rows(some)[1]).to.match(/^\* a 10\.0\.0\.2 ./)
    expect(some.sightings[0]?.addresses, 'what is seen is seen').to.deep.equal(['10.0.0.1', '10.0.0.2'])
    discovery.access.add({ effect: 'block', peerId: THEM })
    const all = await discovery.assess(THEM)
    expect(all.refused).to.be.a('string').and.not.equal('')
    expect(formatDeviceAssessment(all)).to.include(`not connected to: ${all.refused}`)
  })

  it('tells sightings that are not connectable, not resolved in time, or not at all', async () => {
    provider.onResolve = async (id) => {
      if (id === 'bad') throw errors.create('ERR_FAKE_DIAL', 'it cannot be resolved')
      return await new Promise(() => {})
    }
    await compose([new FakeTransport('direct')], [{ id: 'weak', connectable: false }, { id: 'bad' }, { id: 'slow' }])
    for (const deadlineMs of [NaN, 0, -1, Infinity])
      expect(await rejection(discovery.assess(THEM, { deadlineMs })), `${deadlineMs}`).to.be.instanceOf(TypeError)
    const assessing = discovery.assess(THEM, { deadlineMs: 1_000 })
    await clock.advance(1_000)
    const assessment = await assessing
    expect(assessment.sightings.map(({ peerId, connectable, url }) => [peerId, connectable, url])).to.deep.equal([
      ['weak', false, undefined],
      ['bad', true, undefined],
      ['slow', true, undefined]
    ])
    expect(rows(assessment)[0]).to.equal('* weak - The peer cannot be connected to at the moment -')
    expect(rows(assessment)[1]).to.match(/^\* bad - .* ERR_\w+$/)
    expect(rows(assessment)[2]).to.match(/^\* slow - .* ERR_CORE_TIMEOUT$/)
  })

  it('tells a transport that throws, and that there is none', async () => {
    const broken = new FakeTransport('broken')
    broken.onAssess = () => {
      throw errors.create('ERR_FAKE_DIAL', 'no')
    }
    await compose([broken])
    const [row] = (await discovery.assess(THEM)).routes
    expect(row).to.include({ strategy: 'broken', usable: false, code: 'ERR_FAKE_DIAL', hint: 'Do not.' })
    await discovery.shutdown()
    await compose([])
    expect(rows(await discovery.assess(THEM))).to.deep.equal(['* a - There is no transport -'])
  })

  it('refuses devices that are not there, and ends with the reason of its signal', async () => {
    await compose([])
    const failure = (promise: Promise<unknown>): Promise<unknown> =>
      promise.then(
        () => undefined,
        (error: unknown) => error
      )
    expect(errorCode(await failure(discovery.assess('c'.repeat(64))))).to.equal('ERR_PD_UNKNOWN_DEVICE')
    const reason = new Error('enough')
    expect(await failure(discovery.assess(THEM, { signal: AbortSignal.abort(reason) }))).to.equal(reason)
  })

  it('is written as text', async () => {
    const [direct, none] = [new FakeTransport('direct', 3), new FakeTransport('none')]
    none.onAssess = () => ({ usable: false, reason: 'it cannot' })
    await compose([direct, none])
    const { name } = provider.factory
    expect(formatDeviceAssessment(await discovery.assess(THEM)).split('\n')).to.deep.equal([
      `Shop (${THEM}): 1 of 2 ways would be tried`,
      `  seen by ${name} as a: wss://a.test:4984 10.0.0.1 10.0.0.2`,
      `  direct  ${name}  usable, rank 3`,
      `  none  ${name}  not usable: it cannot`
    ])
  })

  describe('beside it, the report of a connection', () => {
    it('has every sighting, and every address with its time and code', async () => {
      const direct = new FakeTransport('direct')
      direct.onAttempt = async (_target, { progress }) => {
        progress('dial', '10.0.0.1:4984')
        await clock.sleep(100)
        progress('dial', '10.0.0.2:4984')
        throw errors.create('ERR_FAKE_DIAL', 'nobody answers', {
          details: { attempts: [{ address: '10.0.0.1:4984', code: 'ECONNREFUSED' }, { address: '10.0.0.2:4984', code: undefined }, 7] }
        })
      }
      await compose([direct])
      const connecting = discovery.connect(THEM).catch(() => {})
      await clock.advance(100)
      await connecting
      const report = discovery.explain(THEM)
      expect(report?.sightings?.map(({ url }) => url)).to.deep.equal(['wss://a.test:4984'])
      expect(report?.attempts[0]?.steps).to.deep.equal([
        { phase: 'dial', address: undefined, atMs: 0, code: undefined },
        { phase: 'dial', address: '10.0.0.1:4984', atMs: 0, code: 'ECONNREFUSED' },
        { phase: 'dial', address: '10.0.0.2:4984', atMs: 100, code: undefined }
      ])
      const lines = report === undefined ? [] : formatConnectionReport(report).split('\n')
      expect(lines.slice(-2)).to.deep.equal(['      +0 ms dial 10.0.0.1:4984: ECONNREFUSED', '      +100 ms dial 10.0.0.2:4984'])
    })

    it('is bounded, however often a strategy tries', async () => {
      const direct = new FakeTransport('direct')
      direct.onAttempt = async (_target, { progress }) => {
        for (let index = 0; index < 1_000; index++) progress('dial', `10.0.0.1:${index}`)
        throw new Error('in vain')
      }
      await compose([direct])
      await discovery.connect(THEM).catch(() => {})
      expect(discovery.explain(THEM)?.attempts[0]?.steps).to.have.lengthOf(32)
    })
  })
})

import { expect } from 'chai'
import type { NatBehaviour, NetworkFacts, NetworkProbe } from '@kithmesh/core'
import { Deferred } from '@kithmesh/core/plugin'
import { NetworkWatch, unmeasuredRoutes } from '../dist/network-view.js'
import { manualClock, recordingLogger } from '@kithmesh/testkit'
import { settle } from './fakes.ts'

type Interfaces = Parameters<typeof unmeasuredRoutes>[0]

function address(text: string, internal = false): NonNullable<Interfaces[string]>[number] {
  const common = { address: text, netmask: '', mac: '', internal, cidr: null }
  return text.includes(':') ? { ...common, family: 'IPv6', scopeid: 0 } : { ...common, family: 'IPv4' }
}

class FakeProbe implements NetworkProbe {
  readonly measurements: Array<Deferred<NetworkFacts>> = []
  stale = (): void => {}
  closed = false
  measure(): Promise<NetworkFacts> {
    const measurement = new Deferred<NetworkFacts>()
    this.measurements.push(measurement)
    return measurement.promise
  }
  onStale(stale: () => void): () => void {
    this.stale = stale
    return () => {
      this.stale = () => {}
    }
  }
  async shutdown(): Promise<void> {
    this.closed = true
  }
}

const facts = (measuredAt: number): NetworkFacts => ({ routes: [], measuredAt })

describe("this machine's network", () => {
  it('is described by its own addresses while nothing was measured', () => {
    const routes = unmeasuredRoutes({
      lo: [address('127.0.0.1', true)],
      eth0: [address('192.168.1.4'), address('fe80::1'), address('2001:db8::4')],
      wlan0: [address('10.0.0.4')]
    })
    expect(routes.map(({ interfaceIndex, family, localAddress }) => [interfaceIndex, family, localAddress])).to.deep.equal([
      [0, 4, '192.168.1.4'],
      [0, 6, '2001:db8::4'],
      [1, 4, '10.0.0.4']
    ])
    expect(routes.every(({ externalAddress, tcp }) => externalAddress === undefined && tcp.mapping === 'unknown')).to.equal(true)
  })

  it('has loopback as a route only when there is nothing else, and three interfaces at most', () => {
    expect(unmeasuredRoutes({ lo: [address('127.0.0.1', true)] })).to.have.length(1)
    const many = Object.fromEntries([1, 2, 3, 4, 5].map((index) => [`eth${index}`, [address(`10.0.${index}.1`)]]))
    expect(unmeasuredRoutes(many)).to.have.length(3)
  })

  it('is looked at in the background, which keeps no process alive', async () => {
    const clock = manualClock()
    const polls: unknown[] = []
    const every = clock.every.bind(clock)
    clock.every = (ms: number, run: () => void, options?: { readonly background?: boolean }) => {
      polls.push(options)
      return every(ms, run)
    }
    const watch = new NetworkWatch({ clock, logger: recordingLogger(), probe: undefined, interfaces: () => ({}) })
    watch.start()
    await watch.close()
    expect(polls).to.deep.equal([{ background: true }])
    expect(clock.pending).to.equal(0)
  })

  it('is measured again after a probe that hung or threw', async () => {
    const clock = manualClock()
    const probe = new FakeProbe()
    const signals: AbortSignal[] = []
    const measure = probe.measure.bind(probe)
    const results = [
      (): Promise<NetworkFacts> => {
        throw new Error('a bug')
      },
      measure,
      measure
    ]
    probe.measure = (options?: { readonly signal: AbortSignal }) => {
      if (options !== undefined) signals.push(options.signal)
      return (results.shift() as () => Promise<NetworkFacts>)()
    }
    const watch = new NetworkWatch({ clock, logger: recordingLogger(), probe })
    watch.start()
    await settle()
    probe.stale()
    await settle()
    expect(probe.measurements).to.have.length(1)
    await clock.advance(30_000)
    expect(signals[1]?.aborted).to.equal(true)
    probe.stale()
    probe.measurements[1]?.resolve(facts(7))
    await settle()
    expect(watch.current.measuredAt).to.equal(7)
    probe.measurements[0]?.resolve(facts(6))
    await settle()
    expect(watch.current.measuredAt).to.equal(7)
    expect(clock.pending).to.equal(0)
    await watch.close()
  })

  it('is measured at the start and whenever it is stale, once at a time', async () => {
    const probe = new FakeProbe()
    const watch = new NetworkWatch({ clock: manualClock(), logger: recordingLogger(), probe })
    const told: number[] = []
    watch.onChange(({ measuredAt }) => told.push(measuredAt))
    watch.start()
    watch.start()
    probe.stale()
    probe.stale()
    expect(probe.measurements).to.have.length(1)
    probe.measurements[0]?.resolve(facts(1))
    await settle()
    expect(watch.current.measuredAt).to.equal(1)
    expect(probe.measurements).to.have.length(2)
    probe.measurements[1]?.resolve(facts(2))
    await settle()
    expect(told).to.deep.equal([1, 2])
    await watch.close()
    expect(probe.closed).to.equal(true)
  })

  it('is measured again when the measurement was cut off, later each time, and not for ever', async () => {
    const clock = manualClock()
    const probe = new FakeProbe()
    const watch = new NetworkWatch({ clock, logger: recordingLogger(), probe })
    const whole = async (cutOff: boolean): Promise<void> => {
      probe.measurements.at(-1)?.resolve({ ...facts(probe.measurements.length), cutOff })
      await settle()
    }
    watch.start()
    for (const [index, ms] of [1_000, 2_000, 4_000, 8_000, 16_000, 32_000].entries()) {
      await whole(true)
      await clock.advance(ms - 1)
      expect(probe.measurements).to.have.length(index + 1)
      await clock.advance(1)
      expect(probe.measurements).to.have.length(index + 2)
    }
    await whole(true)
    expect(watch.current.measuredAt).to.equal(7)
    expect(clock.pending).to.equal(0)
    probe.stale()
    await whole(true)
    await clock.advance(1_000)
    expect(probe.measurements).to.have.length(9)
    await whole(false)
    expect(clock.pending).to.equal(0)
    probe.stale()
    await whole(true)
    await watch.close()
    expect(clock.pending).to.equal(0)
    expect(probe.measurements).to.have.length(10)
  })

  it('is measured again when no address leads anywhere, as one does that is there before its routes are', async () => {
    const clock = manualClock()
    const probe = new FakeProbe()
    const watch = new NetworkWatch({ clock, logger: recordingLogger(), probe })
    const unknown = { mapping: 'unknown', filtering: 'unknown', ports: { kind: 'unknown' } } as const
    const found = async (...mappings: NatBehaviour['mapping'][]): Promise<void> => {
      const routes = mappings.map((mapping, interfaceIndex) => ({
        interfaceIndex,
        family: 4 as const,
        localAddress: `10.0.0.${interfaceIndex + 1}`,
        externalAddress: undefined,
        tcp: { ...unknown, mapping },
        udp: unknown
      }))
      probe.measurements.at(-1)?.resolve({ routes, measuredAt: probe.measurements.length })
      await settle()
    }
    watch.start()
    await found('blocked', 'unknown')
    expect(watch.current.routes[0]?.tcp.mapping).to.equal('blocked')
    await clock.advance(1_000)
    await found('blocked')
    await clock.advance(2_000)
    expect(probe.measurements).to.have.length(3)
    await found('blocked', 'endpoint-independent')
    expect([clock.pending, watch.current.measuredAt]).to.deep.equal([0, 3])
    probe.stale()
    await found()
    expect(clock.pending).to.equal(0)
    probe.stale()
    for (const ms of [1_000, 2_000, 4_000, 8_000, 16_000, 32_000]) {
      await found('blocked')
      await clock.advance(ms)
    }
    await found('blocked')
    expect([clock.pending, probe.measurements.length]).to.deep.equal([0, 11])
    await watch.close()
  })

  it('falls back to what is known without measuring when that fails', async () => {
    const probe = new FakeProbe()
    const watch = new NetworkWatch({
      clock: manualClock(),
      logger: recordingLogger(),
      probe,
      interfaces: () => ({ eth0: [address('10.0.0.4')] })
    })
    const told: NetworkFacts[] = []
    watch.onChange((each) => told.push(each))
    watch.start()
    probe.measurements[0]?.reject(new Error('no server answers'))
    await settle()
    expect(told.map(({ routes }) => routes.map(({ localAddress }) => localAddress))).to.deep.equal([['10.0.0.4']])
    await watch.close()
  })

  it('notices new addresses without a probe, and nothing after its end', async () => {
    const clock = manualClock()
    let now: Interfaces = { eth0: [address('10.0.0.4')] }
    const watch = new NetworkWatch({ clock, logger: recordingLogger(), probe: undefined, interfaces: () => now })
    let changes = 0
    watch.onChange(() => {
      throw new Error('a careless listener')
    })
    watch.onChange(() => changes++)
    watch.start()
    await clock.advance(10_000)
    expect(changes).to.equal(0)
    now = { eth0: [address('10.0.0.5')] }
    await clock.advance(5_000)
    expect(changes).to.equal(1)
    await watch.close()
    now = {}
    await clock.advance(10_000)
    expect(changes).to.equal(1)
  })
})

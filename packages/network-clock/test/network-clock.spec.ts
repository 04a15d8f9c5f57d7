import { expect } from 'chai'
import { NetworkClock, clockErrors } from '@kithmesh/network-clock'
import type { MeasureOptions, NetworkClockOptions, NetworkTime, NtpServerReport } from '@kithmesh/network-clock'
import { eventually, manualClock, recordingLogger } from '@kithmesh/testkit'
import type { ManualClock } from '@kithmesh/testkit'
import { scriptedServer } from './support/scripted-server.ts'

const start = Date.UTC(2026, 10, 21)
const server = 'ntp.example.org'

function report(name: string, more: Partial<NtpServerReport> = {}): NtpServerReport {
  return {
    server: name,
    address: '192.0.2.1',
    outcome: 'chosen',
    offsetMs: 0,
    delayMs: 1,
    uncertaintyMs: 1,
    stratum: 2,
    samples: 4,
    kiss: undefined,
    reason: undefined,
    ...more
  }
}

describe('NetworkClock', () => {
  let machine: ManualClock
  let logger: ReturnType<typeof recordingLogger>
  let asked: MeasureOptions[]
  let offsetMs: number
  let uncertaintyMs: number
  let answer: (options: MeasureOptions) => Promise<NetworkTime>
  let clock: NetworkClock

  const measured = (reports: readonly NtpServerReport[] = [report(server)]): NetworkTime => ({
    offsetMs,
    uncertaintyMs,
    measuredAt: machine.monotonic(),
    networkMs: machine.now() + offsetMs,
    servers: reports
  })
  const make = (options: Partial<NetworkClockOptions> = {}): NetworkClock =>
    new NetworkClock({
      servers: [server],
      clock: machine,
      logger,
      measure: (measureOptions) => {
        asked.push(measureOptions)
        return answer(measureOptions)
      },
      ...options
    })
  const never = ({ signal }: MeasureOptions): Promise<NetworkTime> =>
    new Promise((_resolve, reject) => {
      signal?.addEventListener('abort', () => {
        reject(signal.reason as Error)
      })
    })

  beforeEach(() => {
    machine = manualClock(start)
    logger = recordingLogger()
    asked = []
    offsetMs = 400
    uncertaintyMs = 10
    answer = () => Promise.resolve(measured())
    clock = make()
  })

  afterEach(async () => {
    await clock.stop()
    expect(machine.pending).to.equal(0)
  })

  it('is the wall clock, without any certainty, before it is started', () => {
    expect(clock.now()).to.equal(start)
    expect(clock.offsetMs).to.equal(0)
    expect(clock.uncertaintyMs).to.equal(Infinity)
    expect(clock.latest).to.equal(undefined)
    expect(asked).to.deep.equal([])
  })

  it('is the time of the network once started', async () => {
    await clock.start()
    expect(clock.now()).to.equal(start + 400)
    expect(clock.offsetMs).to.equal(400)
    expect(clock.uncertaintyMs).to.equal(10)
    expect(clock.latest?.servers).to.have.lengthOf(1)
  })

  it('grows less certain by the assumed drift', async () => {
    await clock.start()
    await machine.advance(100_000)
    expect(clock.now()).to.equal(start + 100_400)
    expect(clock.uncertaintyMs).to.be.closeTo(15, 1e-9)
  })

  it('grows less certain by the drift it is told to assume', async () => {
    clock = make({ driftPpm: 200 })
    await clock.start()
    await machine.advance(100_000)
    expect(clock.uncertaintyMs).to.be.closeTo(30, 1e-9)
  })

  it('is not moved by setting the wall clock, but grows less certain and measures again', async () => {
    await clock.start()
    machine.setNow(start - 60_000)
    expect(clock.now()).to.equal(start + 400)
    expect(clock.offsetMs).to.equal(60_400)
    expect(clock.uncertaintyMs).to.be.at.least(60_000)
    offsetMs = 60_400
    await machine.advance(16_000)
    expect(asked).to.have.lengthOf(2)
    expect(clock.uncertaintyMs).to.be.lessThan(11)
  })

  it('measures again every ten minutes, give or take a tenth', async () => {
    await clock.start()
    await machine.advance(539_000)
    expect(asked).to.have.lengthOf(1)
    await machine.advance(122_000)
    expect(asked).to.have.lengthOf(2)
    await machine.advance(540_000 + 122_000)
    expect(asked).to.have.lengthOf(3)
  })

  it('measures again as often as it is told to', async () => {
    clock = make({ intervalMs: 60_000 })
    await clock.start()
    await machine.advance(53_000)
    expect(asked).to.have.lengthOf(1)
    await machine.advance(14_000)
    expect(asked).to.have.lengthOf(2)
  })

  it('measures as it is told to', async () => {
    const how = { deadlineMs: 700, samples: 2, localAddress: '127.0.0.9' }
    clock = make(how)
    await clock.start()
    expect(asked[0]).to.include(how)
  })

  it('measures again when the network changed, once for several changes', async () => {
    await clock.start()
    clock.networkChanged()
    clock.networkChanged()
    await machine.advance(1)
    expect(asked).to.have.lengthOf(2)
  })

  it('measures once more when the network changed meanwhile', async () => {
    await clock.start()
    let finish: (time: NetworkTime) => void = () => {}
    answer = () =>
      new Promise((resolve) => {
        finish = resolve
      })
    const measuring = clock.measure()
    clock.networkChanged()
    answer = () => Promise.resolve(measured())
    finish(measured())
    await measuring
    await machine.advance(1)
    expect(asked).to.have.lengthOf(3)
  })

  it('tries again sooner, and ever more slowly, after failures', async () => {
    answer = () => Promise.reject(clockErrors.create('ERR_NTP_NO_ANSWER', 'nobody'))
    await clock.start()
    expect(clock.uncertaintyMs).to.equal(Infinity)
    await machine.advance(17_000)
    expect(asked).to.have.lengthOf(2)
    await machine.advance(17_000)
    expect(asked).to.have.lengthOf(2)
    await machine.advance(17_000)
    expect(asked).to.have.lengthOf(3)
    expect(logger.entries.filter(({ level }) => level === 'warn')).to.have.lengthOf(1)
    answer = () => Promise.resolve(measured())
    await machine.advance(70_000)
    expect(clock.uncertaintyMs).to.be.lessThan(20)
  })

  it('keeps a good measurement over a less certain one that does not contradict it', async () => {
    await clock.start()
    offsetMs = 420
    uncertaintyMs = 200
    await clock.measure()
    expect(clock.offsetMs).to.equal(400)
    offsetMs = 900
    await clock.measure()
    expect(clock.offsetMs).to.equal(900)
    expect(clock.uncertaintyMs).to.equal(200)
  })

  it('tells its observers of measurements, failures and skew, later than it happens', async () => {
    const told: string[] = []
    clock.addObserver({
      measured: (time) => {
        told.push(`measured ${time.offsetMs}`)
      },
      failed: (error) => {
        told.push(`failed ${(error as Error).message}`)
      },
      skewed: (skew) => {
        told.push(`skewed ${skew.offsetMs} ±${skew.uncertaintyMs}`)
      }
    })
    const remove = clock.addObserver({
      measured: () => {
        told.push('never')
      }
    })
    remove()
    await clock.start()
    offsetMs = -4_000
    await clock.measure()
    await clock.measure()
    answer = () => Promise.reject(new Error('no'))
    await clock.measure().catch(() => {})
    await machine.advance(0)
    expect(told).to.deep.equal(['measured 400', 'measured -4000', 'skewed -4000 ±10', 'measured -4000', 'failed no'])
    expect(logger.entries.some(({ level, message }) => level === 'warn' && message.includes('clock is wrong'))).to.equal(true)
  })

  it('calls a clock skewed only when it is so for certain, and again after it was right', async () => {
    let skews = 0
    clock.addObserver({
      skewed: () => {
        skews++
      }
    })
    offsetMs = 1_200
    uncertaintyMs = 300
    await clock.start()
    await machine.advance(0)
    expect(skews).to.equal(0)
    for (const offset of [2_000, 0, 2_000]) {
      offsetMs = offset
      await clock.measure()
    }
    await machine.advance(0)
    expect(skews).to.equal(2)
  })

  it('calls a clock skewed from the limit on that it is told', async () => {
    for (const [skewLimitMs, skewed] of [
      [389, [400]],
      [391, []]
    ] as const) {
      await clock.stop()
      clock = make({ skewLimitMs })
      const told: number[] = []
      clock.addObserver({ skewed: ({ offsetMs: by }) => told.push(by) })
      await clock.start()
      await machine.advance(0)
      expect(told, `${skewLimitMs}`).to.deep.equal(skewed)
    }
  })

  it('survives observers that throw', async () => {
    clock.addObserver({
      measured: () => {
        throw new Error('mine')
      }
    })
    let told = 0
    clock.addObserver({
      measured: () => {
        told++
      }
    })
    await clock.start()
    await machine.advance(0)
    expect(told).to.equal(1)
    expect(logger.entries.some(({ level }) => level === 'error')).to.equal(true)
  })

  it('names the servers that are wrong', async () => {
    answer = () => Promise.resolve(measured([report(server), report('wrong', { outcome: 'falseticker', offsetMs: 9_000 })]))
    await clock.start()
    const entry = logger.entries.find(({ message }) => message.includes('contradicts'))
    expect(entry?.fields).to.deep.equal({ server: 'wrong', offsetMs: 9_000 })
  })

  it('does not ask a server that refused, and leaves one alone that was asked too often', async () => {
    clock = make({ servers: ['deny', 'rate', 'good'] })
    answer = ({ servers }) =>
      Promise.resolve(
        measured(
          servers.map((name) => report(name, name === 'good' ? {} : { outcome: 'unusable', kiss: name === 'deny' ? 'DENY' : 'RATE' }))
        )
      )
    await clock.start()
    await machine.advance(662_000)
    expect(asked.map(({ servers }) => servers)).to.deep.equal([['deny', 'rate', 'good'], ['good']])
    await machine.advance(1_400_000)
    expect(asked.slice(2).some(({ servers }) => servers.includes('rate'))).to.equal(true)
    expect(asked.slice(1).some(({ servers }) => servers.includes('deny'))).to.equal(false)
  })

  it('leaves such a server alone for two of its own intervals', async () => {
    clock = make({ servers: ['rate', 'good'], intervalMs: 60_000 })
    answer = ({ servers }) =>
      Promise.resolve(measured(servers.map((name) => report(name, name === 'good' ? {} : { outcome: 'unusable', kiss: 'RATE' }))))
    await clock.start()
    await machine.advance(119_000)
    expect(asked.slice(1).some(({ servers }) => servers.includes('rate'))).to.equal(false)
    await machine.advance(80_000)
    expect(asked.slice(1).some(({ servers }) => servers.includes('rate'))).to.equal(true)
  })

  it('starts and stops in any order, any number of times', async () => {
    await clock.stop()
    await Promise.all([clock.start(), clock.start()])
    expect(asked).to.have.lengthOf(1)
    await Promise.all([clock.stop(), clock.stop()])
    expect(machine.pending).to.equal(0)
    await machine.advance(2_000_000)
    expect(asked).to.have.lengthOf(1)
    clock.networkChanged()
    expect(machine.pending).to.equal(0)
    expect(clock.offsetMs).to.equal(400)
    await clock.start()
    expect(asked).to.have.lengthOf(2)
    await clock[Symbol.asyncDispose]()
  })

  it('ends a measurement when it is stopped', async () => {
    await clock.start()
    answer = never
    const outcome = clock.measure().catch((error: unknown) => error)
    await clock.stop()
    expect(await outcome).to.have.property('code', 'ERR_NTP_STOPPED')
    expect(await clock.measure().catch((error: unknown) => error)).to.have.property('code', 'ERR_NTP_STOPPED')
  })

  it('ends its start when it is stopped meanwhile', async () => {
    answer = never
    const starting = clock.start().catch((error: unknown) => error)
    await machine.advance(0)
    await clock.stop()
    expect(await starting).to.be.instanceOf(Error)
    expect(asked[0]?.signal?.aborted).to.equal(true)
  })

  it('refuses servers it cannot understand before anything is sent', () => {
    expect(() => make({ servers: ['a b'] }))
      .to.throw()
      .with.property('code', 'ERR_NTP_SERVER')
    expect(() => make({ servers: [] })).to.throw(TypeError)
  })

  it('refuses what no clock can be kept with', () => {
    for (const value of [Number.NaN, -1, Number.POSITIVE_INFINITY])
      for (const name of ['intervalMs', 'deadlineMs', 'samples', 'driftPpm', 'skewLimitMs'])
        expect(() => make({ [name]: value }), `${name} ${value}`).to.throw(TypeError, name)
    for (const options of [{ intervalMs: 0 }, { deadlineMs: 0 }, { samples: 1.5 }, { localAddress: 'eth0' }])
      expect(() => make(options)).to.throw(TypeError, Object.keys(options)[0])
    expect(() => make({ intervalMs: 1_000, driftPpm: 0, skewLimitMs: 0 })).to.not.throw()
  })

  it('works with real servers', async () => {
    await using honest = await scriptedServer('127.0.0.2', { aheadMs: 3_000 })
    await using other = await scriptedServer('127.0.0.3', { aheadMs: 3_000 })
    await using lying = await scriptedServer('127.0.0.4', { aheadMs: -90_000 })
    const real = new NetworkClock({ servers: [honest.name, other.name, lying.name] })
    let skewed = false
    real.addObserver({
      skewed: () => {
        skewed = true
      }
    })
    try {
      await real.start()
      expect(Math.abs(real.offsetMs - 3_000)).to.be.at.most(real.uncertaintyMs + 2)
      await eventually('the skew to be told', () => skewed)
    } finally {
      await real.stop()
    }
  })
})

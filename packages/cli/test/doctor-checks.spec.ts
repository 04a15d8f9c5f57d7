import { expect } from 'chai'
import { type ManualClock, eventually, manualClock } from '@kithmesh/testkit'
import { type Check, runChecks } from '../dist/doctor/checks.js'
import { type Finding, duration, ok } from '../dist/doctor/finding.js'

describe('the checks of the doctor', () => {
  let clock: ManualClock
  let told: string[]
  let stopping: AbortController
  beforeEach(() => {
    clock = manualClock()
    told = []
    stopping = new AbortController()
  })

  const tell = (findings: readonly Finding[]): void => {
    told.push(...findings.map(({ check, state }) => `${check} ${state}`))
  }
  const start = (checks: readonly Check[], totalMs = 9_000): Promise<void> =>
    runChecks(checks, { clock, totalMs, signal: stopping.signal, tell })
  const check = (name: string, run: Check['run'], more: Partial<Check> = {}): Check => ({ name, deadlineMs: 1_000, run, ...more })
  const never = (): Promise<never> => new Promise(() => {})

  it('run side by side, and are told in order', async () => {
    const begun: string[] = []
    let finish = (): void => {}
    const first = check('first', async () => {
      begun.push('first')
      await new Promise<void>((resolve) => {
        finish = resolve
      })
      return [ok('first', '')]
    })
    const second = check('second', async () => {
      begun.push('second')
      return [ok('second', '')]
    })
    const running = start([first, second])
    await eventually('both to run', () => begun.length === 2)
    expect(told).to.deep.equal([])
    finish()
    await running
    expect(told).to.deep.equal(['first ok', 'second ok'])
  })

  it('that do not end are a finding, hold up nobody, and are told to stop', async () => {
    let stopped = false
    const stuck = check('stuck', (signal) => {
      signal.addEventListener('abort', () => {
        stopped = true
      })
      return never()
    })
    const running = start([stuck, check('fine', async () => [ok('fine', '')])])
    await clock.advance(1_000)
    await running
    expect(told).to.deep.equal(['stuck warning', 'fine ok'])
    expect(stopped).to.equal(true)
  })

  it('end with the total, however long their own deadlines are', async () => {
    const running = start([check('slow', never, { deadlineMs: 60_000 })], 2_000)
    await clock.advance(2_000)
    await running
    expect(told).to.deep.equal(['slow warning'])
  })

  it('that throw are problems with their code', async () => {
    let found: readonly Finding[] = []
    const broken = check('broken', async () => {
      throw Object.assign(new Error('no disk'), { code: 'EIO' })
    })
    await runChecks([broken], {
      clock,
      totalMs: 9_000,
      signal: stopping.signal,
      tell: (findings) => {
        found = findings
      }
    })
    expect(found).to.deep.equal([{ check: 'broken', state: 'problem', message: 'no disk', code: 'EIO' }])
  })

  it('wait for the one that must not be disturbed, and share its delay', async () => {
    const order: string[] = []
    const quiet = check('quiet', async () => {
      await clock.sleep(500)
      order.push('quiet')
      return []
    })
    const later = check(
      'later',
      async () => {
        order.push('later')
        return []
      },
      { after: quiet }
    )
    const running = start([later, quiet])
    await clock.advance(500)
    await running
    expect(order).to.deep.equal(['quiet', 'later'])
  })

  it('end with the reason of an interrupt', async () => {
    const running = start([check('slow', never)])
    const reason = new Error('Ctrl-C')
    stopping.abort(reason)
    await running.then(
      () => expect.fail('it ended well'),
      (error: unknown) => {
        expect(error).to.equal(reason)
      }
    )
    expect(told).to.deep.equal([])
  })

  it('tell durations as people do', () => {
    expect([0.44, 12.4, -999, 3_400, 180_000, 9e6, 3e8].map(duration)).to.deep.equal([
      '0.4 ms',
      '12 ms',
      '-999 ms',
      '3.4 s',
      '3 min',
      '3 h',
      '3 days'
    ])
  })
})

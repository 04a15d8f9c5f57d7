import { expect } from 'chai'
import { collect, eventually, failures, globalRunner, manualClock, recordingLogger, within } from '@kithmesh/testkit'
import { duplexPair } from '@kithmesh/testkit/memory'

describe('collect', () => {
  it('runs hooks around tests, outer ones outside, and reports paths', async () => {
    const calls: string[] = []
    const outcomes = await collect(({ describe, it, before, after, beforeEach, afterEach }) => {
      describe('outer', () => {
        before(() => {
          calls.push('before')
        })
        after(() => {
          calls.push('after')
        })
        beforeEach(() => {
          calls.push('beforeEach')
        })
        afterEach(() => {
          calls.push('afterEach')
        })
        it('a', () => {
          calls.push('a')
        })
        describe('inner', () => {
          beforeEach(() => {
            calls.push('inner beforeEach')
          })
          afterEach(() => {
            calls.push('inner afterEach')
          })
          it('b', async () => {
            await Promise.resolve()
            calls.push('b')
          })
        })
      })
    })
    expect(outcomes.map(({ path, state }) => [path, state])).to.deep.equal([
      ['a', 'passed'],
      ['inner > b', 'passed']
    ])
    expect(calls).to.deep.equal([
      'before',
      'beforeEach',
      'a',
      'afterEach',
      'beforeEach',
      'inner beforeEach',
      'b',
      'inner afterEach',
      'afterEach',
      'after'
    ])
  })
  it('keeps the error, cleans up after it and goes on', async () => {
    const error = new Error('no')
    let cleaned = 0
    const outcomes = await collect(({ describe, it, afterEach }) => {
      describe('suite', () => {
        afterEach(() => {
          cleaned++
        })
        it('fails', () => {
          throw error
        })
        it('passes', () => {})
      })
    })
    expect(outcomes).to.deep.equal([
      { path: 'fails', state: 'failed', error },
      { path: 'passes', state: 'passed', error: undefined }
    ])
    expect(cleaned).to.equal(2)
    expect(failures(outcomes)).to.deep.equal(['fails'])
  })
  it('fails every test of a suite whose before hook fails, and a test whose own hooks fail', async () => {
    const outcomes = await collect(({ describe, it, before, beforeEach, afterEach }) => {
      describe('suite', () => {
        describe('before', () => {
          before(() => {
            throw new Error('no')
          })
          it('a', () => {})
          it('b', () => {})
        })
        describe('beforeEach', () => {
          beforeEach(() => {
            throw new Error('no')
          })
          it('c', () => {})
        })
        describe('afterEach', () => {
          afterEach(() => {
            throw new Error('no')
          })
          it('d', () => {})
        })
        it('e', () => {})
      })
    })
    expect(failures(outcomes)).to.deep.equal(['before > a', 'before > b', 'beforeEach > c', 'afterEach > d'])
  })
  it('bounds a test that hangs', async () => {
    const outcomes = await collect(
      ({ describe, it }) => {
        describe('suite', () => {
          it('hangs', () => new Promise(() => {}))
          it('passes', () => {})
        })
      },
      { timeoutMs: 20 }
    )
    expect(failures(outcomes)).to.deep.equal(['hangs'])
  })
  it('lists what an aborted run left out', async () => {
    const controller = new AbortController()
    const outcomes = await collect(
      ({ describe, it }) => {
        describe('suite', () => {
          it('a', () => {
            controller.abort()
          })
          it('b', () => {
            throw new Error('run')
          })
        })
      },
      { signal: controller.signal }
    )
    expect(outcomes.map(({ state }) => state)).to.deep.equal(['passed', 'aborted'])
  })
  it('runs only what matches', async () => {
    const outcomes = await collect(
      ({ describe, it }) => {
        describe('suite', () => {
          it('a', () => {})
          it('b', () => {
            throw new Error('run')
          })
        })
      },
      { match: (path) => path === 'a' }
    )
    expect(outcomes.map(({ path }) => path)).to.deep.equal(['a'])
  })
})

describe('eventually and within', () => {
  it('returns what the check returns at last', async () => {
    let looks = 0
    expect(await eventually('the third look', () => ++looks >= 3 && looks)).to.equal(3)
  })
  it('fails with the reason and the last exception', async () => {
    const cause = new Error('not yet')
    const error = await eventually(
      'a miracle',
      () => {
        throw cause
      },
      { withinMs: 20 }
    ).catch((thrown: unknown) => thrown as Error)
    expect(error).to.be.instanceOf(Error)
    expect((error as Error).message).to.contain('a miracle')
    expect((error as Error).cause).to.equal(cause)
  })
  it('stops looking when its signal aborts', async () => {
    const reason = new Error('enough')
    expect(await eventually('nothing', () => false, { signal: AbortSignal.abort(reason) }).catch((thrown: unknown) => thrown)).to.equal(
      reason
    )
  })
  it('within passes the outcome on and bounds the wait', async () => {
    expect(await within(Promise.resolve(1), 1000, 'it')).to.equal(1)
    const error = await within(new Promise(() => {}), 10, 'waiting for Godot').catch((thrown: unknown) => thrown as Error)
    expect((error as Error).message).to.contain('waiting for Godot')
  })
})

describe('manualClock', () => {
  it('runs timers at their own instant, in order, and only when due', async () => {
    const clock = manualClock(1000)
    const calls: [string, number][] = []
    const note = (name: string) => () => {
      calls.push([name, clock.now()])
    }
    clock.after(20, note('late'))
    clock.after(10, note('early'))
    clock.after(10, note('early too'))
    const cancel = clock.after(5, note('cancelled'))
    cancel()
    await clock.advance(15)
    expect(calls).to.deep.equal([
      ['early', 1010],
      ['early too', 1010]
    ])
    await clock.advance(5)
    expect(calls.at(-1)).to.deep.equal(['late', 1020])
    expect([clock.monotonic(), clock.pending]).to.deep.equal([20, 0])
  })
  it('repeats until cancelled', async () => {
    const clock = manualClock()
    let ticks = 0
    const cancel = clock.every(10, () => {
      if (++ticks === 3) cancel()
    })
    await clock.advance(100)
    expect([ticks, clock.pending]).to.deep.equal([3, 0])
  })
  it('lets code that sleeps in a loop run as far as the time goes', async () => {
    const clock = manualClock()
    let rounds = 0
    const controller = new AbortController()
    const loop = (async () => {
      for (;;) {
        await clock.sleep(100, { signal: controller.signal })
        rounds++
      }
    })().catch((error: unknown) => error)
    await clock.advance(1000)
    expect(rounds).to.equal(10)
    const reason = new Error('stop')
    controller.abort(reason)
    expect(await loop).to.equal(reason)
    expect(clock.pending).to.equal(0)
  })
  it('aborts timeouts with ERR_CORE_TIMEOUT', async () => {
    const clock = manualClock()
    const signal = clock.timeout(50, 'Dialling')
    await clock.advance(49)
    expect(signal.aborted).to.equal(false)
    await clock.advance(1)
    expect(signal.reason).to.include({ code: 'ERR_CORE_TIMEOUT' })
  })
  it('jumps on the wall without moving timers', async () => {
    const clock = manualClock()
    let ran = false
    clock.after(10, () => {
      ran = true
    })
    clock.setNow(5)
    expect([clock.now(), clock.monotonic(), ran]).to.deep.equal([5, 0, false])
    await clock.advance(10)
    expect([clock.now(), ran]).to.deep.equal([15, true])
  })
})

describe('small tools', () => {
  it('recordingLogger keeps what children write', () => {
    const logger = recordingLogger('a')
    logger.child('b').warn('careful', { n: 1 })
    expect(logger.entries).to.deep.equal([{ level: 'warn', name: 'a:b', message: 'careful', fields: { n: 1 } }])
  })
  it('globalRunner is mocha here', () => {
    expect(globalRunner().it).to.equal(it)
  })
  it('duplexPair holds a writer back while nobody reads', async () => {
    const [left, right] = duplexPair(1000)
    let taken = 0
    for (let count = 0; count < 10; count++)
      left.write(Buffer.alloc(500), () => {
        taken++
      })
    await eventually('something to be taken', () => taken > 0)
    expect(taken).to.be.lessThan(10)
    right.resume()
    await eventually('everything to be taken', () => taken === 10)
    left.destroy()
    right.on('error', () => {})
    await eventually('the other side to be cut', () => right.destroyed)
  })
})

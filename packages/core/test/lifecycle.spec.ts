import { expect } from 'chai'
import { Deferred, Lifecycle } from '@kithmesh/core/plugin'
import type { LifecycleState } from '@kithmesh/core/plugin'
import { rejection } from '@kithmesh/testkit'
import { settle } from './fakes.ts'

function subject(overrides: { start?: (signal: AbortSignal) => Promise<void>; stop?: () => Promise<void> } = {}) {
  const calls: string[] = []
  const states: LifecycleState[] = []
  const lifecycle = new Lifecycle({
    start: async (signal) => {
      calls.push('start')
      await overrides.start?.(signal)
    },
    stop: async () => {
      calls.push('stop')
      await overrides.stop?.()
    },
    stateChanged: (state) => {
      states.push(state)
    }
  })
  return { lifecycle, calls, states }
}

describe('Lifecycle', () => {
  it('starts and stops any number of times and tells each state', async () => {
    const { lifecycle, calls, states } = subject()
    for (let round = 0; round < 3; round++) {
      await lifecycle.start()
      expect(lifecycle.state).to.equal('started')
      await lifecycle.stop()
      expect(lifecycle.state).to.equal('stopped')
    }
    expect(calls).to.deep.equal(['start', 'stop', 'start', 'stop', 'start', 'stop'])
    expect(states.slice(0, 4)).to.deep.equal(['starting', 'started', 'stopping', 'stopped'])
  })

  it('does nothing when it is there already', async () => {
    const { lifecycle, calls } = subject()
    await lifecycle.stop()
    await lifecycle.start()
    await lifecycle.start()
    expect(calls).to.deep.equal(['start'])
  })

  it('shares one promise between concurrent calls of a kind', async () => {
    const gate = new Deferred<void>()
    const { lifecycle, calls } = subject({ start: () => gate.promise })
    const first = lifecycle.start()
    expect(lifecycle.start()).to.equal(first)
    expect(lifecycle.state).to.equal('starting')
    gate.resolve()
    await first
    const stop = lifecycle.stop()
    expect(lifecycle.stop()).to.equal(stop)
    await stop
    expect(calls).to.deep.equal(['start', 'stop'])
  })

  it('lets a stop during the start wait, and tells the start', async () => {
    const gate = new Deferred<void>()
    let told: AbortSignal | undefined
    const { lifecycle, calls } = subject({
      start: async (signal) => {
        told = signal
        await gate.promise
      }
    })
    const start = lifecycle.start()
    const stop = lifecycle.stop()
    await settle()
    expect(calls).to.deep.equal(['start'])
    expect(told?.aborted).to.equal(true)
    gate.resolve()
    await start
    await stop
    expect(calls).to.deep.equal(['start', 'stop'])
    expect(lifecycle.state).to.equal('stopped')
  })

  it('ends as the last call wants it', async () => {
    const { lifecycle, calls } = subject()
    await Promise.all([lifecycle.start(), lifecycle.stop(), lifecycle.start()])
    expect(lifecycle.state).to.equal('started')
    expect(calls).to.deep.equal(['start', 'stop', 'start'])
  })

  it('rolls a failed start back and can be started again', async () => {
    let broken = true
    const { lifecycle, calls } = subject({
      start: async () => {
        if (broken) throw new Error('no')
      }
    })
    expect((await rejection(lifecycle.start())).message).to.equal('no')
    expect(lifecycle.state).to.equal('stopped')
    broken = false
    await lifecycle.start()
    expect(calls).to.deep.equal(['start', 'stop', 'start'])
    expect(lifecycle.state).to.equal('started')
  })

  it('reports both errors when the roll-back fails too', async () => {
    const { lifecycle } = subject({
      start: async () => {
        throw new Error('one')
      },
      stop: async () => {
        throw new Error('two')
      }
    })
    const error = (await rejection(lifecycle.start())) as AggregateError
    expect(error.errors.map((each: Error) => each.message)).to.deep.equal(['one', 'two'])
    expect((error.cause as Error).message).to.equal('one')
    expect(lifecycle.state).to.equal('stopped')
  })

  it('is stopped also when stopping fails', async () => {
    const { lifecycle } = subject({
      stop: async () => {
        throw new Error('stuck')
      }
    })
    await lifecycle.start()
    expect((await rejection(lifecycle.stop())).message).to.equal('stuck')
    expect(lifecycle.state).to.equal('stopped')
  })

  it('stops after a start that fails meanwhile, without calling stop twice', async () => {
    const gate = new Deferred<void>()
    const { lifecycle, calls } = subject({ start: () => gate.promise })
    const start = rejection(lifecycle.start())
    const stop = lifecycle.stop()
    gate.reject(new Error('late'))
    expect((await start).message).to.equal('late')
    await stop
    expect(calls).to.deep.equal(['start', 'stop'])
  })
})

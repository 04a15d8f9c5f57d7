import assert from 'node:assert/strict'
import { needing } from '../runner.ts'
import type { DeclaringRunner } from '../runner.ts'
import { metadataOf, namedPeers, reportedStates, statusIs } from './bench.ts'
import type { ProviderBench, Subject } from './bench.ts'

const options = { displayName: 'till', port: 4984, metadata: metadataOf({}) }

/** The states a provider can be in when somebody calls it, and how to get there. */
const states: readonly { readonly name: string; readonly publishes: boolean; readonly enter: (subject: Subject) => Promise<void> }[] = [
  { name: 'new', publishes: false, async enter() {} },
  {
    name: 'browsing',
    publishes: false,
    async enter({ provider }) {
      await provider.startBrowsing()
    }
  },
  {
    name: 'no longer browsing',
    publishes: false,
    async enter({ provider }) {
      await provider.startBrowsing()
      await provider.stopBrowsing()
    }
  },
  {
    name: 'browsing again',
    publishes: false,
    async enter({ provider }) {
      await provider.startBrowsing()
      await provider.stopBrowsing()
      await provider.startBrowsing()
    }
  },
  {
    name: 'publishing',
    publishes: true,
    async enter({ provider }) {
      await provider.startPublishing(options)
    }
  },
  {
    name: 'no longer publishing',
    publishes: true,
    async enter({ provider }) {
      await provider.startPublishing(options)
      await provider.stopPublishing()
    }
  },
  {
    name: 'browsing and publishing',
    publishes: true,
    async enter({ provider }) {
      await provider.startBrowsing()
      await provider.startPublishing(options)
    }
  },
  {
    name: 'shut down',
    publishes: false,
    async enter({ provider }) {
      await provider.startBrowsing()
      await provider.shutdown()
    }
  }
]

/** Declares one test per state that the subject can be in. */
export function inEveryState(
  bench: () => ProviderBench,
  runner: DeclaringRunner,
  publishes: boolean,
  what: string,
  check: (subject: Subject, state: string) => Promise<void>,
  only: (state: string) => boolean = () => true
): void {
  for (const state of states) {
    if (!only(state.name)) continue
    needing(runner, publishes || !state.publishes, 'the provider does not publish').it(`${what} when ${state.name}`, async () => {
      const subject = bench().subject()
      await bench().settles(state.enter(subject), `getting to ${state.name}`)
      await check(subject, state.name)
    })
  }
}

/** Start, stop and shutdown in every order. */
export function lifecycleChecks(bench: () => ProviderBench, runner: DeclaringRunner, publishes: boolean): void {
  const { describe, it } = runner
  const publishing = needing(runner, publishes, 'the provider does not publish')
  const start = (subject: Subject, mode: 'browse' | 'publish'): Promise<void> =>
    mode === 'browse' ? subject.provider.startBrowsing() : subject.provider.startPublishing(options)
  const stop = (subject: Subject, mode: 'browse' | 'publish'): Promise<void> =>
    mode === 'browse' ? subject.provider.stopBrowsing() : subject.provider.stopPublishing()

  for (const mode of ['browse', 'publish'] as const) {
    const { it } = mode === 'publish' ? publishing : runner
    describe(`${mode} lifecycle`, () => {
      it('reports online once started and offline once stopped', async () => {
        const subject = bench().subject()
        await bench().settles(start(subject, mode), 'start')
        assert.match(
          reportedStates(subject, mode).join(' '),
          /^(offline )?(starting )?online$/,
          `call statusChanged('${mode}', { state: 'online' }) once, before the start resolves`
        )
        await bench().settles(stop(subject, mode), 'stop')
        assert.match(
          reportedStates(subject, mode).join(' '),
          /online offline$/,
          `call statusChanged('${mode}', { state: 'offline' }) before the stop resolves`
        )
      })
      it('starts once when started twice', async () => {
        const subject = bench().subject()
        await bench().settles(start(subject, mode), 'the first start')
        await bench().settles(start(subject, mode), 'the second start')
        assert.deepEqual(
          reportedStates(subject, mode).filter((state) => state === 'online'),
          ['online'],
          'online has to be reported exactly once, however often it is started'
        )
      })
      it('starts once when started twice at the same time', async () => {
        const subject = bench().subject()
        await bench().settles(Promise.all([start(subject, mode), start(subject, mode)]), 'two starts')
        assert.deepEqual(
          reportedStates(subject, mode).filter((state) => state === 'online'),
          ['online'],
          'online has to be reported exactly once, however often it is started'
        )
      })
      it('stops once when stopped twice', async () => {
        const subject = bench().subject()
        await bench().settles(start(subject, mode), 'start')
        await bench().settles(stop(subject, mode), 'the first stop')
        await bench().settles(stop(subject, mode), 'the second stop')
        assert.deepEqual(
          reportedStates(subject, mode).slice(-2),
          ['online', 'offline'],
          'offline has to be reported exactly once, after online'
        )
      })
      it('can be stopped before it was started', async () => {
        const subject = bench().subject()
        await bench().settles(stop(subject, mode), 'stop')
        assert.equal(reportedStates(subject, mode).includes('online'), false, 'a stop reported online')
        await bench().settles(start(subject, mode), 'start')
        statusIs(subject, mode, 'online')
      })
      it('is stopped when stopped while starting, and starts again after', async () => {
        const subject = bench().subject()
        await bench().settles(Promise.allSettled([start(subject, mode), stop(subject, mode)]), 'start and stop')
        assert.notEqual(subject.context.status(mode), 'online', 'it is still online after the stop that came while it started')
        await bench().settles(start(subject, mode), 'the second start')
        statusIs(subject, mode, 'online')
      })
      it('restarts after a stop', async () => {
        const subject = bench().subject()
        for (let round = 0; round < 3; round++) {
          await bench().settles(start(subject, mode), 'start')
          statusIs(subject, mode, 'online')
          await bench().settles(stop(subject, mode), 'stop')
          statusIs(subject, mode, 'offline')
        }
      })
    })
  }

  describe('shutdown', () => {
    inEveryState(bench, runner, publishes, 'works', async (subject) => {
      await bench().settles(subject.provider.shutdown(), 'shutdown')
      assert.notEqual(subject.context.status('browse'), 'online', 'browsing is still online after shutdown')
      assert.notEqual(subject.context.status('publish'), 'online', 'publishing is still online after shutdown')
    })
    it('is idempotent, also at the same time', async () => {
      const subject = await bench().browser()
      await bench().settles(Promise.all([subject.provider.shutdown(), subject.provider.shutdown()]), 'two shutdowns')
      await bench().settles(subject.provider.shutdown(), 'the third shutdown')
    })
    it('reports nothing afterwards', async () => {
      const subject = await bench().browser()
      const witness = await bench().browser()
      await bench().settles(subject.provider.shutdown(), 'shutdown')
      const { length } = subject.context.events
      await bench().service('late')
      await bench().finds(witness, 'late')
      await bench().settles(Promise.allSettled([subject.provider.stopBrowsing(), subject.provider.stopPublishing()]), 'stop after shutdown')
      await bench().settles(
        subject.provider.startBrowsing().catch(() => {}),
        'startBrowsing after shutdown'
      )
      await bench().service('later')
      await bench().finds(witness, 'later')
      assert.deepEqual(subject.context.events.slice(length), [], 'something was reported after shutdown')
    })
    it('leaves the other providers alone', async () => {
      const first = await bench().browser()
      const second = await bench().browser()
      await bench().settles(first.provider.shutdown(), 'shutdown')
      await bench().service('shop')
      await bench().finds(second, 'shop')
    })
  })

  describe('stopBrowsing', () => {
    it('reports nothing afterwards', async () => {
      const subject = await bench().browser()
      const witness = await bench().browser()
      await bench().settles(subject.provider.stopBrowsing(), 'stopBrowsing')
      const { length } = subject.context.events
      await bench().service('late')
      await bench().finds(witness, 'late')
      assert.deepEqual(subject.context.events.slice(length), [], 'something was reported after stopBrowsing')
    })
    publishing.it('does not end the publication', async () => {
      const subject = await bench().browser()
      await bench().publish(subject, 'shop')
      await bench().settles(subject.provider.stopBrowsing(), 'stopBrowsing')
      const other = await bench().browser()
      await bench().finds(other, 'shop')
      statusIs(subject, 'publish', 'online')
    })
    it('finds everybody again after a restart', async () => {
      const subject = await bench().browser()
      await bench().service('shop')
      await bench().finds(subject, 'shop')
      await bench().settles(subject.provider.stopBrowsing(), 'stopBrowsing')
      assert.equal(namedPeers(subject, 'shop').length, 0, 'peers are still there after stopBrowsing: was offline reported?')
      await bench().settles(subject.provider.startBrowsing(), 'startBrowsing')
      await bench().finds(subject, 'shop')
    })
  })
}

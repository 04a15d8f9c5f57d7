import { describeTransportStrategy } from '@kithmesh/testkit'
import type { Runner, TransportHarness } from '@kithmesh/testkit'
import { callHarness } from './memory-call.ts'
import { transportHarness } from './memory-transports.ts'
import { describeMutants } from './mutants/score.ts'
import { transportMutants } from './mutants/transports.ts'

/** How long the suite waits in vain for what a mutant never does. */
const settleMs = 250

const suite = (harness: TransportHarness) => (runner: Runner) => {
  describeTransportStrategy('mutant', harness, runner)
}

describeMutants(
  'transports',
  {
    ...Object.fromEntries(
      Object.entries(transportMutants).map(([name, { caughtBy, ...options }]) => [
        name,
        { caughtBy, suite: suite(transportHarness({ ...options, settleMs })) }
      ])
    ),
    'lets strangers in': {
      caughtBy: 'a stranger > that repeats what others sent is of no avail',
      suite: suite(callHarness({ closesPorts: false }, settleMs))
    },
    'takes no calls once one of a stranger failed': {
      caughtBy: 'a stranger > that repeats what others sent is of no avail',
      suite: suite(callHarness({ survivesFailures: false }, settleMs))
    }
  },
  [suite(transportHarness()), suite(transportHarness({ listens: false }))]
)

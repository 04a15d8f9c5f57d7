import fc from 'fast-check'

// Property tests play the same cases every time, so that a failure is the doing of a change. FC_SEED=random explores new ones,
// FC_SEED=<number> repeats what a failure printed.
const seed = process.env.FC_SEED ?? '20261121'
if (seed !== 'random') fc.configureGlobal({ seed: Number(seed) })

// mocha lets a run pass although a promise was rejected with nobody listening: turn that into a failure of the test.
const unhandled = []
process.on('unhandledRejection', (reason) => {
  unhandled.push(reason)
})

async function settle() {
  await new Promise((resolve) => setImmediate(resolve))
  if (unhandled.length > 0) throw new AggregateError(unhandled.splice(0), 'a promise was rejected with nobody listening')
}

export const mochaHooks = { afterEach: settle, afterAll: settle }

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

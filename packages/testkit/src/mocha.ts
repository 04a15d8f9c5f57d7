/**
 * Root hooks for mocha, `mocha --require @kithmesh/testkit/mocha`: a promise rejected with nobody listening fails the test
 * during which it happened, instead of passing unseen.
 *
 * @packageDocumentation
 */

/** What mocha installs around all tests. */
export interface RootHooks {
  beforeAll(): void
  afterEach(): Promise<void>
  afterAll(): Promise<void>
}

/** Mocha calls it once per process (and worker) and installs what it returns. */
export function mochaHooks(): RootHooks {
  const unhandled: unknown[] = []
  const remember = (reason: unknown): void => {
    unhandled.push(reason)
  }
  const settle = async (): Promise<void> => {
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
    if (unhandled.length > 0) throw new AggregateError(unhandled.splice(0), 'a promise was rejected with nobody listening')
  }
  return {
    beforeAll() {
      process.on('unhandledRejection', remember)
    },
    afterEach: settle,
    async afterAll() {
      try {
        await settle()
      } finally {
        process.off('unhandledRejection', remember)
      }
    }
  }
}

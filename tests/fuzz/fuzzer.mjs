// The loop: takes an input that was worth keeping, changes it, gives it to the target, and keeps it when it reached code that none did before.
// What is covered is asked from V8 itself, so that nothing has to be installed or instrumented.
import { Session } from 'node:inspector/promises'
import { Choices, Random, mutate } from './choices.mjs'

/** The blocks of our own code that ran, as V8 counts them. */
class Coverage {
  #session = new Session()
  #seen = new Set()

  async start() {
    this.#session.connect()
    await this.#session.post('Profiler.enable')
    await this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
  }

  /** Whether something ran since the last call that never ran before. */
  async grew() {
    const before = this.#seen.size
    const { result } = await this.#session.post('Profiler.takePreciseCoverage')
    for (const { url, functions } of result) {
      if (!/\/packages\/[^/]+\/dist\//.test(url)) continue
      for (const { ranges } of functions)
        for (const { count, startOffset, endOffset } of ranges) if (count > 0) this.#seen.add(`${url}:${startOffset}-${endOffset}`)
    }
    return this.#seen.size > before
  }

  get size() {
    return this.#seen.size
  }

  async stop() {
    await this.#session.post('Profiler.stopPreciseCoverage')
    this.#session.disconnect()
  }
}

/** Inputs between two looks at the coverage: a look takes as long as several runs. */
const BATCH = 6

/** Rejections and exceptions that nobody caught while a target ran. */
class Uncaught {
  found = []
  #note = (error) => {
    this.found.push(error)
  }

  start() {
    process.on('unhandledRejection', this.#note)
    process.on('uncaughtException', this.#note)
  }

  stop() {
    process.off('unhandledRejection', this.#note)
    process.off('uncaughtException', this.#note)
  }
}

/**
 * Runs a target, `{ name, start?(), run(choices), stop?() }`, on changed inputs until `enough` says so. `run` throws what is wrong.
 * Returns `{ runs, corpus, covered }`; throws an Error that names the input (`npm run fuzz -- --target NAME --input HEX` repeats it).
 * @param guided follow the coverage; costs about half of the speed.
 */
export async function fuzz(target, { seed, enough, guided = false, inputs = [] }) {
  const random = new Random(seed)
  const corpus = inputs.length > 0 ? [...inputs] : [Buffer.alloc(0), random.bytes(40), random.bytes(200), random.bytes(500)]
  const coverage = guided ? new Coverage() : undefined
  const uncaught = new Uncaught()
  await coverage?.start()
  await target.start?.(random)
  uncaught.start()
  let runs = 0
  let batch = []
  try {
    while (!enough(runs)) {
      const input =
        inputs.length > 0 && runs < inputs.length
          ? inputs[runs]
          : mutate(corpus[random.below(corpus.length)], corpus[random.below(corpus.length)], random)
      runs++
      try {
        await target.run(new Choices(input), random)
        if (uncaught.found.length > 0) throw new AggregateError(uncaught.found.splice(0), 'an exception or a rejection was not caught')
      } catch (cause) {
        throw new Error(`${target.name}, run ${runs} with seed ${seed}, input ${Buffer.from(input).toString('hex')}: ${cause?.message}`, {
          cause
        })
      }
      if (coverage === undefined) {
        if (random.below(50) === 0) corpus.push(input)
      } else {
        batch.push(input)
        if (batch.length === BATCH || runs <= inputs.length) {
          if (await coverage.grew()) corpus.push(...batch)
          batch = []
        }
      }
      if (corpus.length > 2000) corpus.splice(random.below(1000), 1)
    }
    await target.finish?.()
  } finally {
    uncaught.stop()
    await target.stop?.()
    await coverage?.stop()
  }
  return { runs, corpus, covered: coverage?.size }
}

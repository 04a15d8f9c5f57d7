// `npm run sim -- random`: small meshes through random schedules.
import { parseArgs } from 'node:util'
import { describeStep, playRandomSchedule } from '@kithmesh/testkit/sim'

const usage = `Usage: npm run sim -- random [options]

Small meshes of 3 to 8 peers through random writes, deletions, conflicts, cuts, divisions, crashes and restarts, in virtual time. All must end equal, with
nothing lost. The same seed gives the same schedule.

  --seed S       the first one (default 1)
  --count N      so many, one after the other (default 1)
  --verbose      the steps, and the last events of what failed
`

/** The bound on links that the mesh has by default. */
const maxDegree = 8

/** Plays seeds; calls back with each that fails. @returns how many failed */
export async function playSeeds(first, count, failed) {
  let failures = 0
  for (let seed = first; seed < first + count; seed++) {
    const outcome = await playRandomSchedule({ seed, maxDegree })
    if (outcome.problems.length === 0) continue
    failures++
    failed(seed, outcome)
  }
  return failures
}

/** How to play a seed again. */
export const replay = (seed) => `npm run sim -- random --seed ${seed} --verbose`

/** @returns the exit code */
export async function random(args) {
  const { values } = parseArgs({
    args,
    options: {
      seed: { type: 'string', default: '1' },
      count: { type: 'string', default: '1' },
      verbose: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false }
    }
  })
  if (values.help) {
    process.stdout.write(usage)
    return 0
  }
  const [first, count] = [Number(values.seed), Number(values.count)]
  if (!Number.isSafeInteger(first) || !(Number.isSafeInteger(count) && count > 0)) throw new Error('--seed and --count take whole numbers')
  if (values.verbose && count === 1) {
    const outcome = await playRandomSchedule({ seed: first, maxDegree, keepTrace: 200 })
    process.stdout.write(`${outcome.peers} peers\n${outcome.script.map(describeStep).join('\n')}\n\n`)
    if (outcome.problems.length > 0) process.stdout.write(`${outcome.lastEvents.join('\n')}\n\n`)
  }
  const failures = await playSeeds(first, count, (seed, { problems }) => {
    process.stdout.write(`seed ${seed}: ${problems.join('\n  ')}\n  again: ${replay(seed)}\n`)
  })
  process.stdout.write(failures === 0 ? `${count} schedules, all well\n` : `${count} schedules, ${failures} of them failed\n`)
  return failures === 0 ? 0 : 1
}

// Plays a row of seeds and sends what failed.
import { playSeeds } from './random-command.mjs'

const [first, count] = process.argv.slice(2).map(Number)
const failures = []
await playSeeds(first, count, (seed, { problems }) => {
  failures.push({ seed, problems })
})
process.send(failures)
process.disconnect()

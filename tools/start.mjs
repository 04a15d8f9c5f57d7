// `npm start`: installs and builds when that is needed, then runs the example of a warehouse and a shop that keep an inventory in sync.
// Everything before the example speaks on standard error, so `--json` leaves standard output to the example alone.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { bootstrap } from './bootstrap.mjs'
import { build } from './build.mjs'
import { root } from './lib/run.mjs'

async function prepare(program) {
  await bootstrap()
  if (!existsSync(program)) process.stderr.write('Building …\n')
  const code = await build({ output: 'stderr' })
  if (code !== 0) throw new Error(`the build failed with exit code ${code}`)
  if (!existsSync(program)) throw new Error(`${program} was not built`)
}

const program = join(root, 'examples', 'warehouse-and-shop', 'dist', 'main.js')
try {
  await prepare(program)
} catch (error) {
  process.stderr.write(`error: ${error.message}\n`)
  process.exit(1)
}
process.argv = [process.argv[0], program, ...process.argv.slice(2)]
await import(pathToFileURL(program).href)

// `npm run sim -- NAME [options]`: builds, and plays meshes in virtual time (docs/simulator.md). Everything before the simulation speaks on standard error.
import { bootstrap } from './bootstrap.mjs'
import { build } from './build.mjs'
import { main } from './lib/main.mjs'
import { root, run } from './lib/run.mjs'

await main(async () => {
  await bootstrap()
  const code = await build({ output: 'stderr' })
  if (code !== 0) throw new Error(`the build failed with exit code ${code}`)
  // Much of what a simulation makes lives for a moment: a larger nursery saves the collector work.
  return (await run(process.execPath, ['--max-semi-space-size=64', `${root}/tests/sim/cli.mjs`, ...process.argv.slice(2)])).code
})

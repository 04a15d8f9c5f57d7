// Runs an example from a checkout that may not be installed or built yet.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { bootstrap } from '../bootstrap.mjs'
import { build } from '../build.mjs'
import { root } from './run.mjs'

async function prepare(program) {
  await bootstrap({ replace: true })
  if (!existsSync(program)) process.stderr.write('Building …\n')
  const code = await build({ output: 'stderr' })
  if (code !== 0) throw new Error(`the build failed with exit code ${code}`)
  if (!existsSync(program)) throw new Error(`${program} was not built`)
}

/**
 * Installs and builds when that is needed, then runs the example's `main.js` in this process, with the arguments of this one. Everything before the
 * example speaks on standard error.
 */
export async function startExample(name) {
  const program = join(root, 'examples', name, 'dist', 'main.js')
  try {
    await prepare(program)
  } catch (error) {
    process.stderr.write(`error: ${error.message}\n`)
    process.exit(1)
  }
  process.argv = [process.argv[0], program, ...process.argv.slice(2)]
  await import(pathToFileURL(program).href)
}

// Compiles every package and its tests, and puts the generator's templates together: `npm run build`. Arguments go to tsc.
import { pathToFileURL } from 'node:url'
import { bootstrap } from './bootstrap.mjs'
import { main } from './lib/main.mjs'
import { writePluginTemplates } from './lib/plugin-templates.mjs'
import { runTool } from './lib/run.mjs'

/** Builds all projects; everything the compiler says goes to `output` ('inherit' or 'stderr'). Gives back the exit code. */
export async function build({ output = 'inherit', args = [] } = {}) {
  writePluginTemplates()
  return (await runTool('node_modules/typescript/bin/tsc', ['-b', ...args], { output })).code
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await main(async () => {
    await bootstrap()
    return build({ args: process.argv.slice(2) })
  })
}

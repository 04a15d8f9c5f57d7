// `npm run coverage`: the unit suites under c8, with a report for each package. Arguments go to tools/test.mjs.
import { bootstrap } from './bootstrap.mjs'
import { main } from './lib/main.mjs'
import { root, runTool } from './lib/run.mjs'

await main(async () => {
  await bootstrap()
  return (await runTool('node_modules/c8/bin/c8.js', [process.execPath, `${root}/tools/test.mjs`, ...process.argv.slice(2)])).code
})

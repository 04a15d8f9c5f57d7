// `npm run lint`: format and lint with Biome. `--write` (or `npm run format`) applies what can be fixed safely. Other arguments go to Biome.
import { bootstrap } from './bootstrap.mjs'
import { main } from './lib/main.mjs'
import { runTool } from './lib/run.mjs'

await main(async () => {
  await bootstrap()
  return (await runTool('node_modules/@biomejs/biome/bin/biome', ['check', '--error-on-warnings', ...process.argv.slice(2)])).code
})

// `npm run bench -- NAME [options]`: builds, installs what the benches alone need (bench/package.json), and runs bench/NAME.mjs.
// Everything before the bench speaks on standard error.
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { addonEnvironment, bootstrap } from './bootstrap.mjs'
import { build } from './build.mjs'
import { main } from './lib/main.mjs'
import { root, run, runNpm } from './lib/run.mjs'

const folder = join(root, 'bench')

function benches() {
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter((file) => file.endsWith('.mjs'))
    .map((file) => file.slice(0, -4))
}

async function installBaselines() {
  if (!existsSync(join(folder, 'package.json')) || existsSync(join(folder, 'node_modules', '.package-lock.json'))) return
  process.stderr.write('Installing what the benches compare with (once) …\n')
  const { code } = await runNpm(['ci', '--no-fund', '--no-audit', '--loglevel=error'], {
    cwd: folder,
    output: 'stderr',
    env: addonEnvironment()
  })
  if (code !== 0) throw new Error(`npm ci in bench failed with exit code ${code}`)
}

await main(async () => {
  const [name, ...args] = process.argv.slice(2)
  if (name === undefined || !benches().includes(name)) {
    throw new Error(`usage: npm run bench -- NAME [options], where NAME is one of: ${benches().join(', ') || '(none yet)'}`)
  }
  await bootstrap()
  const code = await build({ output: 'stderr' })
  if (code !== 0) throw new Error(`the build failed with exit code ${code}`)
  await installBaselines()
  return (await run(process.execPath, [join(folder, `${name}.mjs`), ...args])).code
})

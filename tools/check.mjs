// `npm run check`: every static check, one after the other. Runs all of them even when one fails.
import { existsSync } from 'node:fs'
import { bootstrap } from './bootstrap.mjs'
import { build } from './build.mjs'
import { main } from './lib/main.mjs'
import { root, run } from './lib/run.mjs'

const checks = [
  { name: 'lint', file: 'tools/lint.mjs', args: [] },
  { name: 'dependency rules', file: 'tools/check-deps.mjs', args: [] },
  { name: 'dead exports', file: 'tools/check-dead-exports.mjs', args: [] },
  { name: 'file lengths', file: 'tools/check-file-length.mjs', args: [] },
  { name: 'references', file: 'tools/sync-references.mjs', args: ['--check'] },
  { name: 'error catalogue', file: 'tools/error-catalogue.mjs', args: ['--check'] },
  { name: 'api reports', file: 'tools/api-report.mjs', args: ['--check'] },
  { name: 'docs', file: 'tools/check-docs.mjs', args: [] },
  { name: 'exports', file: 'tools/check-exports.mjs', args: [] },
  { name: 'api reference', file: 'tools/docs.mjs', args: ['--check'] },
  { name: 'bundles', file: 'tools/check-bundles.mjs', args: [] },
  { name: 'sizes', file: 'tools/check-sizes.mjs', args: [] },
  { name: 'release', file: 'tools/check-release.mjs', args: [] }
]

await main(async () => {
  await bootstrap()
  const built = await build()
  if (built !== 0) return built
  let failed = 0
  for (const { name, file, args } of checks) {
    if (!existsSync(`${root}/${file}`)) throw new Error(`${file} is missing`)
    const { code, text } = await run(process.execPath, [`${root}/${file}`, ...args], { output: 'collect' })
    console.log(`${code === 0 ? 'ok    ' : 'FAILED'} ${name}`)
    if (code !== 0) {
      console.log(text)
      failed += 1
    }
  }
  return failed === 0 ? 0 : 1
})

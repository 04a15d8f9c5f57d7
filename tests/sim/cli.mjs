// npm run sim -- NAME [options]: plays meshes in virtual time. See docs/simulator.md.
import { mesh } from './lib/mesh-command.mjs'
import { random } from './lib/random-command.mjs'
import { scenario } from './lib/scenario-command.mjs'

const usage = `Usage: npm run sim -- NAME [options]; with --help for its options

  mesh       peers find each other, form a mesh and replicate documents; some vanish
  random     small meshes through random schedules
  scenario   one of the scenarios by which meshes are tested, at any size
`

const commands = { mesh, random, scenario }
const [name, ...args] = process.argv.slice(2)
const command = commands[name]
if (command === undefined) {
  const asked = name === undefined || name === '--help' || name === 'help'
  ;(asked ? process.stdout : process.stderr).write(asked ? usage : `error: there is no ${name}\n${usage}`)
  process.exitCode = asked && name !== undefined ? 0 : 1
} else {
  try {
    process.exitCode = await command(args)
  } catch (error) {
    process.stderr.write(`error: ${error.code?.startsWith('ERR_PARSE_ARGS') ? error.message : (error.stack ?? error)}\n`)
    process.exitCode = 1
  }
}

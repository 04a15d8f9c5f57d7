// Installs the dependencies when that is needed, and makes sure that a SQLite driver can be loaded. Everything is said on standard error,
// so that a program started afterwards has standard output to itself. Needs nothing but Node and npm.
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { root, run, runNpm } from './lib/run.mjs'

const stampFile = join(root, 'node_modules', '.kithmesh-installed')
const say = (text) => process.stderr.write(`${text}\n`)

/** Settings for npm so that native addons are compiled against the headers beside the running node, where they exist. */
export function addonEnvironment() {
  const prefix = join(dirname(process.execPath), '..')
  if (!existsSync(join(prefix, 'include', 'node', 'node.h'))) return {}
  return { npm_config_nodedir: prefix, npm_config_build_from_source: 'true' }
}

/** What the installed tree depends on: the lock file and the binary interface of this node. */
function wanted() {
  return createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .update(process.versions.modules)
    .update(process.platform)
    .digest('hex')
}

/** True when node_modules holds what the lock file asks for, read from the record that npm leaves there. */
function treeMatchesLock() {
  const record = join(root, 'node_modules', '.package-lock.json')
  if (!existsSync(record)) return false
  const installed = JSON.parse(readFileSync(record, 'utf8')).packages
  const locked = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages
  return Object.entries(locked).every(([path, entry]) => {
    if (!path.includes('node_modules/') || entry.optional === true) return true
    return installed[path] !== undefined && installed[path].version === entry.version && existsSync(join(root, path))
  })
}

async function install() {
  const started = Date.now()
  say('Installing dependencies (once; native addons are compiled, which takes a minute or two) …')
  // npm says nothing meanwhile, which on a slow machine lasts long enough to be taken for the end.
  const still = setInterval(() => say(`still installing, ${Math.round((Date.now() - started) / 1000)} s …`), 30_000).unref()
  const { code } = await runNpm(['ci', '--no-fund', '--no-audit', '--loglevel=error'], { output: 'stderr', env: addonEnvironment() })
  clearInterval(still)
  if (code !== 0) throw new Error(`npm ci failed with exit code ${code}; its output above says why`)
  say(`Installed in ${Math.round((Date.now() - started) / 1000)} s.`)
}

async function hasBuiltinSqlite() {
  try {
    await import('node:sqlite')
    return true
  } catch {
    return false
  }
}

/** Loads the addon in a process of its own, since one built for another node can end the process that loads it. */
async function addonLoads() {
  const program = "const D = require('better-sqlite3'); new D(':memory:').close()"
  return (await run(process.execPath, ['-e', program], { output: 'collect' })).code === 0
}

async function works(command) {
  return (await run(command, ['--version'], { output: 'collect' })).code === 0
}

async function missingBuildTools() {
  const compilers = [process.env.CXX, 'c++', 'g++', 'clang++'].filter((name) => name !== undefined && name !== '')
  const missing = []
  const found = await Promise.all(compilers.map(works))
  if (!found.includes(true)) missing.push('a C++ compiler')
  if (!(await works('make'))) missing.push('make')
  if (!(await works('python3'))) missing.push('python3')
  return process.platform === 'win32' ? [] : missing
}

async function ensureSqlite() {
  if (await hasBuiltinSqlite()) return
  if (await addonLoads()) return
  const missing = await missingBuildTools()
  const advice = 'On Debian and Ubuntu: apt-get install build-essential python3. Or use Node 22.13 or newer, which has SQLite built in.'
  if (missing.length > 0) {
    throw new Error(
      `Node ${process.versions.node} has no node:sqlite, and better-sqlite3 cannot be compiled: ${missing.join(', ')} not found. ${advice}`
    )
  }
  say('Compiling better-sqlite3 for this Node …')
  const present = existsSync(join(root, 'node_modules', 'better-sqlite3'))
  const args = present ? ['rebuild', 'better-sqlite3', '--foreground-scripts'] : ['ci', '--foreground-scripts', '--no-fund', '--no-audit']
  const { code } = await runNpm(args, { output: 'stderr', env: addonEnvironment() })
  if (code !== 0 || !(await addonLoads()))
    throw new Error(`better-sqlite3 could not be compiled or loaded; the output above says why. ${advice}`)
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major < 20 || (major === 20 && minor < 19)) throw new Error(`Kithmesh needs Node 20.19 or newer; this is ${process.versions.node}`)
}

/**
 * Brings node_modules to what the lock file says; does nothing when that was done before. Where something is installed already, only commands that
 * are there to start from a clone `replace` it, as npm ci removes what was there: others throw an Error that says what to do.
 */
export async function bootstrap({ replace = false } = {}) {
  checkNode()
  const stamp = wanted()
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) return
  if (!treeMatchesLock()) {
    if (!replace && existsSync(join(root, 'node_modules')))
      throw new Error('node_modules is not what package-lock.json says. Run npm ci; npm test and npm start do that by themselves.')
    await install()
  }
  await ensureSqlite()
  writeFileSync(stampFile, stamp)
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  bootstrap({ replace: true }).catch((error) => {
    say(`error: ${error.message}`)
    process.exitCode = 1
  })
}

// What a figure means nothing without: when, of which commit, with which versions, on what, by which command.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { arch, cpus, platform } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
/** What decides most about the speed, and the package that uses it. */
const LIBRARIES = { 'better-sqlite3': 'database', ws: 'websocket', bufferutil: 'websocket' }

export function runFacts() {
  const processors = cpus()
  return {
    date: new Date().toISOString().slice(0, 10),
    commit: commit(),
    node: process.versions.node,
    versions: Object.fromEntries(
      Object.entries(LIBRARIES).flatMap(([name, user]) => [versionOf(name, user)].filter(([, version]) => version))
    ),
    cpu: `${processors.length} × ${processors[0]?.model.trim() ?? 'unknown'}`,
    system: `${platform()} ${arch()}`
  }
}

/** The facts in one line of text, with the command as it was typed. */
export function factsLine({ command, date, commit: of, node, versions, cpu, system }) {
  const libraries = Object.entries(versions).map(([name, version]) => `${name} ${version}`)
  return `\`${command}\`, ${date}, commit ${of}, ${[`Node ${node}`, ...libraries].join(', ')}, on ${cpu}, ${system}`
}

function commit() {
  try {
    const git = (...words) => execFileSync('git', words, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
    const changed = git('status', '--porcelain', '--untracked-files=no') !== ''
    return `${git('rev-parse', '--short', 'HEAD')}${changed ? ' with changes' : ''}`
  } catch {
    return 'unknown'
  }
}

/** Of what that package loads. Not every library exports its package.json. */
function versionOf(name, user) {
  try {
    let folder = dirname(createRequire(join(root, 'packages', user, 'package.json')).resolve(name))
    while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder)
    return [name, JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).version]
  } catch {
    return [name, undefined]
  }
}

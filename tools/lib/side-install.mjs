// Programs that cannot be installed with the others, each with a package.json and a lock file of its own in a folder of tools/: a second TypeScript,
// what needs a newer Node, other versions of Node. They are installed below temp/, where they are in nobody's way.
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root, runNpm } from './run.mjs'

/**
 * Installs what tools/<name> pins into temp/tools/<name>, unless it is there, and gives back that folder. npm compares what it fetches with the
 * checksums of the lock file; no script of a package is run.
 */
export async function sideInstall(name) {
  const pinned = join(root, 'tools', name)
  const folder = join(root, 'temp', 'tools', name)
  const stampFile = join(folder, 'installed')
  const stamp = createHash('sha256')
    .update(readFileSync(join(pinned, 'package-lock.json')))
    .update(`${process.platform}-${process.arch}`)
    .digest('hex')
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) return folder
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  for (const file of ['package.json', 'package-lock.json']) cpSync(join(pinned, file), join(folder, file))
  const args = ['ci', '--ignore-scripts', '--no-fund', '--no-audit', '--loglevel=error']
  const { code, text } = await runNpm(args, { cwd: folder, output: 'collect' })
  if (code !== 0) throw new Error(`npm ci failed in temp/tools/${name}:\n${text}`)
  writeFileSync(stampFile, stamp)
  return folder
}

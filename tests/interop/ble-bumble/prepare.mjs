// Brings bumble into being under target/, as requirements.txt pins it. Nothing of it is committed.
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const here = fileURLToPath(new URL('.', import.meta.url))
const target = join(here, 'target')
const packages = join(target, 'packages')
const installed = join(target, 'installed.txt')
// Debian's, for which the versions were chosen, where it is there.
const python = existsSync('/usr/bin/python3') ? '/usr/bin/python3' : 'python3'

/** Resolves once bumble can be started. Rejects with the reason, and the Debian package, when it cannot be had here. */
export async function prepareBumble() {
  const requirements = readFileSync(join(here, 'requirements.txt'), 'utf8')
  if (existsSync(installed) && readFileSync(installed, 'utf8') === requirements) return
  rmSync(target, { recursive: true, force: true })
  mkdirSync(target, { recursive: true })
  const fresh = join(target, 'fresh')
  const args = ['-m', 'pip', 'install', '--quiet', '--no-deps', '--only-binary', ':all:', '--require-hashes', '--target', fresh]
  for (let attempt = 1; ; attempt += 1) {
    try {
      await promisify(execFile)(python, [...args, '--requirement', join(here, 'requirements.txt')], { timeout: 300_000 })
      break
    } catch (error) {
      const reason = `${error.stdout ?? ''}${error.stderr ?? error.message}`
      if (error.code === 'ENOENT') throw new Error('python3 is missing; on Debian: apt-get install python3')
      if (/No module named pip/.test(reason)) throw new Error('pip is missing; on Debian: apt-get install python3-pip')
      if (attempt === 3) throw new Error(`pip could not install bumble: ${reason}`)
      rmSync(fresh, { recursive: true, force: true })
    }
  }
  renameSync(fresh, packages)
  writeFileSync(installed, requirements)
}

/** How to start it: `{ command, args, options }` for `spawn`. Packages of the system are not seen (-S). */
export function bumbleProgram() {
  return {
    command: python,
    args: ['-S', '-B', join(here, 'src', 'witness.py')],
    options: { cwd: here, env: { ...process.env, PYTHONPATH: packages, PYTHONUNBUFFERED: '1' } }
  }
}

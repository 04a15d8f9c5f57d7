import { existsSync, readFileSync } from 'node:fs'
import { relative } from 'node:path'
import type { ImportedEntry } from './messages.ts'
import { exportTargets, importableEntries, isRecord, versionFoundFrom } from './plugin-package.ts'
import type { PluginPackage } from './plugin-package.ts'

const CORE = '@kithmesh/core'
/** The lowest release of Node that `@kithmesh/core` runs on. */
const LOWEST_NODE = [20, 19] as const

/** A check over files: undefined when all is well, otherwise what is wrong and what to do. */
export interface PackageCheck {
  readonly name: string
  readonly run: () => string | undefined
}

/** What package.json and the files say, before anything of the plugin is run. */
export function staticChecks(plugin: PluginPackage): readonly PackageCheck[] {
  const { manifest } = plugin
  const file = (path: string): string => relative(plugin.root, path)
  return [
    {
      name: 'package.json > has a name and a version',
      run: () =>
        isText(manifest.name) && isText(manifest.version) && /^\d+\.\d+\.\d+/.test(manifest.version)
          ? undefined
          : 'name and version (three numbers) are needed to say what was certified'
    },
    {
      name: 'package.json > has a licence',
      run: () => (isText(manifest.license) ? undefined : 'add "license", e.g. "MIT": without one nobody may use it')
    },
    {
      name: 'package.json > names the module with its harnesses',
      run: () => {
        const { certifyModule } = plugin
        if (certifyModule === undefined) return 'add "kithmesh": { "certify": "./certify.mjs" } with a module that exports harnesses'
        return existsSync(certifyModule) ? undefined : `${file(certifyModule)} is not there; was it built?`
      }
    },
    {
      name: 'package.json > has core as a peer dependency only',
      run: () => {
        if (has(manifest.dependencies, CORE))
          return `move ${CORE} from dependencies to peerDependencies: there must be one of it in a program`
        return has(manifest.peerDependencies, CORE) ? undefined : `add ${CORE} to peerDependencies`
      }
    },
    {
      name: 'package.json > core is found from the package',
      run: () => (versionFoundFrom(plugin.root, CORE) === undefined ? `${CORE} is not installed where the package finds it` : undefined)
    },
    { name: 'package.json > says which Node it needs', run: () => enginesProblem(manifest.engines) },
    {
      name: 'exports > are declared, and every file is there',
      run: () => {
        if (manifest.exports === undefined) return 'add "exports": without it, every file of the package is its interface'
        const targets = exportTargets(plugin)
        const missing = targets.filter(({ path }) => !existsSync(path)).map(({ path }) => file(path))
        if (missing.length > 0) return `not there: ${missing.join(', ')}; was it built?`
        return targets.length === 0 ? 'exports names no file' : undefined
      }
    },
    {
      name: 'exports > are ES modules',
      run: () => {
        const entries = importableEntries(plugin)
        if (entries.length === 0) return 'no entry can be imported: add the condition "default" (or "import")'
        const foreign = entries.filter(({ path }) => !path.endsWith('.mjs') && !(path.endsWith('.js') && manifest.type === 'module'))
        return foreign.length === 0
          ? undefined
          : `add "type": "module", or name them .mjs: ${foreign.map(({ path }) => file(path)).join(', ')}`
      }
    },
    {
      name: 'exports > come with types',
      run: () => {
        const targets = exportTargets(plugin)
        const without = importableEntries(plugin)
          .filter(({ path }) => !existsSync(path.replace(/\.([cm]?)js$/, '.d.$1ts')))
          .filter(({ entry }) => !targets.some((target) => target.entry === entry && target.condition.split('.').includes('types')))
        return without.length === 0 ? undefined : `add "types" for ${without.map(({ entry }) => entry).join(', ')}`
      }
    },
    {
      name: 'exports > export by name',
      run: () => {
        const files = importableEntries(plugin).filter(({ path }) => existsSync(path))
        const defaults = files.filter(({ path }) => /^\s*export\s+default\b/m.test(readFileSync(path, 'utf8')))
        return defaults.length === 0 ? undefined : `export the factory by a name: ${defaults.map(({ path }) => file(path)).join(', ')}`
      }
    }
  ]
}

/** What importing the entries did, one check per property and all entries. */
export function importChecks(imported: readonly ImportedEntry[]): readonly PackageCheck[] {
  const each = (problem: (entry: ImportedEntry) => string | undefined) => (): string | undefined => {
    const problems = imported.flatMap((entry) => {
      const text = problem(entry)
      return text === undefined ? [] : [`${entry.entry}: ${text}`]
    })
    return problems.length === 0 ? undefined : problems.join('\n')
  }
  const list = (what: string, of: (entry: ImportedEntry) => readonly string[]) =>
    each((entry) => (of(entry).length === 0 ? undefined : `${what} ${[...new Set(of(entry))].join(', ')}`))
  return [
    { name: 'import > works', run: each(({ error }) => error) },
    {
      name: 'import > gives something',
      run: each(({ error, names }) => (error === undefined && names.length === 0 ? 'nothing is exported' : undefined))
    },
    { name: 'import > opens no handle and starts no timer', run: list('keeps the process alive by', ({ resources }) => resources) },
    {
      name: 'import > reads no environment variable',
      run: list('options come from the program, not from', ({ environment }) => environment)
    },
    { name: 'import > adds nothing to the globals', run: list('adds', ({ globals }) => globals) },
    { name: 'import > listens to nothing of the process', run: list('subscribes to', ({ listeners }) => listeners) }
  ]
}

function enginesProblem(engines: unknown): string | undefined {
  const range = isRecord(engines) ? engines['node'] : undefined
  if (!isText(range)) return `add "engines": { "node": ">=${LOWEST_NODE.join('.')}" }`
  const releases = range.split('||').map((part) => {
    const match = /(\d+)(?:\.(\d+))?/.exec(part)
    return { major: Number(match?.[1] ?? 0), minor: Number(match?.[2] ?? 0) }
  })
  const [major, minor] = LOWEST_NODE
  const enough = releases.every((lowest) => lowest.major > major || (lowest.major === major && lowest.minor >= minor))
  return enough ? undefined : `${range} promises releases that core does not run on: it needs >=${LOWEST_NODE.join('.')}`
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.trim() !== ''
}

function has(dependencies: unknown, name: string): boolean {
  return isRecord(dependencies) && Object.hasOwn(dependencies, name)
}

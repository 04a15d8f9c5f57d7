import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve, sep } from 'node:path'
import { pathToFileURL } from 'node:url'
import { certifyErrors } from './errors.ts'

/** What is read of a package.json; nothing is taken for granted. */
export interface Manifest {
  readonly name?: unknown
  readonly version?: unknown
  readonly type?: unknown
  readonly license?: unknown
  readonly exports?: unknown
  readonly engines?: unknown
  readonly dependencies?: unknown
  readonly peerDependencies?: unknown
  readonly kithmesh?: unknown
}

/** A package on disk that is to be certified. */
export interface PluginPackage {
  /** Absolute, without symbolic links. */
  readonly root: string
  readonly manifest: Manifest
  /** The module with the harnesses, absolute; undefined when the package names none. */
  readonly certifyModule: string | undefined
}

/** One file that the package offers under a condition of `exports`. */
export interface ExportTarget {
  /** `.`, `./memory`, … */
  readonly entry: string
  /** E.g. `types`, `import`, `default`; empty for a plain string. */
  readonly condition: string
  readonly path: string
}

/**
 * Reads a package's directory, or its package.json.
 * @throws ERR_CERTIFY_PACKAGE when there is none or it cannot be read.
 */
export function readPluginPackage(path: string): PluginPackage {
  const given = resolve(path)
  try {
    const root = realpathSync(statSync(given).isDirectory() ? given : dirname(given))
    const manifest: unknown = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    if (!isRecord(manifest)) throw new TypeError('package.json is no object')
    const named = isRecord(manifest['kithmesh']) ? manifest['kithmesh']['certify'] : undefined
    return { root, manifest, certifyModule: typeof named === 'string' ? resolve(root, named) : undefined }
  } catch (cause) {
    throw certifyErrors.create('ERR_CERTIFY_PACKAGE', `There is no package to be read at ${given}`, { cause })
  }
}

/** Every file that `exports` names, conditions flattened; patterns and what leaves the package are left out. */
export function exportTargets({ root, manifest }: PluginPackage): readonly ExportTarget[] {
  const { exports: declared } = manifest
  const entries = isRecord(declared) && Object.keys(declared).some((key) => key.startsWith('.')) ? declared : { '.': declared }
  return Object.entries(entries).flatMap(([entry, value]) => (entry.includes('*') ? [] : [...targetsIn(root, entry, '', value)]))
}

function* targetsIn(root: string, entry: string, condition: string, value: unknown): Iterable<ExportTarget> {
  if (typeof value === 'string') {
    const path = resolve(root, value)
    if (value.startsWith('./') && path.startsWith(root + sep)) yield { entry, condition, path }
  } else if (isRecord(value)) {
    for (const [name, below] of Object.entries(value))
      yield* targetsIn(root, entry, condition === '' ? name : `${condition}.${name}`, below)
  }
}

/** What `import` would load for each entry: the first target of a condition that Node knows. Data files are left out. */
export function importableEntries(
  plugin: PluginPackage
): readonly { readonly entry: string; readonly path: string; readonly url: string }[] {
  const found = new Map<string, string>()
  for (const { entry, condition, path } of exportTargets(plugin)) {
    const conditions = condition === '' ? [] : condition.split('.')
    if (found.has(entry) || path.endsWith('.json') || !conditions.every((name) => IMPORT_CONDITIONS.has(name))) continue
    found.set(entry, path)
  }
  return [...found].map(([entry, path]) => ({ entry, path, url: pathToFileURL(path).href }))
}

const IMPORT_CONDITIONS: ReadonlySet<string> = new Set(['node', 'import', 'default', 'module-sync', 'node-addons'])

/** Version of a package as it is found from a directory; undefined when it is not there. */
export function versionFoundFrom(root: string, name: string): string | undefined {
  try {
    const path = createRequire(join(root, 'package.json')).resolve(`${name}/package.json`)
    return versionIn(path)
  } catch {
    return undefined
  }
}

/** Version in a package.json. */
export function versionIn(path: string): string | undefined {
  if (!existsSync(path)) return undefined
  const { version } = JSON.parse(readFileSync(path, 'utf8')) as Manifest
  return typeof version === 'string' ? version : undefined
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

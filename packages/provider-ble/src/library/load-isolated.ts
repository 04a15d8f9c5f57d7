import { readFileSync } from 'node:fs'
import Module, { createRequire } from 'node:module'
import { dirname, sep } from 'node:path'
import { compileFunction } from 'node:vm'

/** The part of Node's CommonJS loader that is used here, as it has been since Node 0.x (`Module._load` is what `require` calls). */
interface CommonJsLoader {
  _load(request: string, parent: { readonly filename?: string | null } | undefined, isMain: boolean): unknown
  /** What evaluates files, by the end of their names. */
  readonly _extensions: Record<string, (module: CommonJsModule, filename: string) => void>
}

interface CommonJsModule {
  readonly exports: unknown
  require(request: string): unknown
}

/** Module code that was compiled once and can be evaluated any number of times, by file. Belongs to whoever loads the same package again and again. */
export type CompiledModules = Map<string, CompiledModule>
type CompiledModule = (...parameters: readonly unknown[]) => unknown

/**
 * Loads a CommonJS package of which nothing is shared with anybody else: modules of its own are evaluated anew and forgotten again, so that
 * several instances live in one process, and some of what it requires is replaced. Nothing of the package on disk is touched, and what is
 * replaced does not have to be installed. Everything happens synchronously; afterwards the loader and its cache are as they were before.
 *
 * @param entries files of the package, in the order in which they are to be loaded; what they require lazily, later, escapes
 * @param substitutes what `require(name)` in files of the package yields, by name; by relative name also for files of its own
 * @param compiled where to keep and find the compiled code of the package's files: most of the time that another instance takes
 * @returns the exports of the entries, in their order
 * @throws what `require` throws, `MODULE_NOT_FOUND` when the package is absent
 */
export function loadIsolated(
  packageName: string,
  entries: readonly string[],
  substitutes: Readonly<Record<string, unknown>>,
  compiled: CompiledModules = new Map()
): unknown[] {
  const require = createRequire(import.meta.url)
  const loader = Module as unknown as CommonJsLoader
  const folder = dirname(require.resolve(`${packageName}/package.json`)) + sep
  // Native parts stay cached: not every one of them can be loaded a second time.
  const ownModules = (): string[] => Object.keys(require.cache).filter((file) => file.startsWith(folder) && !file.endsWith('.node'))
  const replaced = new Map(Object.entries(substitutes))
  const load = loader._load
  const evaluateFile = loader._extensions['.js'] as CommonJsLoader['_extensions'][string]
  const cached = ownModules().map((file) => [file, require.cache[file]] as const)
  for (const [file] of cached) delete require.cache[file]
  loader._load = (request, parent, isMain) =>
    replaced.has(request) && parent?.filename?.startsWith(folder) === true
      ? replaced.get(request)
      : load.call(loader, request, parent, isMain)
  loader._extensions['.js'] = (module, filename) => {
    if (filename.startsWith(folder)) evaluate(module, filename, compiled)
    else evaluateFile(module, filename)
  }
  try {
    return entries.map((entry) => require(`${packageName}/${entry}`) as unknown)
  } finally {
    loader._load = load
    loader._extensions['.js'] = evaluateFile
    for (const file of ownModules()) delete require.cache[file]
    for (const [file, module] of cached) require.cache[file] = module
  }
}

/** What Node's loader does with a CommonJS file, except that it is read and compiled only once. */
function evaluate(module: CommonJsModule, filename: string, compiled: CompiledModules): void {
  let run = compiled.get(filename)
  if (run === undefined) {
    const parameters = ['exports', 'require', 'module', '__filename', '__dirname']
    run = compileFunction(readFileSync(filename, 'utf8'), parameters, { filename }) as CompiledModule
    compiled.set(filename, run)
  }
  const require = (request: string): unknown => module.require(request)
  run.call(module.exports, module.exports, require, module, filename, dirname(filename))
}

// Checks the dependency rules of tools/rules.mjs over every package and example: `node tools/check-deps.mjs [DIRECTORY]`.
// Prints one line for each violation, `file:line rule: what to do`, and exits with 1 when there is any.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { basename, dirname, join, relative, resolve, sep } from 'node:path'
import { pathToFileURL } from 'node:url'
import { readImports, reduceSource } from './lib/imports.mjs'
import { root } from './lib/run.mjs'
import { workspaceFolders } from './lib/specs.mjs'
import * as projectRules from './rules.mjs'

const scope = '@kithmesh/'

function sourceFiles(folder) {
  if (!existsSync(folder)) return []
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile() && /\.[cm]?[jt]s$/.test(entry.name) && !entry.name.endsWith('.d.ts'))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
}

function packageName(specifier) {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
}

function isBuiltin(specifier) {
  return specifier.startsWith('node:') || builtinModules.includes(specifier)
}

/** Reads one workspace folder: its package.json and the imports of its sources (`src` and `bin`) and tests. */
function readPackage(directory, kind, name) {
  const folder = join(directory, kind, name)
  const readFiles = (where) =>
    sourceFiles(join(folder, where)).map((path) => {
      const text = readFileSync(path, 'utf8')
      return { path, file: relative(directory, path).split(sep).join('/'), text, imports: readImports(text), code: reduceSource(text).code }
    })
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  return { name, kind, folder, manifest, sources: [...readFiles('src'), ...readFiles('bin')], tests: readFiles('test') }
}

function readWorkspace(directory) {
  return ['packages', 'examples'].flatMap((kind) =>
    workspaceFolders(kind, directory).map((folder) => readPackage(directory, kind, folder.slice(kind.length + 1)))
  )
}

function* checkArrows(pkg, rules) {
  if (pkg.kind === 'examples') return
  const allowed = rules.arrows[pkg.name]
  if (allowed === undefined) {
    yield {
      file: `packages/${pkg.name}/package.json`,
      rule: 'arrow',
      text: `${pkg.name} is not in tools/rules.mjs; add what it may import`
    }
    return
  }
  for (const { file, imports } of pkg.sources) {
    const folder = Object.entries(rules.folderArrows[pkg.name] ?? {}).find(([path]) => file.startsWith(`packages/${pkg.name}/${path}`))
    const further = folder?.[1] ?? []
    for (const { specifier, typeOnly, names, line } of imports) {
      if (!specifier.startsWith(scope)) continue
      const target = packageName(specifier).slice(scope.length)
      if (target === pkg.name)
        yield { file, line, rule: 'arrow', text: `a package imports its own files by relative path, not as ${specifier}` }
      else if (typeOnly && rules.typeOnlyArrows[pkg.name]?.includes(specifier)) continue
      else if (allowed !== 'any' && !allowed.includes(target) && !further.includes(target))
        yield { file, line, rule: 'arrow', text: `${pkg.name} must not import ${specifier}` }
      else if (!typeOnly && rules.valueNames[pkg.name]?.[target] !== undefined) {
        const known = rules.valueNames[pkg.name][target]
        const extra = names === undefined ? ['the whole module'] : names.filter((name) => !known.includes(name))
        if (extra.length > 0)
          yield {
            file,
            line,
            rule: 'arrow',
            text: `${pkg.name} may take types and ${known.join(', ')} from ${specifier}, not ${extra.join(', ')}`
          }
      }
    }
  }
}

function* checkCore(pkg, rules) {
  if (pkg.kind === 'examples' || pkg.name === 'core' || rules.withoutCore?.includes(pkg.name)) return
  const { dependencies = {}, peerDependencies = {}, devDependencies = {} } = pkg.manifest
  const file = `packages/${pkg.name}/package.json`
  const core = `${scope}core`
  if (rules.coreIsDependency.includes(pkg.name)) {
    if (dependencies[core] === undefined) yield { file, rule: 'core-peer', text: `${core} must be among the dependencies` }
    return
  }
  if (dependencies[core] !== undefined) yield { file, rule: 'core-peer', text: `${core} must be a peer dependency, not a dependency` }
  if (peerDependencies[core] === undefined) yield { file, rule: 'core-peer', text: `${core} must be a peer dependency` }
  if (devDependencies[core] === undefined)
    yield { file, rule: 'core-peer', text: `${core} must be a development dependency too, for the build` }
}

function* checkFiles(pkg, rules) {
  if (pkg.kind === 'examples') return
  const isCommandLine = pkg.name === rules.commandLine
  for (const { file, imports, code } of pkg.sources) {
    const lineOf = (offset) => code.slice(0, offset).split('\n').length
    for (const { specifier, typeOnly, names, line } of imports) {
      const only = rules.onlyImporters[specifier]
      if (only !== undefined && !only.includes(file))
        yield { file, line, rule: 'importer', text: `only ${only.join(', ')} may import ${specifier}` }
      const module = specifier.replace(/^node:/, '').split('/')[0]
      const opens = !typeOnly && !(names?.every((name) => rules.pureSocketFunctions.includes(name)) ?? false)
      if (rules.socketModules.includes(module) && opens && !rules.socketFiles.includes(basename(file))) {
        yield { file, line, rule: 'socket-file', text: `${specifier} is used only in files named ${rules.socketFiles.join(', ')}` }
      }
      if (!isCommandLine && module === 'process' && (names === undefined || names.includes('env'))) {
        yield { file, line, rule: 'environment', text: `only ${rules.commandLine} reads the environment` }
      }
    }
    const patterns = [
      ['environment', isCommandLine ? undefined : /\bprocess\s*(?:\?\.|\.)\s*env\b/g, `only ${rules.commandLine} reads the environment`],
      ['console', isCommandLine ? undefined : /\bconsole\s*\.\s*\w+\s*\(/g, 'log through the Logger that is handed in'],
      ['export-star', /\bexport\s*\*/g, 'name what is exported'],
      ['default-export', /\bexport\s+default\b|\bas\s+default\b/g, 'export by name']
    ]
    for (const [rule, pattern, text] of patterns) {
      if (pattern !== undefined) for (const match of code.matchAll(pattern)) yield { file, line: lineOf(match.index), rule, text }
    }
  }
}

/** The exact entries of a package's `exports`, as specifiers. */
function publicEntries(manifest) {
  return Object.keys(manifest.exports ?? { '.': '' }).map((key) => manifest.name + key.slice(1))
}

function* checkSpecifiers(pkg, byName) {
  for (const { path, file, imports } of [...pkg.sources, ...pkg.tests]) {
    for (const { specifier, line } of imports) {
      if (specifier.startsWith('.')) {
        const target = resolve(dirname(path), specifier)
        if (relative(pkg.folder, target).startsWith('..')) yield { file, line, rule: 'relative', text: `${specifier} leaves the package` }
      } else if (specifier.startsWith(scope)) {
        const target = byName.get(packageName(specifier))
        if (target === undefined) yield { file, line, rule: 'entry', text: `there is no package ${packageName(specifier)}` }
        else if (!publicEntries(target.manifest).includes(specifier))
          yield { file, line, rule: 'entry', text: `${specifier} is not a public entry of ${target.manifest.name}` }
      }
    }
  }
}

/** Cycles between the sources of a package. Imports of types alone vanish when compiled and do not count. */
function* checkCycles(pkg) {
  const byPath = new Map(pkg.sources.map((source) => [source.path, source]))
  const state = new Map()
  const trail = []
  const found = []
  const visit = (source) => {
    state.set(source, 'open')
    trail.push(source)
    for (const { specifier, typeOnly, line } of source.imports) {
      const next = specifier.startsWith('.') && !typeOnly ? byPath.get(resolve(dirname(source.path), specifier)) : undefined
      if (next === undefined) continue
      if (state.get(next) === 'open') {
        const names = [...trail.slice(trail.indexOf(next)), next].map((member) => relative(pkg.folder, member.path).split(sep).join('/'))
        found.push({ file: source.file, line, rule: 'cycle', text: names.join(' → ') })
      } else if (state.get(next) === undefined) visit(next)
    }
    trail.pop()
    state.set(source, 'done')
  }
  for (const source of pkg.sources) if (state.get(source) === undefined) visit(source)
  yield* found
}

function* checkDeclared(pkg, rules, shared) {
  const { dependencies = {}, peerDependencies = {}, optionalDependencies = {}, devDependencies = {}, name } = pkg.manifest
  const file = `${pkg.kind}/${pkg.name}/package.json`
  const shipped = { ...dependencies, ...peerDependencies, ...optionalDependencies }
  const outside = (source) =>
    source.imports.filter(({ specifier }) => !specifier.startsWith('.') && !specifier.startsWith('#') && !isBuiltin(specifier))
  const used = { sources: new Set(), types: new Set(), tests: new Set() }
  const typesOf = (module) => `@types/${module.startsWith('@') ? module.slice(1).replace('/', '__') : module}`
  for (const source of pkg.sources) {
    for (const { specifier, typeOnly, line } of outside(source)) {
      const module = packageName(specifier)
      used[typeOnly ? 'types' : 'sources'].add(module)
      const known =
        shipped[module] !== undefined ||
        (typeOnly && (devDependencies[module] !== undefined || devDependencies[typesOf(module)] !== undefined))
      if (!known && module !== name)
        yield { file: source.file, line, rule: 'undeclared', text: `${module} is imported but is not a dependency in ${file}` }
    }
  }
  for (const source of pkg.tests) {
    for (const { specifier, line } of outside(source)) {
      const module = packageName(specifier)
      used.tests.add(module)
      const known = shipped[module] !== undefined || devDependencies[module] !== undefined || shared.has(module) || module === name
      if (!known) yield { file: source.file, line, rule: 'undeclared', text: `${module} is imported but is not a dependency in ${file}` }
    }
  }
  const reasons = rules.unimported[pkg.name] ?? {}
  for (const module of Object.keys({ ...dependencies, ...peerDependencies, ...optionalDependencies })) {
    const seen = used.sources.has(module) || used.types.has(module)
    if (!seen && reasons[module] === undefined) yield { file, rule: 'unused', text: `${module} is a dependency that no source imports` }
  }
  for (const module of Object.keys(devDependencies)) {
    const typed = [...used.sources, ...used.types, ...used.tests].some((candidate) => typesOf(candidate) === module)
    const seen = used.tests.has(module) || used.types.has(module) || used.sources.has(module) || typed || shipped[module] !== undefined
    if (!seen && reasons[module] === undefined)
      yield { file, rule: 'unused', text: `${module} is a development dependency that nothing imports` }
  }
}

/** Development dependencies of the checkout itself that no test and no tool imports or runs. */
function* checkRoot(directory, packages, manifest, rules) {
  const used = new Set()
  const texts = [JSON.stringify(manifest.scripts ?? {})]
  const read = (text, imports) => {
    texts.push(text)
    for (const { specifier } of imports) used.add(packageName(specifier))
  }
  for (const pkg of packages) for (const { text, imports } of [...pkg.sources, ...pkg.tests]) read(text, imports)
  for (const folder of ['tools', 'tests', 'bench'])
    for (const path of sourceFiles(join(directory, folder))) {
      if (path.split(sep).includes('node_modules')) continue
      const text = readFileSync(path, 'utf8')
      read(text, readImports(text))
    }
  const reasons = rules.unimported['.'] ?? {}
  for (const module of Object.keys(manifest.devDependencies ?? {})) {
    const typed = module.startsWith('@types/')
      ? module === '@types/node' || used.has(module.slice('@types/'.length)) || reasons[module] !== undefined
      : false
    const run = texts.some((text) => text.includes(`node_modules/${module}/`))
    if (!used.has(module) && !typed && !run && reasons[module] === undefined)
      yield { file: 'package.json', rule: 'unused', text: `${module} is a development dependency that no test imports and no tool runs` }
  }
}

/** Every violation in the workspace at `directory`: `{ file, line?, rule, text }`. */
export function checkWorkspace(directory, rules = projectRules) {
  const packages = readWorkspace(directory)
  const byName = new Map(packages.map((pkg) => [pkg.manifest.name, pkg]))
  const rootManifest = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'))
  const shared = new Set(Object.keys(rootManifest.devDependencies ?? {}))
  return [
    ...checkRoot(directory, packages, rootManifest, rules),
    ...packages.flatMap((pkg) => [
      ...checkArrows(pkg, rules),
      ...checkCore(pkg, rules),
      ...checkFiles(pkg, rules),
      ...checkSpecifiers(pkg, byName),
      ...checkCycles(pkg),
      ...checkDeclared(pkg, rules, shared)
    ])
  ]
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const directory = resolve(process.argv[2] ?? root)
  const violations = checkWorkspace(directory)
  for (const { file, line, rule, text } of violations) console.error(`${file}${line === undefined ? '' : `:${line}`} ${rule}: ${text}`)
  const checked = readWorkspace(directory).reduce((sum, pkg) => sum + pkg.sources.length + pkg.tests.length, 0)
  console.log(
    violations.length === 0 ? `dependency rules hold in ${checked} files` : `${violations.length} violations of the dependency rules`
  )
  process.exitCode = violations.length === 0 ? 0 : 1
}

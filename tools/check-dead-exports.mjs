// Finds exports that nobody needs: names that a module exports, but that no other file of the checkout takes and no entry of a package hands on. Types that others meet in what they take (its parameters, its results) are needed. `node tools/check-dead-exports.mjs`: one line
// for each, `file:line name`, and exit code 1 when there is any.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { pathToFileURL } from 'node:url'
import { moduleNames } from './lib/exported-names.mjs'
import { root } from './lib/run.mjs'
import { packageFolders } from './lib/specs.mjs'

/** Folders that are left out: what is installed or made, and programs of their own, templates and what tests take for a plugin. */
const left = new Set(['node_modules', 'dist', 'dist-test', 'coverage', 'temp', 'templates', 'plugins'])

function* filesBelow(folder) {
  if (!existsSync(folder)) return
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory() && !left.has(entry.name)) yield* filesBelow(path)
    else if (entry.isFile() && /\.[cm]?[jt]s$/.test(entry.name) && !entry.name.endsWith('.d.ts')) yield path
  }
}

/** Compiled files stand for their sources: `dist/x.js` or `dist/src/x.js` for `src/x.ts`, `dist/page/x.js` for `page/src/x.ts`. */
function sourceOf(path, modules) {
  const source = path.replace(/\.js$/, '.ts')
  const inSource = (from, to) => source.replace(`${sep}${from}${sep}`, `${sep}${to}${sep}`)
  const candidates = [
    path,
    source,
    inSource('dist', 'src'),
    inSource(join('dist', 'page'), join('page', 'src')),
    inSource(join('dist', 'src'), 'src')
  ]
  return candidates.find((candidate) => modules.has(candidate))
}

/** Where the entries of every package lead: specifier → absolute path of what is compiled. */
function entries(directory) {
  const found = new Map()
  for (const folder of ['packages', 'examples'].flatMap((kind) => packageFolders(kind, directory))) {
    const { name, exports = {}, imports = {} } = JSON.parse(readFileSync(join(directory, folder, 'package.json'), 'utf8'))
    for (const [key, target] of [...Object.entries(exports), ...Object.entries(imports)]) {
      const file = typeof target === 'object' ? (target.default ?? target.types?.replace(/\.d\.ts$/, '.js')) : target
      const specifier = key.startsWith('#') ? `${folder}${key}` : name + key.slice(1)
      if (file?.endsWith('.js')) found.set(specifier, join(directory, folder, file))
    }
  }
  return found
}

/** Every dead export of the checkout at `directory`: `{ file, line, name }`. */
export function deadExports(directory) {
  const modules = new Map()
  for (const folder of ['packages', 'examples', 'tests', 'tools', 'bench'])
    for (const path of filesBelow(join(directory, folder))) modules.set(path, moduleNames(readFileSync(path, 'utf8')))
  const known = entries(directory)
  const resolved = (from, specifier) => {
    if (specifier.startsWith('.')) return sourceOf(resolve(dirname(from), specifier), modules)
    const [kind, name] = relative(directory, from).split(sep)
    const entry = known.get(specifier.startsWith('#') ? `${kind}/${name}${specifier}` : specifier)
    return entry === undefined ? undefined : sourceOf(entry, modules)
  }

  const used = new Map([...modules.keys()].map((path) => [path, new Set()]))
  const waiting = []
  const use = (path, name) => {
    if (path === undefined || used.get(path).has(name)) return
    used.get(path).add(name)
    waiting.push([path, name])
  }
  for (const [specifier, path] of known) if (!specifier.includes('#')) use(sourceOf(path, modules), '*')
  for (const [path, { taken }] of modules)
    for (const { specifier, name, exported } of taken) if (!exported) use(resolved(path, specifier), name)
  // What is used of a module that only hands it on is used where it comes from.
  while (waiting.length > 0) {
    const [path, name] = waiting.pop()
    for (const { specifier, name: inner, as, exported } of modules.get(path).taken)
      if (exported && (name === '*' || as === name || as === '*')) use(resolved(path, specifier), as === '*' ? name : inner)
  }

  return [...modules]
    .filter(([path]) => !used.get(path).has('*'))
    .flatMap(([path, { declared, taken }]) => {
      const handedOn = taken.filter(({ exported, as }) => exported && as !== '*').map(({ as }) => [as, { line: 1, inSignatures: false }])
      return [...declared, ...handedOn]
        .filter(([name, { inSignatures }]) => !inSignatures && !used.get(path).has(name))
        .map(([name, { line }]) => ({ file: relative(directory, path).split(sep).join('/'), line, name }))
    })
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const dead = deadExports(resolve(process.argv[2] ?? root))
  for (const { file, line, name } of dead) console.error(`${file}:${line} ${name} is exported, and nobody takes it`)
  console.log(dead.length === 0 ? 'every export is taken by somebody' : `${dead.length} dead exports`)
  process.exitCode = dead.length === 0 ? 0 : 1
}

// Keeps the project references of every tsconfig.json equal to the dependencies in package.json.
//   node tools/sync-references.mjs            writes the files that differ
//   node tools/sync-references.mjs --check    only names them, and exits with 1 when there are any
// Sources refer to the workspace packages that the package ships with; when a source takes only types of a development dependency, to that one too.
// Tests refer to their package and everything it names, pages to their package. The tsconfig.json at the root refers to all of them.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { main } from './lib/main.mjs'
import { readImports } from './lib/imports.mjs'
import { root } from './lib/run.mjs'
import { workspaceFolders } from './lib/specs.mjs'
import { arrows } from './rules.mjs'

const scope = '@kithmesh/'
const exampleScope = '@kithmesh-examples/'
const order = Object.keys(arrows)
const byOrder = (a, b) => order.indexOf(a) - order.indexOf(b)
const readJson = (file) => JSON.parse(readFileSync(join(root, file), 'utf8'))

/** The workspace packages that sources in a folder import, by any form of import. */
function importedBySources(folder) {
  const sources = join(root, folder, 'src')
  if (!existsSync(sources)) return []
  const files = readdirSync(sources, { recursive: true, withFileTypes: true }).filter(
    (entry) => entry.isFile() && entry.name.endsWith('.ts')
  )
  const specifiers = files.flatMap((entry) =>
    readImports(readFileSync(join(entry.parentPath, entry.name), 'utf8')).map((found) => found.specifier)
  )
  return [...new Set(specifiers.filter((specifier) => specifier.startsWith(scope)).map((specifier) => specifier.split('/')[1]))]
}

/** For one package or example, the tsconfig files and the projects each must refer to, as folders relative to the checkout. */
function wantedFor(folder) {
  const { dependencies, peerDependencies, optionalDependencies, devDependencies } = readJson(`${folder}/package.json`)
  const own = (record) =>
    Object.keys(record ?? {})
      .filter((name) => name.startsWith(scope))
      .map((name) => name.slice(scope.length))
  const shipped = own({ ...dependencies, ...peerDependencies, ...optionalDependencies })
  const development = own(devDependencies)
  const imported = importedBySources(folder)
  const forSources = [...new Set([...shipped, ...development.filter((name) => imported.includes(name))])].sort(byOrder)
  const forTests = [...new Set([...shipped, ...development])].sort(byOrder)
  const otherExamples = Object.keys(dependencies ?? {}).filter((name) => name.startsWith(exampleScope))
  const projects = [
    ...forSources.map((name) => `packages/${name}`),
    ...otherExamples.map((name) => `examples/${name.slice(exampleScope.length)}`)
  ]
  const wanted = [{ file: `${folder}/tsconfig.json`, projects }]
  const page = existsSync(join(root, folder, 'page', 'tsconfig.json'))
  if (existsSync(join(root, folder, 'test', 'tsconfig.json'))) {
    const nearest = [folder, ...(page ? [`${folder}/page`] : [])]
    wanted.push({ file: `${folder}/test/tsconfig.json`, projects: [...nearest, ...forTests.map((name) => `packages/${name}`)] })
  }
  // What runs in a browser takes nothing but types from the package that serves it.
  if (page) wanted.push({ file: `${folder}/page/tsconfig.json`, projects: [folder] })
  return wanted
}

function allWanted() {
  const packages = workspaceFolders('packages').sort((a, b) => byOrder(a.slice(9), b.slice(9)))
  const projects = [...packages, ...workspaceFolders('examples')]
    .filter((folder) => existsSync(join(root, folder, 'tsconfig.json')))
    .flatMap(wantedFor)
  return [...projects, { file: 'tsconfig.json', projects: projects.map(({ file }) => dirname(file)) }]
}

await main(() => {
  const checking = process.argv.includes('--check')
  const stale = allWanted().filter(({ file, projects }) => {
    const config = readJson(file)
    const references = projects.map((project) => ({ path: posix.relative(posix.dirname(file), project) || '.' }))
    const key = (list) => JSON.stringify((list ?? []).map((entry) => posix.normalize(entry.path)).sort())
    if (key(config.references) === key(references)) return false
    if (!checking) writeFileSync(join(root, file), `${JSON.stringify({ ...config, references }, null, 2)}\n`)
    return true
  })
  for (const { file } of stale) console.log(`${checking ? 'differs from package.json' : 'written'}: ${file}`)
  if (stale.length === 0) console.log('project references agree with package.json')
  return checking && stale.length > 0 ? 1 : 0
})

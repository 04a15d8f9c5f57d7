// `npm run docs`: the API reference of every public entry, as pages in temp/docs-api. Fails when typedoc has anything to say: a link in a comment
// that leads nowhere, a parameter that is not there, a type that a user meets in a signature and cannot name.
//   node tools/docs.mjs [--check]     with --check only looks, and writes no pages
// typedoc cannot use the project's TypeScript 7; it is installed below temp/, with one of its own. It reads the sources.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import { publicEntries, publishedPackages } from './lib/entries.mjs'
import { main } from './lib/main.mjs'
import { root } from './lib/run.mjs'
import { sideInstall } from './lib/side-install.mjs'

const project = join(root, 'temp', 'docs-project')
const pages = join(root, 'temp', 'docs-api')

const sourceOf = ({ folder, code }) => join(folder, 'src', relative(join(folder, 'dist'), code).replace(/\.js$/, '.ts'))

/** One program over the sources of all entries: a name that several packages use is one thing, and links lead from one to the other. */
function writeProject(entries) {
  mkdirSync(project, { recursive: true })
  const { compilerOptions: base } = JSON.parse(readFileSync(join(root, 'tsconfig.base.json'), 'utf8'))
  const paths = Object.fromEntries(entries.map((entry) => [entry.specifier, [join(root, sourceOf(entry))]]))
  const compilerOptions = {
    ...base,
    composite: false,
    declaration: false,
    declarationMap: false,
    sourceMap: false,
    rewriteRelativeImportExtensions: false,
    allowImportingTsExtensions: true,
    noEmit: true,
    typeRoots: [join(root, 'node_modules', '@types')],
    paths
  }
  writeFileSync(join(project, 'package.json'), '{ "type": "module" }\n')
  writeFileSync(
    join(project, 'tsconfig.json'),
    JSON.stringify({ compilerOptions, files: entries.map((entry) => join(root, sourceOf(entry))) }, null, 2)
  )
}

/** What typedoc is told; everything that it warns of is a failure. */
const optionsFor = (entries) => ({
  name: 'Kithmesh',
  tsconfig: join(project, 'tsconfig.json'),
  basePath: root,
  entryPoints: entries.map((entry) => join(root, sourceOf(entry))),
  out: pages,
  readme: join(root, 'README.md'),
  disableSources: true,
  disableGit: true,
  githubPages: false,
  excludeInternal: true,
  excludePrivate: true,
  validation: { notExported: true, invalidLink: true, invalidPath: true, notDocumented: false, unusedMergeModuleWith: true }
})

/** Converts the sources and writes the pages, if wanted. Gives back everything that typedoc complained of. */
async function convert(entries, { writing }) {
  const { Application, Converter, Logger, LogLevel, ReflectionKind } = await import(
    pathToFileURL(join(await sideInstall('docs'), 'node_modules', 'typedoc', 'dist', 'index.js')).href
  )
  const complaints = new Set()
  class Complaints extends Logger {
    log(message, level) {
      if (level >= LogLevel.Warn) complaints.add(message)
    }
  }
  const app = await Application.bootstrap(optionsFor(entries))
  app.logger = new Complaints()
  // Modules are named after their files unless they are told their names.
  const specifiers = new Map(entries.map((entry) => [sourceOf(entry).replace(/(\/index)?\.ts$/, ''), entry.specifier]))
  app.converter.on(Converter.EVENT_CREATE_DECLARATION, (_context, reflection) => {
    if (reflection.kindOf(ReflectionKind.Module)) reflection.name = specifiers.get(reflection.name) ?? reflection.name
  })
  const reference = await app.convert()
  if (reference === undefined) return complaints
  // Types that are met and not exported are looked for in one package only, the project's: each is that once.
  for (const name of new Set(publishedPackages().map(({ manifest }) => manifest.name))) {
    reference.packageName = name
    app.validate(reference)
  }
  if (writing && complaints.size === 0) await app.generateOutputs(reference)
  return complaints
}

await main(async () => {
  const entries = publicEntries()
  const missing = entries.filter((entry) => !existsSync(join(root, sourceOf(entry))))
  if (missing.length > 0) throw new Error(`no source is known for ${missing.map(({ specifier }) => specifier).join(', ')}`)
  writeProject(entries)
  const writing = !process.argv.includes('--check')
  const complaints = await convert(entries, { writing })
  for (const complaint of complaints) console.log(complaint)
  if (complaints.size > 0) return 1
  console.log(`the API reference of ${entries.length} entries ${writing ? 'is in temp/docs-api' : 'is without a warning'}`)
  return 0
})

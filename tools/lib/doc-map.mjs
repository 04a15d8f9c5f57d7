// Whether the documentation is complete: sources that drawings and the map of docs/architecture.md name, pages that are reached, suites that are told of.
// Each check gives one line for each gap.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { drawnSources, localLinks } from './doc-references.mjs'
import { root } from './run.mjs'
import { packageFolders } from './specs.mjs'

/** Files and folders below the `src` folders of all packages, as paths from the root. */
function sources() {
  const folders = [...packageFolders('packages').map((folder) => join(folder, 'src')), 'packages/dashboard/page/src']
  return folders
    .filter((folder) => existsSync(join(root, folder)))
    .flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, withFileTypes: true }).map((entry) => ({
        path: join(relative(root, entry.parentPath), entry.name),
        name: entry.name,
        directory: entry.isDirectory()
      }))
    )
}

/** One line for each source that a drawing names and that is not there, and for each folder of sources that the map leaves out. */
export function gapsOfTheMap() {
  const all = sources()
  const names = new Set(all.map(({ name }) => name))
  const drawings = readdirSync(join(root, 'docs', 'images')).filter((name) => name.endsWith('.svg'))
  const missing = drawings.flatMap((drawing) =>
    drawnSources(readFileSync(join(root, 'docs', 'images', drawing), 'utf8'))
      .filter(({ name }) => !names.has(name))
      .map(({ line, name }) => `docs/images/${drawing}:${line}: there is no ${name}`)
  )
  const map = readFileSync(join(root, 'docs', 'architecture.md'), 'utf8')
  const unnamed = all.filter(({ path, directory }) => directory && !map.includes(`\`${path}/\``))
  return [...missing, ...unnamed.map(({ path }) => `docs/architecture.md: the tree does not say what is in ${path}/`)]
}

/** One line for each of the pages, and each picture, that nobody comes to who follows links from the README. */
export function unreachable(pages) {
  const linked = new Set(['README.md'])
  for (const file of linked) {
    if (!file.endsWith('.md') || !existsSync(join(root, file))) continue
    for (const { file: target } of localLinks(readFileSync(join(root, file), 'utf8'))) {
      const path = join(dirname(file), target)
      if (target !== '') linked.add(existsSync(join(root, path, 'README.md')) ? join(path, 'README.md') : path)
    }
  }
  const pictures = readdirSync(join(root, 'docs', 'images')).map((name) => join('docs', 'images', name))
  return [...pages, ...pictures].filter((file) => !linked.has(file)).map((file) => `${file}: no link from the README leads there`)
}

/** One line for each suite that CONTRIBUTING does not tell of. */
export function untoldSuites() {
  const page = readFileSync(join(root, 'CONTRIBUTING.md'), 'utf8')
  return ['e2e', 'interop'].flatMap((kind) =>
    readdirSync(join(root, 'tests', kind))
      .filter((name) => existsSync(join(root, 'tests', kind, name, 'run.mjs')) && !page.includes(`\n- \`${name}\`: `))
      .map((name) => `CONTRIBUTING.md: says nothing of tests/${kind}/${name}`)
  )
}

// The templates of `npm create @kithmesh/plugin`, as they are packed: dist/templates of the package. The provider's program is not written twice: it is
// examples/custom-provider, with placeholders for the names it has there.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { root } from './run.mjs'

const sources = join(root, 'packages/create-plugin/templates')
const example = join(root, 'examples/custom-provider')

/** What the example is called, by the placeholder that stands for it (fill-template.ts of the package fills them). */
const names = [
  ['@kithmesh-examples/custom-provider', '__package__'],
  ['SharedFolder', '__Name__'],
  ['sharedFolder', '__factory__'],
  ['SHARED_FOLDER', '__CODE__'],
  ['shared-folder', '__name__']
]

/** A file of the example as a template. Pure. */
function templateOf(text) {
  return names.reduce((changed, [name, placeholder]) => changed.replaceAll(name, placeholder), text)
}

function filesBelow(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
}

/** All templates, by path below the folder they are written to. */
function pluginTemplates() {
  const templates = new Map()
  const take = (from, to, change = (text) => text) => {
    for (const file of filesBelow(from)) templates.set(join(to, file), change(readFileSync(join(from, file), 'utf8')))
  }
  for (const kind of ['provider', 'transport']) {
    take(join(sources, 'common'), kind)
    templates.set(join(kind, 'tsconfig.json'), readFileSync(join(example, 'tsconfig.json'), 'utf8'))
    take(join(sources, kind), kind)
  }
  for (const part of ['src', 'test']) take(join(example, part), join('provider', part), templateOf)
  return templates
}

/** Writes those that differ, and removes what is no template any more. */
export function writePluginTemplates(folder = join(root, 'packages/create-plugin/dist/templates')) {
  const templates = pluginTemplates()
  for (const [path, text] of templates) {
    const file = join(folder, path)
    if (existsSync(file) && readFileSync(file, 'utf8') === text) continue
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
  }
  for (const path of filesBelow(folder)) if (!templates.has(path)) rmSync(join(folder, path))
}

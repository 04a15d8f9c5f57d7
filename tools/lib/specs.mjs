// Finds the compiled test files. They are listed from the sources, so that a compiled file whose source is gone is not run.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { root } from './run.mjs'

function filesBelow(folder) {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
}

/** Folders of one kind ('packages' or 'examples') that have a package.json, relative to `directory`, members of the workspace or not. */
export function packageFolders(kind, directory = root) {
  if (!existsSync(join(directory, kind))) return []
  return readdirSync(join(directory, kind))
    .filter((name) => existsSync(join(directory, kind, name, 'package.json')))
    .map((name) => `${kind}/${name}`)
    .sort()
}

/** The same without those that the root's package.json excludes from the workspace (`!examples/…`): they are built elsewhere, from packed packages. */
export function workspaceFolders(kind, directory = root) {
  const manifest = join(directory, 'package.json')
  const { workspaces = [] } = existsSync(manifest) ? JSON.parse(readFileSync(manifest, 'utf8')) : {}
  return packageFolders(kind, directory).filter((folder) => !workspaces.includes(`!${folder}`))
}

/** The suites: one for each package and example with tests and one for the tools, each `{ name, required, files }` with files relative to the checkout. */
export function suites() {
  const found = []
  for (const folder of [...workspaceFolders('packages'), ...workspaceFolders('examples')]) {
    const sources = filesBelow(join(root, folder, 'test')).filter((file) => file.endsWith('.spec.ts'))
    const files = sources.map((file) => relative(root, file).split(sep).join('/').replace('/test/', '/dist-test/').replace(/\.ts$/, '.js'))
    if (folder.startsWith('packages/') || files.length > 0) found.push({ name: folder, required: folder.startsWith('packages/'), files })
  }
  const tools = filesBelow(join(root, 'tools', 'test'))
    .filter((file) => file.endsWith('.test.mjs'))
    .map((file) => relative(root, file).split(sep).join('/'))
  found.push({ name: 'tools', required: true, files: tools })
  return found
}

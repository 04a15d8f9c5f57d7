// The public entries of the published packages, read from their `exports`.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './run.mjs'
import { workspaceFolders } from './specs.mjs'

/** Every published package: `{ folder, manifest }`. */
export function publishedPackages() {
  const all = workspaceFolders('packages').map((folder) => ({
    folder,
    manifest: JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'))
  }))
  return all.filter(({ manifest }) => manifest.private !== true)
}

/** Every entry with declarations: `{ folder, specifier, name, types, code }`, the two files relative to the checkout and `name` fit for a file. */
export function publicEntries() {
  return publishedPackages().flatMap(({ folder, manifest }) => {
    const withTypes = Object.entries(manifest.exports ?? {}).filter(([, target]) => typeof target === 'object')
    return withTypes.map(([key, { types, default: code }]) => ({
      folder,
      specifier: manifest.name + key.slice(1),
      name: (folder.slice('packages/'.length) + key.slice(1)).replaceAll('/', '-'),
      types: join(folder, types),
      code: join(folder, code)
    }))
  })
}

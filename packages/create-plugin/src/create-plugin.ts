import { mkdir, readdir, readFile, rm, rmdir, writeFile } from 'node:fs/promises'
import { dirname, join, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createPluginErrors } from './errors.ts'
import { fillTemplate } from './fill-template.ts'
import { type PluginKind, type PluginNames, pluginNames } from './plugin-names.ts'

const here = dirname(fileURLToPath(import.meta.url))
/** Put together by the build. */
const TEMPLATES = join(here, 'templates')

/** What {@link createPlugin} makes. */
export interface CreatePluginOptions {
  /** The name of the package: `kithmesh-tunnel`, `@acme/tunnel`. */
  readonly name: string
  readonly kind: PluginKind
  /** Where it is written: a folder that is not there yet, or is empty. @default the name without its scope, in the current folder */
  readonly directory?: string
}

/** What was made. */
export interface CreatedPlugin {
  readonly names: PluginNames
  readonly kind: PluginKind
  /** Absolute. */
  readonly directory: string
  /** Relative to the directory, with slashes, sorted. */
  readonly files: readonly string[]
}

/**
 * Writes a new package: a provider or transport that works, with its tests. Nothing is installed, and nothing is ever overwritten.
 * @throws ERR_CREATE_NAME, ERR_CREATE_EXISTS, ERR_CREATE_WRITE; nothing is left behind then
 */
export async function createPlugin({
  name,
  kind,
  directory = name.split('/').at(-1) as string
}: CreatePluginOptions): Promise<CreatedPlugin> {
  if (kind !== 'provider' && kind !== 'transport') throw new TypeError('kind is neither provider nor transport')
  const names = pluginNames(name, kind)
  const target = resolve(directory)
  await refuseUnlessEmpty(target)
  const ranges = await versionRanges()
  const templates = join(TEMPLATES, kind)
  const entries = await readdir(templates, { recursive: true, withFileTypes: true })
  const sources = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name).slice(templates.length + 1))
  const texts = new Map<string, string>()
  for (const source of sources.sort()) {
    const text = await readFile(join(templates, source), 'utf8')
    texts.set(outputPath(source), fillTemplate(text, { ...names, range: (asked) => ranges[asked] ?? '*' }))
  }
  await writeAll(target, texts)
  return { names, kind, directory: target, files: [...texts.keys()].sort() }
}

/** npm takes some names out of packages, or reads them as its own: templates have them with an underscore in front of the name. */
function outputPath(source: string): string {
  return source.split(sep).join('/').replace('_gitignore', '.gitignore').replace('_package.json', 'package.json')
}

/** An empty folder may be there, also one that has just become a repository. */
async function refuseUnlessEmpty(target: string): Promise<void> {
  let found: readonly string[]
  try {
    found = await readdir(target)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return
    throw createPluginErrors.create('ERR_CREATE_EXISTS', `${target} is there, and is no folder that can be used`, { cause })
  }
  const others = found.filter((entry) => entry !== '.git')
  if (others.length > 0)
    throw createPluginErrors.create(
      'ERR_CREATE_EXISTS',
      `${target} is not empty: it has ${others.slice(0, 3).join(', ')}${others.length > 3 ? ' …' : ''}`
    )
}

async function writeAll(target: string, texts: ReadonlyMap<string, string>): Promise<void> {
  const files: string[] = []
  const made: string[] = []
  try {
    for (const [path, text] of texts) {
      const file = join(target, path)
      const first = await mkdir(dirname(file), { recursive: true })
      if (first !== undefined) made.push(first)
      await writeFile(file, text, { flag: 'wx' })
      files.push(file)
    }
  } catch (cause) {
    for (const file of files) await rm(file, { force: true })
    for (const folder of made.reverse()) await rmdir(folder).catch(() => {})
    throw createPluginErrors.create('ERR_CREATE_WRITE', `The files cannot be written to ${target}`, { cause })
  }
}

/** The ranges with which this package itself asks for the others: what a plugin is made for is what the generator was tested with. */
async function versionRanges(): Promise<Readonly<Record<string, string>>> {
  const manifest = JSON.parse(await readFile(join(here, '..', 'package.json'), 'utf8')) as {
    readonly devDependencies: Readonly<Record<string, string>>
  }
  return manifest.devDependencies
}

import { createHash } from 'node:crypto'
import type { Dirent } from 'node:fs'
import { readFile, readdir } from 'node:fs/promises'
import { extname, join, relative, sep } from 'node:path'
import { dashboardErrors } from '../errors.ts'

/** A file of the page, in memory. */
export interface StaticFile {
  readonly content: Buffer
  readonly contentType: string
  /** Entity tag, with quotes. */
  readonly etag: string
}

/** Where files of the page are, and which of them are served. */
export interface StaticFolder {
  readonly directory: string
  /** With their dots. */
  readonly extensions: readonly string[]
  /** Sub-folders too. */
  readonly deep: boolean
}

const contentTypes: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.webmanifest': 'application/manifest+json'
}

const maxFiles = 200
const maxBytes = 8 * 1024 * 1024

/**
 * Reads all files of the page. What is served is this list and nothing else: a path of a request is looked up in it and never becomes one of the
 * file system.
 * @returns by path in the URL, `/` for the page itself
 * @throws ERR_DASHBOARD_PAGE when there is no `index.html`
 */
export async function readStaticFiles(folders: readonly StaticFolder[]): Promise<ReadonlyMap<string, StaticFile>> {
  const files = new Map<string, StaticFile>()
  let bytes = 0
  for (const folder of folders) {
    for (const path of await list(folder)) {
      const content = await readFile(path)
      bytes += content.length
      if (files.size >= maxFiles || bytes > maxBytes)
        throw dashboardErrors.create('ERR_DASHBOARD_PAGE', `There is too much in ${folder.directory}`)
      const name = `/${relative(folder.directory, path).split(sep).join('/')}`
      const etag = `"${createHash('sha256').update(content).digest('base64url').slice(0, 22)}"`
      const contentType = contentTypes[extname(path)] ?? 'application/octet-stream'
      if (!files.has(name)) files.set(name, { content, contentType, etag })
    }
  }
  const index = files.get('/index.html')
  if (index === undefined)
    throw dashboardErrors.create(
      'ERR_DASHBOARD_PAGE',
      `There is no index.html in ${folders.map(({ directory }) => directory).join(' or ')}`
    )
  files.set('/', index)
  return files
}

async function list({ directory, extensions, deep }: StaticFolder): Promise<string[]> {
  let entries: readonly Dirent[]
  try {
    entries = await readdir(directory, { recursive: deep, withFileTypes: true })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw dashboardErrors.create('ERR_DASHBOARD_PAGE', `${directory} cannot be read`, { cause: error })
  }
  return entries
    .filter((entry) => entry.isFile() && extensions.includes(extname(entry.name)))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
}

import { readFile, readdir } from 'node:fs/promises'
import { extname, join } from 'node:path'

export interface StaticFile {
  readonly bytes: Buffer
  readonly type: string
}

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml'
}

/** The files of the page by their path, read once: those of the folder itself and what was compiled. A request cannot name any other. */
export async function readStaticFiles(...folders: readonly string[]): Promise<ReadonlyMap<string, StaticFile>> {
  const files = new Map<string, StaticFile>()
  for (const folder of folders) {
    for (const name of await readdir(folder)) {
      const type = types[extname(name)]
      if (type !== undefined) files.set(name === 'index.html' ? '/' : `/${name}`, { bytes: await readFile(join(folder, name)), type })
    }
  }
  return files
}

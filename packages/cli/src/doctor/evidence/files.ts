import { readFileSync, readdirSync, readlinkSync } from 'node:fs'

/** The text of a file of the system; undefined where there is none, or it may not be read. */
export function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

/** The names in a directory; none where it may not be read. */
export function namesIn(path: string): string[] {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}

/** Where a symbolic link leads; undefined where that may not be known. */
export function linkAt(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch {
    return undefined
  }
}

import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { traceNames } from './trace-file.ts'

/**
 * Describes the tests of every recording whose name begins with `prefix`. The recordings do not belong to the repository: they lie in
 * `shared/traces` beside the checkout. Without them one pending test says so; in CI (`CI` is set) their absence is a failure.
 */
export function describeRecordings(title: string, prefix: string, describeOne: (name: string) => void): void {
  describe(title, () => {
    if (!recordingsExist() && (process.env['CI'] ?? '') === '') {
      it('cannot run: there is no folder shared/traces with recordings beside this checkout')
      return
    }
    for (const name of traceNames(prefix)) {
      describe(name, () => {
        describeOne(name)
      })
    }
  })
}

function recordingsExist(): boolean {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'shared', 'traces'))) return true
    if (folder === dirname(folder)) return false
  }
}

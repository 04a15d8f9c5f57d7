import { createHash } from 'node:crypto'

/** One text for what a database contains: documents and revisions, whatever order they come in. */
export function idsDigest(entries) {
  const hash = createHash('sha256')
  for (const [id, revId] of [...entries].sort(([a], [b]) => (a < b ? -1 : 1))) hash.update(`${id} ${revId}\n`)
  return hash.digest('hex')
}

import { TREE_PREFIX } from '../contracts/storage.ts'
import type { StoredChange, StoredDocument } from '../contracts/storage.ts'
import type { SqliteConnection, SqliteStatement } from './driver.ts'
import { textOf } from './text.ts'

/**
 * In the column `flags` of a row whose id was known to be new when it was inserted: the trigger of a split index need not look for it (id-index.ts).
 * No flag of the document, and above all that there are.
 */
export const KNOWN_NEW = 1 << 14

/** Prepared statements over one collection's table. */
export class CollectionStatements {
  readonly get: SqliteStatement
  readonly getChange: SqliteStatement
  readonly changesSince: SqliteStatement
  readonly documentsSince: SqliteStatement
  readonly documentsAfter: SqliteStatement
  readonly insert: SqliteStatement
  readonly replace: SqliteStatement
  readonly remove: SqliteStatement
  /** Only where the deleted bit stays as it is. */
  readonly update: SqliteStatement
  readonly updateDeleted: SqliteStatement
  readonly prefixTree: SqliteStatement

  constructor(connection: SqliteConnection, collection: number) {
    const table = `docs_${collection}`
    const hasPrefix = `substr(tree, 1, 1) = x'${TREE_PREFIX.toString(16).padStart(2, '0')}'`
    const change = `SELECT seq, id, rev, flags, CASE WHEN ${hasPrefix} THEN tree END AS tree, length(body) AS size FROM ${table}`
    const document = `SELECT seq, id, rev, flags, tree, body FROM ${table}`
    // The newest, where a split index has an older one, too (id-index.ts).
    const byId = `seq = (SELECT max(seq) FROM ids_${collection} WHERE id = ?)`
    this.get = connection.prepare(`${document} WHERE ${byId}`)
    this.getChange = connection.prepare(`${change} WHERE ${byId}`)
    this.changesSince = connection.prepare(`${change} WHERE seq > ? ORDER BY seq LIMIT ?`)
    this.documentsSince = connection.prepare(`${document} WHERE seq > ? ORDER BY seq LIMIT ?`)
    // In the order of the inner query: its limit keeps it from being taken apart, and no row of the outer one overtakes another. An older
    // sequence of an id has no document any more.
    this.documentsAfter = connection.prepare(
      `SELECT d.seq, d.id, d.rev, d.flags, d.tree, d.body FROM (SELECT id, seq FROM ids_${collection} WHERE id > ? ORDER BY id LIMIT -1) AS i
       CROSS JOIN ${table} AS d ON d.seq = i.seq WHERE d.flags & 1 = 0 LIMIT ?`
    )
    this.insert = connection.prepare(`INSERT OR IGNORE INTO ${table} (seq, id, rev, flags, tree, body) VALUES (?, ?, ?, ?, ?, ?)`)
    this.replace = connection.prepare(`UPDATE ${table} SET seq = ?, rev = ?, flags = ?, tree = ?, body = ? WHERE seq = ? AND id = ?`)
    this.remove = connection.prepare(`DELETE FROM ${table} WHERE ${byId} RETURNING flags`)
    this.update = connection.prepare(`UPDATE ${table} SET flags = ?, tree = ? WHERE ${byId} AND flags & 1 = ?`)
    this.updateDeleted = connection.prepare(`UPDATE ${table} SET flags = ?, tree = ? WHERE ${byId}`)
    // SQLite joins byte strings as they are, whatever they contain; it only calls the result a text.
    this.prefixTree = connection.prepare(
      `UPDATE ${table} SET tree = CAST(? || coalesce(tree, x'') AS BLOB)
       WHERE seq = ? AND id = ? AND rev = ? AND flags & ? = 0 AND (tree IS NULL OR NOT ${hasPrefix})`
    )
  }
}

interface DocumentRow {
  readonly seq: number
  readonly id: string
  readonly rev: string
  readonly flags: number
  readonly tree: Uint8Array | null
  readonly body: Uint8Array | null
}
interface ChangeRow {
  readonly seq: number
  readonly id: string
  readonly rev: string
  readonly flags: number
  readonly tree: Uint8Array | null
  readonly size: number | null
}

const NOTHING = new Uint8Array(0)

export function toDocument(row: unknown): StoredDocument {
  const { seq, id, rev, flags, tree, body } = row as DocumentRow
  return { id: textOf(id), sequence: seq, revId: rev, flags: flags & ~KNOWN_NEW, body: body ?? NOTHING, tree: tree ?? NOTHING }
}

export function toChange(row: unknown): StoredChange {
  const { seq, id, rev, flags, tree, size } = row as ChangeRow
  return { id: textOf(id), sequence: seq, revId: rev, flags: flags & ~KNOWN_NEW, bodySize: size ?? 0, tree: tree ?? NOTHING }
}

/** Empty byte strings are stored as NULL: shorter, and one of the bindings cannot bind an empty one. */
export function bytesOrNull(bytes: Uint8Array): Uint8Array | null {
  return bytes.length === 0 ? null : bytes
}

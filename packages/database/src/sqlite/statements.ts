import type { StoredChange, StoredDocument } from '../contracts/storage.ts'
import type { SqliteConnection, SqliteStatement } from './driver.ts'
import { textOf } from './text.ts'

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
  readonly fillTree: SqliteStatement

  constructor(connection: SqliteConnection, collection: number) {
    const table = `docs_${collection}`
    const change = `SELECT seq, id, rev, flags, tree, length(body) AS size FROM ${table}`
    const document = `SELECT seq, id, rev, flags, tree, body FROM ${table}`
    this.get = connection.prepare(`${document} WHERE id = ?`)
    this.getChange = connection.prepare(`${change} WHERE id = ?`)
    this.changesSince = connection.prepare(`${change} WHERE seq > ? ORDER BY seq LIMIT ?`)
    this.documentsSince = connection.prepare(`${document} WHERE seq > ? ORDER BY seq LIMIT ?`)
    this.documentsAfter = connection.prepare(`${document} WHERE id > ? AND flags & 1 = 0 ORDER BY id LIMIT ?`)
    this.insert = connection.prepare(
      `INSERT INTO ${table} (seq, id, rev, flags, tree, body) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`
    )
    this.replace = connection.prepare(`UPDATE ${table} SET seq = ?, rev = ?, flags = ?, tree = ?, body = ? WHERE seq = ? AND id = ?`)
    this.remove = connection.prepare(`DELETE FROM ${table} WHERE id = ? RETURNING flags`)
    this.update = connection.prepare(`UPDATE ${table} SET flags = ?, tree = ? WHERE id = ? AND flags & 1 = ?`)
    this.updateDeleted = connection.prepare(`UPDATE ${table} SET flags = ?, tree = ? WHERE id = ?`)
    this.fillTree = connection.prepare(`UPDATE ${table} SET tree = ? WHERE seq = ? AND id = ? AND rev = ? AND tree IS NULL`)
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
  return { id: textOf(id), sequence: seq, revId: rev, flags, body: body ?? NOTHING, tree: tree ?? NOTHING }
}

export function toChange(row: unknown): StoredChange {
  const { seq, id, rev, flags, tree, size } = row as ChangeRow
  return { id: textOf(id), sequence: seq, revId: rev, flags, bodySize: size ?? 0, tree: tree ?? NOTHING }
}

/** Empty byte strings are stored as NULL: shorter, and one of the bindings cannot bind an empty one. */
export function bytesOrNull(bytes: Uint8Array): Uint8Array | null {
  return bytes.length === 0 ? null : bytes
}

import { Database } from '@kithmesh/database'

/** What a comparison of two database directories found. */
export interface Comparison {
  readonly documents: number
  readonly blobs: number
  /** One sentence per difference; empty when both are equal. */
  readonly differences: readonly string[]
}

interface Content {
  readonly documents: Map<string, { readonly revId: string; readonly json: string }>
  readonly blobs: Map<string, Buffer>
}

/** Opens both directories afresh and compares them document by document and blob by blob. */
export async function compareDatabases(left: string, right: string): Promise<Comparison> {
  const [a, b] = [await readContent(left), await readContent(right)]
  const differences = [
    ...compare('document', a.documents, b.documents, (x, y) => x.revId === y.revId && x.json === y.json),
    ...compare('blob', a.blobs, b.blobs, (x, y) => x.equals(y))
  ]
  return { documents: a.documents.size, blobs: a.blobs.size, differences }
}

function compare<T>(kind: string, a: ReadonlyMap<string, T>, b: ReadonlyMap<string, T>, same: (x: T, y: T) => boolean): string[] {
  return [...new Set([...a.keys(), ...b.keys()])].flatMap((key) => {
    const [x, y] = [a.get(key), b.get(key)]
    if (x === undefined || y === undefined) return [`${kind} ${key} is only ${x === undefined ? 'in the second' : 'in the first'} database`]
    return same(x, y) ? [] : [`${kind} ${key} differs`]
  })
}

async function readContent(directory: string): Promise<Content> {
  const database = await Database.open(directory, { createIfMissing: false })
  try {
    const content: Content = { documents: new Map(), blobs: new Map() }
    for (const document of database.collection().documents()) {
      content.documents.set(document.id, { revId: document.revId, json: document.json().toString('utf8') })
      for (const value of Object.values(document.body as Record<string, unknown>)) {
        const digest = (value as { digest?: unknown } | null)?.digest
        if (typeof digest !== 'string') continue
        const bytes = await database.blobs.readBlob(digest)
        if (bytes === undefined) throw new Error(`The picture ${digest} of ${document.id} is missing in ${directory}`)
        content.blobs.set(digest, bytes)
      }
    }
    return content
  } finally {
    await database.close()
  }
}

import { type Collection, Database } from '@kithmesh/database'
import { parseCollection } from './options.ts'

/** Opens a database directory for one command and closes it afterwards, whatever happens. */
export async function withDatabase<T>(directory: string, create: boolean, use: (database: Database) => Promise<T>): Promise<T> {
  const database = await Database.open(directory, { createIfMissing: create, watch: false })
  try {
    return await use(database)
  } finally {
    await database.close()
  }
}

/** The collection an option names, made first when `create` says so; the default one without. */
export function collectionOf(database: Database, option: string | undefined, create = false): Collection {
  if (option === undefined) return database.collection()
  const { scope, name } = parseCollection(option)
  return database.collection(name, scope, { create })
}

import { figure } from '../statistics.mjs'

/** PouchDB 9 between two processes, once: what an application in Node would use otherwise. */
export async function pouchdb({ stage, documents, say }) {
  const active = stage.start('pouchdb')
  const passive = stage.start('pouchdb')
  await active.ask({ do: 'load', directory: stage.directory(), documents })
  const port = await passive.ask({ do: 'serve', directory: stage.directory() })
  const { ms, errors } = await active.ask({ do: 'push', port })
  if (errors > 0 || (await passive.ask({ do: 'count' })) !== documents) throw new Error('PouchDB did not push everything')
  await stage.stop(active, passive)
  say('  once')
  return [figure('PouchDB 9, push', 'documents/s', [(documents / ms) * 1000])]
}

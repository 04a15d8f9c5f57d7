import { duplexPair } from 'node:stream'
import { silentLogger } from '@kithmesh/core'
import type { Logger } from '@kithmesh/core'
import { Database } from '@kithmesh/database'
import type { DocumentVersioning } from '@kithmesh/database/replication'
import { sqliteEngine } from '@kithmesh/database/storage'
import { createWebSocketAcceptor, openWebSocket } from '@kithmesh/websocket'
import { socketEndpoint } from './endpoint.ts'
import type { ReplicatorEndpoint } from './endpoint.ts'
import { serveReplication } from './listener/serve-replication.ts'
import { Replicator } from './replicator.ts'

/** The first round compiles, the second has what a second connection does otherwise, and an edit in place of a new document. */
const ROUNDS = 2
/** With 5, V8 began to optimize in the middle of the first true session, which took its listener 8 ms of processor time more. */
const DOCUMENTS = 20

const done = new Map<DocumentVersioning, Promise<void>>()

/**
 * Has V8 compile what a replication runs, so that the first one of a process takes hardly longer than later ones: two databases in memory replicate a few
 * documents over a pair of streams. Takes 50 to 70 ms of a fast processor, once per process and kind of versioning; later calls return at
 * once. A listener does it when it is started. Call it yourself where a replicator is to be quick at its first start.
 * Never rejects: what fails here is logged, and costs the first replication some time.
 */
export function warmUp(options: { readonly versioning?: DocumentVersioning; readonly logger?: Logger } = {}): Promise<void> {
  const { versioning = 'rev-trees', logger = silentLogger } = options
  let rehearsal = done.get(versioning)
  if (rehearsal === undefined) {
    rehearsal = rehearse(versioning).catch((error: unknown) => {
      logger.debug('The rehearsal of a replication failed', { error })
    })
    done.set(versioning, rehearsal)
  }
  return rehearsal
}

function rehearse(versioning: DocumentVersioning): Promise<void> {
  return withDatabase(versioning, (here) =>
    withDatabase(versioning, async (there) => {
      const endpoint = endpointOf(there)
      for (let round = 0; round < ROUNDS; round++) {
        putDocuments(here, 'here', round)
        putDocuments(there, 'there', round)
        await replicateOnce(here, endpoint)
      }
    })
  )
}

async function withDatabase(versioning: DocumentVersioning, work: (database: Database) => Promise<void>): Promise<void> {
  const database = await Database.open(':memory:', { engine: sqliteEngine(), versioning })
  try {
    await work(database)
  } finally {
    await database.close()
  }
}

function putDocuments(database: Database, name: string, round: number): void {
  database.collection().putMany(Array.from({ length: DOCUMENTS }, (_, n) => ({ id: `${name} ${n}`, body: { round, name } })))
}

async function replicateOnce(database: Database, endpoint: ReplicatorEndpoint): Promise<void> {
  const replicator = new Replicator({ database, endpoint, type: 'push-and-pull', maxAttempts: 1 })
  replicator.start()
  const { error } = await replicator.finished()
  if (error !== undefined) throw error
}

/** The other database, behind a WebSocket over nothing but memory. */
function endpointOf(database: Database): ReplicatorEndpoint {
  return socketEndpoint({
    uid: 'warm-up',
    open: async ({ signal, protocols }) => {
      const [near, far] = duplexPair()
      const acceptor = createWebSocketAcceptor({
        selectProtocol: ([best]) => best,
        onConnection: (socket) => {
          serveReplication(socket, { database })
        }
      })
      acceptor.accept(far, undefined)
      const { socket } = await openWebSocket(near, { url: 'ws://warm-up/_blipsync', protocols, signal })
      return socket
    }
  })
}

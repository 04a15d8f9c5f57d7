/**
 * The view of a database that replicators work on.
 *
 * @example
 * import { Database } from '@kithmesh/database'
 * import { replicationStore } from '@kithmesh/database/replication'
 *
 * const database = await Database.open(':memory:')
 * const items = replicationStore(database).collection('_default', '_default')
 * items?.insertRevisions([{ id: 'pen', revId: '1-0a', deleted: false, history: [], body: Buffer.from('{"qty":3}'), hasBlobs: false, onConflict: 'refuse' }])
 * await database.close()
 *
 * @packageDocumentation
 */
export type {
  BlobAccess,
  BlobReader,
  BlobWriter,
  ChangeEntry,
  ConflictResolution,
  ConflictedDocument,
  DeltaPeer,
  DocumentVersioning,
  IncomingRevision,
  InsertOutcome,
  ReplicationCollection,
  ReplicationStore,
  RevisionForPush
} from './contracts/replication.ts'
export { blobsIn, checkBody, parseBody } from './body-check.ts'
export type { BlobReference, CheckBodyOptions, CheckedBody } from './body-check.ts'
export { replicationStore } from './replication-store.ts'
export { compareRevisionIds, compareRevisions, eraOf, generationOf, isHistory, isRevisionId } from './trees/rev-id.ts'
export type { Ranked } from './trees/rev-id.ts'
export { makeLiftId, makeRevisionId, tombstoneIdFor } from './trees/rev-digest.ts'
export { canonicalJson } from './canonical-json.ts'
export { isVersion, compareVersions } from './vectors/version.ts'
export { legacyVersion } from './vectors/legacy.ts'
export { compareVersionsForWin } from './vectors/win-order.ts'
export type { ConflictSide } from './vectors/win-order.ts'
export { formatHistory, formatVector, headOf, isVectorHistory, parseHistory, parseVector } from './vectors/wire-form.ts'
export type { FullVector, VectorHistory } from './vectors/wire-form.ts'
export { vectorCovers } from './vectors/covers.ts'

import type { ReplicationStore } from '@kithmesh/database/replication'
import { vectorVersioning } from './vector-versioning.ts'
import { treeVersioning } from './versioning.ts'
import type { Versioning } from './versioning.ts'

/** The protocol's view of the scheme in which a database names its revisions. */
export function versioningOf({ versioning }: Pick<ReplicationStore, 'versioning'>): Versioning {
  return versioning === 'version-vectors' ? vectorVersioning : treeVersioning
}

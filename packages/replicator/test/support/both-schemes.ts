import type { DocumentVersioning } from '@kithmesh/database/replication'
import { MemoryStore } from './memory-store.ts'
import { VectorMemoryStore } from './vector-memory-store.ts'

/** What a test of both schemes is given. */
export interface Scheme {
  readonly versioning: DocumentVersioning
  newStore(collections?: readonly string[]): MemoryStore
}

const SCHEMES: readonly Scheme[] = [
  { versioning: 'rev-trees', newStore: (collections) => new MemoryStore(collections) },
  { versioning: 'version-vectors', newStore: (collections) => new VectorMemoryStore(collections) }
]

/** Describes the same tests for revision trees and for version vectors. */
export function describeInBothSchemes(title: string, describeOne: (scheme: Scheme) => void): void {
  for (const scheme of SCHEMES) {
    describe(`${title}, with ${scheme.versioning}`, () => {
      describeOne(scheme)
    })
  }
}

import type { MeshLink } from '../contracts.ts'
import type { LinkEnvironment } from '../link/link-environment.ts'
import type { MeshTopology } from '../topology/mesh-topology.ts'
import type { Quarantine } from '../topology/quarantine.ts'

/** What links share, but for what this class answers itself. */
export type LinksEnvironment = Omit<LinkEnvironment, 'events' | 'closing'> & {
  /** Keep connections of devices of whom one side does not trust the other. `before`: it did. */
  keepsRestricted(before: boolean): boolean
  readonly topology: MeshTopology
  readonly quarantine: Quarantine
}

/** A neighbour, for those who ask often. */
export interface Neighbour {
  readonly peerId: string
  readonly state: MeshLink['state']
}

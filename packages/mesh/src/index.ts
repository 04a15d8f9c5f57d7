/**
 * Finds the devices of a group through every discovery provider, keeps one authenticated link with each, and a database in
 * sync over them, continuously and both ways.
 *
 * @example
 * import { createPeerDiscovery } from '@kithmesh/core'
 * import { Database } from '@kithmesh/database'
 * import { openOrCreateIdentity, pinnedPeers } from '@kithmesh/identity'
 * import { createMesh } from '@kithmesh/mesh'
 * import { dnssd } from '@kithmesh/provider-dnssd'
 * import { direct } from '@kithmesh/transport-direct'
 *
 * const database = await Database.open('./shop')
 * const identity = await openOrCreateIdentity('./shop', { commonName: 'shop' })
 * const discovery = createPeerDiscovery({
 *   peerGroupId: 'com.example.inventory', localPeerId: identity.peerId, providers: [dnssd()], transports: [direct()]
 * })
 * const warehouse = '6b2faab9'.repeat(8)
 * const mesh = createMesh({ discovery, database, identity, authenticator: pinnedPeers([warehouse]), displayName: 'Shop' })
 * mesh.onChanged(() => { console.log(mesh.links, mesh.statistics) })
 * await mesh.start()
 *
 * @packageDocumentation
 */
import type { Mesh, MeshOptions } from './contracts.ts'
import { GroupMesh } from './mesh.ts'

export type { LinkState, LinkTraffic, Mesh, MeshLink, MeshOptions, MeshPeer, MeshStatistics } from './contracts.ts'
export type { DeviceExplanation, LinkDecision } from './explanation.ts'
export type { MeshCollection, MeshConflict, MeshConflictResolver } from './engine/collections.ts'
export type { MeshMember } from './members/member-link.ts'
export type { MeshOutcome } from './one-shot.ts'
export type { InboundLimits } from './admission/admission.ts'
export type { LinkDegrees, MeshChannelOptions } from './engine/contracts.ts'
export { introductions } from './introductions.ts'
export type { Introductions, IntroductionsOptions } from './introductions.ts'
export { meshErrors } from './errors.ts'
export type { OffenceKind } from './topology/offences.ts'
export type { QuarantinedDevice } from './topology/quarantine.ts'

/** Makes a mesh; nothing happens before `start`. */
export function createMesh(options: MeshOptions): Mesh {
  return new GroupMesh(options)
}

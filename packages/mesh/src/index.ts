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

export type { LinkState, Mesh, MeshLink, MeshOptions, MeshStatistics } from './contracts.ts'
export { meshErrors } from './error-catalogue.ts'

/** Makes a mesh; nothing happens before `start`. */
export function createMesh(options: MeshOptions): Mesh {
  return new GroupMesh(options)
}

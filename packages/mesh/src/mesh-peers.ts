import type { MeshPeer } from './contracts.ts'
import type { MeshEngine } from './engine/mesh-engine.ts'

/** What gossip tells of everybody, with what is known here of our links. */
export function meshPeers({ links, topology }: Pick<MeshEngine, 'links' | 'topology'>): readonly MeshPeer[] {
  const byId = new Map(links.map((link) => [link.deviceId, link]))
  return topology.map(({ id, neighbours, reached }) => {
    const link = byId.get(id)
    return { peerId: id, displayName: link?.displayName, neighbours, reached, link }
  })
}

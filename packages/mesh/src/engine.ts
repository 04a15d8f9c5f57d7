/**
 * The part of a mesh that needs no sockets: for simulators, and for programs with connections of their own.
 *
 * @example
 * ```ts
 * import { Database } from '@kithmesh/database'
 * import { type Connector, MeshEngine } from '@kithmesh/mesh/engine'
 *
 * const connector: Connector = {
 *   dial: async (deviceId) => {
 *     throw new Error(`there is no way to ${deviceId}`)
 *   }
 * }
 * const database = await Database.open(':memory:')
 * const engine = new MeshEngine({ localPeerId: '01'.repeat(32), displayName: 'Shop', connector, database })
 * engine.start()
 * engine.found({ id: '02'.repeat(32), displayName: 'Warehouse', fresh: true })
 * console.log(engine.links)
 * await engine.stop()
 * await database.close()
 * ```
 *
 * @packageDocumentation
 */
export type { LinkState, LinkTraffic, MeshLink, MeshStatistics } from './contracts.ts'
export type {
  Connector,
  ConnectorDialOptions,
  FoundDevice,
  LinkDegrees,
  MeshChannelOptions,
  MeshConnection,
  MeshEngineOptions,
  Scheduler
} from './engine/contracts.ts'
export type { MeshCollection, MeshConflict, MeshConflictResolver } from './engine/collections.ts'
export type { MeshMember } from './members/member-link.ts'
export type { Neighbour } from './engine/links-environment.ts'
export type { ControlListener } from './engine/control-messages.ts'
export type { OffenceKind } from './topology/offences.ts'
export type { QuarantinedDevice } from './topology/quarantine.ts'
export type { TopologyPeer } from './topology/topology-table.ts'
export { RingPlaces } from './topology/ring-plan.ts'
export type { RingPlace } from './topology/ring-plan.ts'
export { MeshEngine } from './engine/mesh-engine.ts'
export { TopologyCodec } from './topology/topology-codec.ts'
export type { TopologyMessage } from './topology/topology-codec.ts'
export type { TopologyRecord } from './topology/topology-record.ts'
export type { Refused } from './engine/link-diagnostics.ts'
export type { DeviceStanding, PassOverReason, WantReason } from './topology/contracts.ts'

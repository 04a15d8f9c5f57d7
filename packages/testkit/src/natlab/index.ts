/**
 * A laboratory of NATs: two peers behind routers of your choice and an internet with a broker and a STUN and TURN server, made of
 * network namespaces on one Linux machine. Real packets and real programs; nothing reaches the machine's own network.
 *
 * @example
 * import { createNatLab } from '@kithmesh/testkit/natlab'
 *
 * if (process.platform === 'linux' && process.getuid?.() === 0) {
 *   const lab = await createNatLab({ a: 'port-restricted', b: { kind: 'symmetric-random', unsolicited: 'rst' } })
 *   console.log(await lab.exec('a', 'ping', ['-c', '1', lab.servers.ipv4[0]]).catch((error: Error) => error.message))
 *   await lab.setNat('b', 'full-cone')
 *   await lab.dispose()
 * }
 *
 * @packageDocumentation
 */
export { serverAddresses } from './addresses.ts'
export type { PeerAddresses } from './addresses.ts'
export { natlabErrors } from './errors.ts'
export { createNatLab } from './nat-lab.ts'
export type { ExecOptions, FlushOptions, NatLab, SetNatOptions } from './nat-lab.ts'
export { natKinds } from './options.ts'
export type {
  BehindA,
  LabHost,
  LabSide,
  NatKind,
  NatLabOptions,
  NatOptions,
  SideOptions,
  UnsolicitedPolicy
} from './options.ts'
export type { CoturnOptions, LabBroker, LabServer, LabTurnServer, MosquittoOptions } from './servers.ts'
export type { Slowing } from './topology.ts'

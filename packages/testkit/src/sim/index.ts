/**
 * A mesh of hundreds of peers inside one process: the real engines, sessions, revisions and conflict resolution on a network that is simulated, in virtual
 * time and from a seed. The same seed gives the same run.
 *
 * @example
 * import { simulate } from '@kithmesh/testkit/sim'
 *
 * const report = await simulate({
 *   peers: 12,
 *   documents: 100,
 *   seed: 7,
 *   network: { latencyMs: [5, 60], loss: 0.02 },
 *   conflictResolver: ({ local, remote }) => ({ take: 'merged', body: { ...local.body, ...remote.body } }),
 *   schedule: async (simulation) => {
 *     for (const peer of simulation.peers) peer.database.collection().put('shared', { [peer.name]: true })
 *     await simulation.pass(10_000)
 *   }
 * })
 * console.log(report.converged, report.virtualSeconds, report.degree)
 * await report.simulation.end()
 *
 * @packageDocumentation
 */
export { BlipEnd } from './blip-end.ts'
export type { BlipEndOptions } from './blip-end.ts'
export { SimDiscovery } from './discovery.ts'
export type { DiscoveryMember, DiscoveryOptions } from './discovery.ts'
export { SimNetwork } from './network.ts'
export type { NetworkOptions, NetworkTotals } from './network.ts'
export { PeerTime } from './peer-time.ts'
export { Pipe, PipeEnd } from './pipe.ts'
export { SeededRandom } from './random.ts'
export { Trace } from './trace.ts'
export { VirtualTime } from './virtual-time.ts'
export type { RunLimits, VirtualEvent, VirtualScheduler } from './virtual-time.ts'
export { Contents, componentsOf, degreesOf, hasNoConflicts, isConnected, linksOf, liveDocuments } from './checks.ts'
export type { DegreeDistribution } from './checks.ts'
export { SimPeer } from './peer.ts'
export type { Judgement } from './peer.ts'
export { SimServer } from './server.ts'
export { simulate } from './simulate.ts'
export type { SimulateOptions, SimulationProgress, SimulationReport } from './simulate.ts'
export { Simulation } from './simulation.ts'
export type { PeerOptions, SimEngine, SimMeshOptions, SimulationOptions } from './simulation-options.ts'
export { playRandomSchedule } from './random-schedule.ts'
export type { RandomScheduleOptions, RandomScheduleOutcome } from './random-schedule.ts'
export { describeStep, drawSteps } from './random-steps.ts'
export type { RandomStep, StepWeights } from './random-steps.ts'

import { Contents, componentsOf, degreesOf, hasNoConflicts, linksOf, liveDocuments } from './checks.ts'
import type { DegreeDistribution } from './checks.ts'
import type { SimPeer } from './peer.ts'
import { Simulation } from './simulation.ts'
import type { PeerOptions, SimulationOptions } from './simulation-options.ts'

/** What {@link simulate} is to play. */
export interface SimulateOptions extends SimulationOptions {
  readonly peers: number
  /** Written at random peers before they start. @default 0 */
  readonly documents?: number
  /** Size of each document's JSON, about. @default 120 */
  readonly documentBytes?: number
  /** Of each peer. */
  readonly peer?: (index: number) => PeerOptions
  /**
   * What happens between the start and the end: called when all peers run, resolves when nothing more happens. It lets time pass itself, with
   * {@link Simulation.pass} and {@link Simulation.until}. Afterwards all that runs has to become equal.
   */
  readonly schedule?: (simulation: Simulation) => Promise<void>
  /** Afterwards so many peers vanish without a word, 0 to 1, and the others have to be connected again. @default 0 */
  readonly vanish?: number
  /** Virtual seconds for becoming connected and equal. @default 600 */
  readonly limitSeconds?: number
  /** Called now and then. */
  readonly onProgress?: (progress: SimulationProgress) => void
}

/** How far a simulation has come. */
export interface SimulationProgress {
  readonly phase: 'making' | 'connecting' | 'replicating' | 'healing'
  readonly virtualSeconds: number
  /** Between 0 and 1. */
  readonly done: number
}

/** What came of it. */
export interface SimulationReport {
  /** All running peers have the same documents, revisions and contents, and nothing is in conflict. */
  readonly converged: boolean
  /** From the start until then; until the limit if they are not. */
  readonly virtualSeconds: number
  /** Documents sent, with repetitions, by documents and by peers that lacked them: 1 means that nothing went twice. */
  readonly transfersPerDocumentAndPeer: number
  /** Links of a peer, at the end; both ends have them. */
  readonly degree: Pick<DegreeDistribution, 'min' | 'median' | 'max'>
  readonly degreeHistogram: readonly number[]
  /** Highest number of links that any peer had whenever it was looked. */
  readonly highestDegree: number
  /** Until there was a way over links from every peer to every other. */
  readonly connectedSeconds: number | undefined
  readonly messagesPerPeer: number
  readonly bytesPerPeer: number
  readonly vanished: number
  /** After some vanished: until the others were connected again. */
  readonly healSeconds: number | undefined
  /** After some vanished: what was written then was everywhere. */
  readonly convergedAfterwards: boolean | undefined
  readonly dials: number
  readonly connections: number
  /** Requests by their profile. */
  readonly requests: Readonly<Record<string, number>>
  readonly seed: string
  /** Equal for equal runs. */
  readonly trace: string
  readonly simulation: Simulation
}

const POLL_MS = 250

/**
 * Plays a mesh in virtual time: real engines, sessions, revisions and conflict resolution on a simulated network. Depends on the options and their seed
 * alone. The databases can be looked at afterwards through `report.simulation`, which {@link Simulation.end} lets go of.
 *
 * @example
 * const report = await simulate({ peers: 12, documents: 100, seed: 7, conflictResolver: myResolver })
 * if (!report.converged) throw new Error(`seed ${report.seed} does not converge`)
 */
export async function simulate(options: SimulateOptions): Promise<SimulationReport> {
  const { documents = 0, limitSeconds = 600, vanish = 0, onProgress = () => {} } = options
  const simulation = new Simulation({ capacity: Math.max(64, options.peers), ...options })
  for (let index = 0; index < options.peers; index++) await simulation.addPeer(options.peer?.(index))
  write(simulation, documents, options.documentBytes ?? 120)
  for (const peer of simulation.peers) peer.start()

  const limitMs = limitSeconds * 1000
  const contents = new Contents()
  let highestDegree = 0
  const running = (): typeof simulation.peers => simulation.peers.filter((peer) => peer.running)
  const tell = (phase: SimulationProgress['phase'], done: number): void => {
    for (const peer of simulation.peers) highestDegree = Math.max(highestDegree, peer.neighbours().length)
    onProgress({ phase, virtualSeconds: simulation.time.now / 1000, done })
  }
  const connected = (phase: SimulationProgress['phase']): boolean => {
    const peers = running()
    const components = componentsOf(linksOf(peers))
    tell(phase, (components[0]?.length ?? 0) / Math.max(1, peers.length))
    return components.length <= 1
  }
  const connectedMs = await simulation.until(() => connected('connecting'), { withinMs: limitMs, everyMs: POLL_MS })
  await options.schedule?.(simulation)
  const settled = (): boolean => {
    const peers = running()
    tell('replicating', shareOf(peers, documents))
    return contents.agree(peers) && peers.every(hasNoConflicts)
  }
  const converged = (await simulation.until(settled, { withinMs: limitMs, everyMs: POLL_MS })) !== undefined
  const virtualSeconds = simulation.time.now / 1000
  const revisions = simulation.network.totals.requests.get('rev') ?? 0
  const lacking = documents * (options.peers - 1)
  const degree = degreesOf(linksOf(running()))

  let healMs: number | undefined
  let convergedAfterwards: boolean | undefined
  const vanished = simulation.random
    .fork('vanish')
    .shuffled(running())
    .slice(0, Math.round(vanish * options.peers))
  if (vanished.length > 0) {
    for (const peer of vanished) peer.vanish()
    healMs = await simulation.until(() => connected('healing'), { withinMs: 120_000, everyMs: 100 })
    running()[0]?.database.collection().put('after', { written: 'after they vanished' })
    convergedAfterwards = (await simulation.until(() => contents.agree(running()), { withinMs: 120_000, everyMs: POLL_MS })) !== undefined
  }
  const { totals } = simulation.network
  return {
    converged,
    virtualSeconds,
    transfersPerDocumentAndPeer: lacking === 0 ? 0 : revisions / lacking,
    degree: { min: degree.min, median: degree.median, max: degree.max },
    degreeHistogram: degree.histogram,
    highestDegree,
    connectedSeconds: inSeconds(connectedMs),
    messagesPerPeer: totals.messages / options.peers,
    bytesPerPeer: totals.bytes / options.peers,
    vanished: vanished.length,
    healSeconds: inSeconds(healMs),
    convergedAfterwards,
    dials: totals.dials,
    connections: totals.connections,
    requests: Object.fromEntries(totals.requests),
    seed: simulation.seed,
    trace: simulation.trace.hash,
    simulation
  }
}

/** Documents at random peers. */
function write(simulation: Simulation, documents: number, bytes: number): void {
  const random = simulation.random.fork('documents')
  for (let n = 0; n < documents; n++) {
    const body = { number: n, text: random.hex(Math.max(1, bytes - 30)) }
    random.pick(simulation.peers).database.collection().put(`document-${n}`, body)
  }
}

/** How much of what there is the poorest peer has. */
function shareOf(peers: readonly SimPeer[], documents: number): number {
  if (documents === 0) return 1
  return Math.min(...peers.map(liveDocuments)) / documents
}

function inSeconds(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : ms / 1000
}

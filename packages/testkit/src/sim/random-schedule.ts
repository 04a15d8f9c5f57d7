import type { ConflictResolver } from '@kithmesh/replicator'
import { Contents, componentsOf, hasNoConflicts, linksOf, liveDocuments } from './checks.ts'
import type { SimPeer } from './peer.ts'
import { SeededRandom } from './random.ts'
import { describeStep, drawSteps } from './random-steps.ts'
import type { RandomStep, StepWeights } from './random-steps.ts'
import { Simulation } from './simulation.ts'
import type { SimulationOptions } from './simulation-options.ts'

/** What a random schedule is drawn from, and what it is played with. */
export interface RandomScheduleOptions extends Omit<SimulationOptions, 'seed' | 'capacity'> {
  readonly seed: number | string
  /** @default 3 to 8, by the seed */
  readonly peers?: number
  /** @default 10 to 60, by the seed */
  readonly steps?: number
  /** How often each kind of step comes, in proportion; 0 leaves one out. */
  readonly weights?: StepWeights
  /** These instead of drawn ones. */
  readonly script?: readonly RandomStep[]
  /** The resolver keeps the fields of both sides, so that no write may be missing in the end. @default true for the default resolver */
  readonly keepsFields?: boolean
  /** Links that no peer may ever exceed. @default not looked at */
  readonly maxDegree?: number
  /** Virtual seconds for becoming equal after the last step. @default 240 */
  readonly limitSeconds?: number
}

/** What came of it. */
export interface RandomScheduleOutcome {
  /** What does not hold, in words; empty when all is well. */
  readonly problems: readonly string[]
  readonly peers: number
  readonly script: readonly RandomStep[]
  /** From the last step until all were equal. */
  readonly settledSeconds: number | undefined
  readonly virtualSeconds: number
  readonly revisionsSent: number
  readonly trace: string
  /** The last events, oldest first, as many as `keepTrace` says. */
  readonly lastEvents: readonly string[]
}

/** Keeps the fields of both; of a field that both have, the greater value. The same on every peer, whichever side it has the revision on. */
const keepBoth: ConflictResolver = ({ local, remote }) => ({
  take: 'merged',
  body: Object.fromEntries(
    [...new Set([...Object.keys(local.body), ...Object.keys(remote.body)])].sort().map((key) => {
      const [a, b] = [local.body[key], remote.body[key]]
      return [key, b === undefined || (a !== undefined && JSON.stringify(a) >= JSON.stringify(b)) ? a : b]
    })
  ) as typeof local.body
})

/**
 * Plays a small mesh through a random schedule of writes, deletions, conflicts, cuts, divisions, crashes and restarts, and looks whether what must hold does:
 * - all end with the same documents, revisions and contents, and nothing stays in conflict;
 * - no write is lost: with a resolver that keeps the fields of both (the default here), every field ever written is in the document, unless somebody deleted it;
 * - the links join all in the end, and no peer ever has more than it may.
 *
 * Everything follows from the seed.
 *
 * @example
 * for (let seed = 1; seed <= 100; seed++) {
 *   const { problems, script } = await playRandomSchedule({ seed, mesh: { conflictResolver: myResolver } })
 *   if (problems.length > 0) throw new Error(`seed ${seed}: ${problems.join('; ')}\n${script.map(describeStep).join('\n')}`)
 * }
 */
export async function playRandomSchedule(options: RandomScheduleOptions): Promise<RandomScheduleOutcome> {
  const play = new Play(options)
  try {
    return await play.run()
  } finally {
    await play.simulation.end()
  }
}

class Play {
  readonly simulation: Simulation
  readonly #options: RandomScheduleOptions
  readonly #random: SeededRandom
  readonly #count: number
  readonly #script: readonly RandomStep[]
  readonly #problems: string[] = []
  /** Fields that have to be in a document in the end; undefined once anybody deleted it. */
  readonly #written = new Map<string, Set<string> | undefined>()
  readonly #cuts = new Set<string>()
  readonly #overloaded = new Set<SimPeer>()
  #writes = 0

  constructor(options: RandomScheduleOptions) {
    this.#options = options
    this.#random = new SeededRandom(options.seed).fork('schedule')
    const random = this.#random
    this.#count = options.peers ?? 3 + random.below(6)
    const documents = 1 + random.below(6)
    const steps = options.steps ?? 10 + random.below(51)
    this.#script = options.script ?? drawSteps(random.fork('steps'), this.#count, documents, steps, options.weights)
    const lossy = random.chance(0.3)
    this.simulation = new Simulation({
      ...(random.chance(0.5) ? { versioning: 'version-vectors' } : {}),
      network: { latencyMs: [1, random.pick([5, 30, 200])], jitterMs: 5, loss: lossy ? 0.05 : 0 },
      discovery: { ttlMs: 20_000, loss: lossy ? 0.2 : 0 },
      conflictResolver: keepBoth,
      ...options,
      capacity: this.#count
    })
  }

  async run(): Promise<RandomScheduleOutcome> {
    const { simulation } = this
    for (let index = 0; index < this.#count; index++)
      await simulation.addPeer({ clockSkewMs: this.#random.chance(0.3) ? this.#random.below(10_000) - 5000 : 0 })
    for (const peer of simulation.peers) peer.start()
    for (const step of this.#script) {
      await simulation.pass(step.afterMs)
      await this.#take(step)
      this.#checkDegrees()
    }
    await this.#restore()
    const settledMs = await this.#settle()
    if (settledMs !== undefined) this.#checkWrites()
    return {
      problems: this.#problems,
      peers: this.#count,
      script: this.#script,
      settledSeconds: settledMs === undefined ? undefined : settledMs / 1000,
      virtualSeconds: simulation.time.now / 1000,
      revisionsSent: simulation.network.totals.requests.get('rev') ?? 0,
      trace: simulation.trace.hash,
      lastEvents: [...simulation.trace.last]
    }
  }

  async #take(step: RandomStep): Promise<void> {
    const { network, trace, time } = this.simulation
    trace.say(time.now, describeStep(step))
    switch (step.kind) {
      case 'write':
        this.#write(this.#peer(step.peer), step.document)
        return
      case 'conflict':
        for (const peer of step.peers) this.#write(this.#peer(peer), step.document)
        return
      case 'delete':
        this.#delete(this.#peer(step.peer), step.document)
        return
      case 'cut':
      case 'join':
        network.block(step.peer, step.other, step.kind === 'cut')
        if (step.kind === 'cut') this.#cuts.add(`${step.peer} ${step.other}`)
        return
      case 'divide':
        network.partition(new Map(step.part.map((host) => [host, 1])))
        return
      case 'heal':
        network.heal()
        return
      case 'shelter':
      case 'open':
        network.shelter(step.peer, step.kind === 'shelter')
        return
      default:
        await this.#goOrCome(step.kind, this.#peer(step.peer))
    }
  }

  async #goOrCome(kind: 'vanish' | 'stop' | 'start', peer: SimPeer): Promise<void> {
    if (kind === 'vanish') peer.vanish()
    else if (kind === 'stop') void peer.stop()
    else if (!peer.running && !peer.stopping) {
      await peer.restart()
      peer.start()
    }
  }

  #write(peer: SimPeer, document: number): void {
    const id = `document-${document}`
    const collection = peer.database.collection()
    const field = `write-${++this.#writes}`
    const before = collection.get(id)
    collection.put(id, { ...before?.body, [field]: peer.host })
    const fields = this.#written.has(id) ? this.#written.get(id) : new Set<string>()
    this.#written.set(id, fields?.add(field))
  }

  #delete(peer: SimPeer, document: number): void {
    const id = `document-${document}`
    const collection = peer.database.collection()
    if (collection.get(id) === undefined) return
    collection.remove(id)
    this.#written.set(id, undefined)
  }

  /** Everybody back, and one network for all. */
  async #restore(): Promise<void> {
    const { simulation } = this
    simulation.network.heal()
    for (const cut of this.#cuts) {
      const [a, b] = cut.split(' ').map(Number) as [number, number]
      simulation.network.block(a, b, false)
    }
    // Some stay as they are: one that can dial and not be dialled is no worse a member.
    const sheltered = simulation.peers.filter((peer) => !simulation.network.canDial((peer.host + 1) % this.#count, peer.host))
    if (sheltered.length > 1) for (const { host } of sheltered) simulation.network.shelter(host, false)
    await simulation.until(() => !simulation.peers.some((peer) => peer.stopping), { withinMs: 60_000 })
    for (const peer of simulation.peers) await this.#goOrCome('start', peer)
  }

  async #settle(): Promise<number | undefined> {
    const { peers } = this.simulation
    const contents = new Contents()
    const settledMs = await this.simulation.until(() => contents.agree(peers) && peers.every(hasNoConflicts) && this.#joined(), {
      withinMs: (this.#options.limitSeconds ?? 240) * 1000,
      everyMs: 250
    })
    this.#checkDegrees()
    if (settledMs !== undefined) return settledMs
    if (!this.#joined()) this.#problems.push(`the links do not join all: ${JSON.stringify(componentsOf(linksOf(peers)))}`)
    if (!contents.agree(peers))
      this.#problems.push(
        `not equal: ${peers.map((peer) => `${peer.name} has ${liveDocuments(peer)} documents, ${contents.of(peer)}`).join('; ')}`
      )
    if (!peers.every(hasNoConflicts)) this.#problems.push('conflicts were not resolved')
    return undefined
  }

  #joined(): boolean {
    return componentsOf(linksOf(this.simulation.peers)).length === 1
  }

  #checkDegrees(): void {
    const { maxDegree } = this.#options
    if (maxDegree === undefined) return
    for (const peer of this.simulation.peers) {
      const degree = peer.neighbours().length
      if (degree > maxDegree && !this.#overloaded.has(peer)) this.#problems.push(`${peer.name} has ${degree} links, more than ${maxDegree}`)
      if (degree > maxDegree) this.#overloaded.add(peer)
    }
  }

  #checkWrites(): void {
    if (this.#options.keepsFields === undefined ? this.#options.conflictResolver !== undefined : !this.#options.keepsFields) return
    const collection = (this.simulation.peers[0] as SimPeer).database.collection()
    for (const [id, fields] of this.#written) {
      if (fields === undefined) continue
      const body = collection.get(id)?.body ?? {}
      const lost = [...fields].filter((field) => !(field in body))
      if (lost.length > 0) this.#problems.push(`${id} lost ${lost.join(', ')}`)
    }
  }

  #peer(index: number): SimPeer {
    return this.simulation.peers[index % this.#count] as SimPeer
  }
}

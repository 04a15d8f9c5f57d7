import type { LinkActions, LinkPlanTimes } from './contracts.ts'
import { Gossip, type OutgoingGossip } from './gossip.ts'
import { LinkPlan } from './link-plan.ts'
import type { Offence } from './offences.ts'
import type { RingPlaces } from './ring-plan.ts'
import { TopologyCodec } from './topology-codec.ts'
import { type TopologyPeer, TopologyTable } from './topology-table.ts'

export interface MeshTopologyOptions {
  /** Our own peer id, 64 hex digits. */
  readonly localId: string
  /** When this run began, milliseconds since 1970: what we say replaces what an earlier run of ours said. */
  readonly epoch: number
  readonly target?: number
  readonly max?: number
  readonly random: () => number
  /** Default one of its own; many meshes in one process share them. */
  readonly places?: RingPlaces
  readonly codec?: TopologyCodec
  readonly times?: Partial<LinkPlanTimes>
}

/** What an engine has to do now. */
export interface TopologyActions extends LinkActions {
  /** Bodies of control messages to neighbours for whom {@link MeshTopology.opened} was called; those to others were not made. */
  readonly send: readonly OutgoingGossip[]
  /** What neighbours did wrong since the last time. */
  readonly offences: readonly Offence[]
}

/**
 * The plan of our links together with what gossip tells of everybody's: tell {@link plan} of devices and links, and {@link received} of messages; then ask
 * {@link step}, instead of the plan itself, what to do. Without I/O, clock and timers.
 */
export class MeshTopology {
  readonly plan: LinkPlan
  readonly table: TopologyTable
  readonly #gossip: Gossip
  #linksRevision = -1

  constructor({ localId, epoch, codec = new TopologyCodec(), random, ...options }: MeshTopologyOptions) {
    this.table = new TopologyTable({ localId, epoch })
    this.plan = new LinkPlan({ ...options, localId, random, topology: this.table })
    this.#gossip = new Gossip({
      table: this.table,
      codec,
      random,
      onWanted: (id, wanted) => {
        this.plan.peerWants(id, wanted)
      }
    })
  }

  /** A neighbour can be sent control messages, and trusts us as we trust it. Foreign peers, who know no such messages, are never opened. */
  opened(id: string, now: number): void {
    this.#gossip.opened(id, now)
    this.#gossip.tell(id, this.plan.wants(id))
  }

  /** A control message of a neighbour. It may be anything. */
  received(id: string, body: Uint8Array, now: number): void {
    this.table.tick(now, this.plan.candidates)
    this.#gossip.received(id, body, now)
  }

  /** What to do now; ask after every event, and when `nextAt` has come. */
  step(now: number): TopologyActions {
    const { plan, table } = this
    const gossip = this.#gossip
    table.tick(now, plan.candidates)
    const send: OutgoingGossip[] = []
    if (plan.linksRevision !== this.#linksRevision) this.#linksChanged(now)
    if (now >= gossip.nextAt) gossip.due(now, send)
    const { revision } = table
    const { dial, end, tell, nextAt } = plan.decide(now)
    for (const { id, wanted } of tell) gossip.tell(id, wanted)
    if (plan.linksRevision !== this.#linksRevision) this.#linksChanged(now)
    gossip.tellings(send)
    const again = table.revision === revision ? Number.POSITIVE_INFINITY : now
    return { dial, end, tell, send, offences: gossip.takeOffences(), nextAt: Math.min(again, nextAt, gossip.nextAt) }
  }

  /** What is known of the mesh, ourselves first. */
  peers(): TopologyPeer[] {
    return this.table.peers()
  }

  /** How often somebody else spoke in our name. */
  get contested(): number {
    return this.#gossip.contested
  }

  #linksChanged(now: number): void {
    this.#linksRevision = this.plan.linksRevision
    for (const id of this.#gossip.open) if (!this.plan.isLinked(id)) this.#gossip.closed(id)
    if (this.table.setLinks(this.plan.neighbours())) this.#gossip.ownChanged(now)
  }
}

import type { ReplicationCollection, RevisionForPush } from '@kithmesh/database/replication'
import { formatVector, headOf, parseVector } from '@kithmesh/database/replication'
import { absorb, compareVectors, knows, latestTime, mergesSameVersions, withVersion } from '../dist/vectors/version-vector.js'
import type { VersionVector } from '../dist/vectors/version-vector.js'
import { compareTimes, timeOf } from '../dist/vectors/version.js'

interface State {
  readonly vector: VersionVector
  readonly deleted: boolean
  readonly body: string
}

/**
 * One document at a peer that goes by what cbmobile.md §6, §7, §11 and §15 say of Couchbase Lite and knows none of the rules beyond: it takes
 * what is newer and nothing else, decides conflicts when it is the active side, and keeps to that.
 */
export class ForeignVectorPeer {
  state: State | undefined
  readonly #source: string
  #last = 0n
  /** The current version last known of each peer it calls. */
  readonly #ancestors = new Map<ReplicationCollection, string>()

  constructor(source: string) {
    this.#source = source
  }

  get revId(): string | undefined {
    return this.state?.vector.versions[0]
  }

  edit(nowMs: number, body: string | undefined): void {
    const now = (BigInt(nowMs) * 1_000_000n) & ~0xffffn
    const seen = this.state === undefined ? 0n : BigInt(`0x${latestTime(this.state.vector)}`)
    for (const floor of [this.#last, seen]) if (floor >= this.#last) this.#last = floor
    this.#last = now > this.#last ? now : this.#last + 1n
    const version = `${this.#last.toString(16)}@${this.#source}`
    const vector = this.state === undefined ? { versions: [version], merges: 0 } : withVersion(this.state.vector, version)
    this.state = { vector, deleted: body === undefined, body: body ?? '{}' }
  }

  /** As the passive side of a push. */
  propose(revId: string, parent: string): 0 | 304 | { readonly status: 409; readonly rev: string } {
    if (this.revId === headOf(revId)) return 304
    if (this.state === undefined ? parent === '' : this.revId === headOf(parent) || (parent === '' && this.state.deleted)) return 0
    return { status: 409, rev: this.state === undefined ? '' : textOf(this.state.vector) }
  }

  /** As the passive side of a push; false: refused. */
  insert(revision: RevisionForPush): boolean {
    const theirs = stateOf(revision)
    if (this.state !== undefined) {
      if (mergesSameVersions(theirs.vector, this.state.vector) && theirs.body === this.state.body) return true
      const order = compareVectors(theirs.vector, this.state.vector)
      if (order !== 'newer') return order !== 'conflict'
    }
    this.state = theirs
    return true
  }

  pullFrom(peer: ReplicationCollection): void {
    const change = peer.change('doc')
    if (change === undefined) return
    this.#ancestors.set(peer, change.revId)
    if (this.state !== undefined && knows(this.state.vector, change.revId)) return
    const theirs = stateOf(peer.revision('doc') as RevisionForPush)
    const ours = this.state
    if (ours === undefined || compareVectors(theirs.vector, ours.vector) === 'newer') {
      this.state = theirs
    } else if (compareVectors(theirs.vector, ours.vector) === 'conflict') {
      const local = ours.deleted !== theirs.deleted ? ours.deleted : compareTimes(timeOfState(ours), timeOfState(theirs)) > 0
      const [winner, loser] = local ? [ours, theirs] : [theirs, ours]
      this.state = { ...winner, vector: absorb(winner.vector, loser.vector) }
    }
  }

  pushTo(peer: ReplicationCollection): void {
    if (this.state === undefined || this.#ancestors.get(peer) === this.revId) return
    const [revId = '', ...history] = this.state.vector.versions
    let status = peer.checkProposals([{ id: 'doc', revId, parentRevId: this.#ancestors.get(peer) ?? '' }])[0]
    if (typeof status === 'object') {
      const theirs = parseVector(status.rev).revId
      if (!knows(this.state.vector, theirs)) return
      status = peer.checkProposals([{ id: 'doc', revId, parentRevId: theirs }])[0]
    }
    if (status === 0) {
      const { deleted, body } = this.state
      const [outcome] = peer.insertRevisions([
        {
          id: 'doc',
          revId,
          history,
          merges: this.state.vector.merges,
          deleted,
          body: Buffer.from(body),
          hasBlobs: false,
          onConflict: 'refuse'
        }
      ])
      if (outcome?.status !== 'stored' && outcome?.status !== 'known') return
    }
    this.#ancestors.set(peer, revId)
  }
}

function stateOf({ revId, history, merges = 0, deleted, body }: RevisionForPush): State {
  return { vector: { versions: [revId, ...history], merges }, deleted, body: Buffer.from(body).toString() }
}

function timeOfState({ vector }: State): string {
  return timeOf(vector.versions[0] as string)
}

function textOf({ versions, merges }: VersionVector): string {
  return formatVector({ revId: versions[0] as string, history: versions.slice(1), merges })
}

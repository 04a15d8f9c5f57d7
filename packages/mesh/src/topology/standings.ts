import { dials, isPeerId } from '@kithmesh/core/plugin'
import type { LinkPlanTimes, PassOverReason, PlannedLink } from './contracts.ts'
import type { RingPlace } from './ring-plan.ts'

/** What a plan remembers of one device. Only devices that are linked, wanted or passed over have one. */
export class Standing {
  readonly place: RingPlace
  /** Whether the rule of both ids makes us the first to dial. A device without a peer id cannot compute it, so we are. */
  readonly dialsFirst: boolean
  /** No provider sees it. */
  unlisted = false
  link: PlannedLink | undefined
  /** When the link was made. */
  since = 0
  /** What the neighbour said; undefined: nothing yet. */
  peerWants: boolean | undefined
  /** What we said. */
  told: boolean | undefined
  unwantedSince: number | undefined
  /** Revision of the topology that did not allow to end the link. */
  keptAt: number | undefined
  /** The link was the only way to what lies behind it when that was last known. */
  bridge = false
  dialling = false
  dialledAt = Number.NEGATIVE_INFINITY
  wantedSince: number | undefined
  /** It became wanted while new devices came into view, and has to stay wanted for a moment before it is dialled. */
  settles = false
  /** It was given enough time; the next one is wanted as well. */
  overdue = false
  failures = 0
  over: PassOverReason | undefined
  until = 0

  constructor(place: RingPlace, localId: string) {
    this.place = place
    this.dialsFirst = !isPeerId(place.id) || !isPeerId(localId) || dials(localId, place.id)
  }

  /** There is nothing to remember. */
  get trivial(): boolean {
    return this.link === undefined && !this.dialling && this.over === undefined && this.failures === 0 && !this.unlisted
  }
  /** It is no device that could become a neighbour, for a long time. */
  get barred(): boolean {
    return this.over === 'quarantined' || this.over === 'refused'
  }
  /** Whether the neighbour wants the link. Who dialled us does until it says otherwise. */
  get wantedByPeer(): boolean {
    return this.peerWants ?? this.link?.direction === 'incoming'
  }
}

/** How long a device is passed over after so many failures in a row: doubled each time, a fifth of it by lot, so that not all come back at once. */
export function passOverTime(reason: 'suspect' | 'full' | 'refused', failures: number, times: LinkPlanTimes, random: () => number): number {
  const [first, longest] =
    reason === 'suspect'
      ? [times.suspectMin, times.suspectMax]
      : [reason === 'full' ? times.full : times.refused, 10 * (reason === 'full' ? times.full : times.refused)]
  return Math.min(first * 2 ** Math.min(failures - 1, 30), longest) * (0.9 + 0.2 * random())
}

import type { RouteQuality } from '@kithmesh/core'

/**
 * Why a device is wanted as a neighbour:
 * - `all`: there are so few devices that everybody links with everybody
 * - `ring`: it is the next one to us on a ring
 * - `stand-in`: it is connected, and serves as the next one on a ring until a nearer device is
 * - `join`: gossip does not show it in our part of the mesh
 * - `audit`: drawn by lot, so that no lie of gossip keeps two parts of the mesh from each other for long
 */
export type WantReason = 'all' | 'ring' | 'stand-in' | 'join' | 'audit'

/**
 * Why a device is not asked for a link for a while, and the next one takes its place:
 * - `suspect`: it did not answer a dial, or fell silent
 * - `full`: it has as many links as it may have
 * - `refused`: one of the two does not accept the other
 * - `quarantined`: it misbehaved
 */
export type PassOverReason = 'suspect' | 'full' | 'refused' | 'quarantined'

/**
 * Why the plan ends a link:
 * - `unwanted`: neither side wants it, and the mesh holds together without it
 * - `full`: a link that is wanted more takes its place
 * - `audited`: an audit is over
 * - `quarantined`: the device misbehaved
 */
export type EndReason = 'unwanted' | 'full' | 'audited' | 'quarantined'

/** A link as the plan needs to know it. */
export interface PlannedLink {
  readonly direction: 'outgoing' | 'incoming'
  readonly quality: RouteQuality
}

/** What gossip knows, as far as the plan asks. {@link noTopology} where there is no gossip. */
export interface LinkTopology {
  /** Another number after every change of what the other members answer. */
  readonly revision: number
  /** How often neighbours tell each other what changed, in milliseconds. What is younger than a few of these may be news elsewhere. */
  readonly intervalMs: number
  /** When our part of the mesh last grew, monotonic milliseconds: while it grows, devices are missing from it only because news are slow. */
  readonly grewAt: number
  /** Whether the device is in our part of the mesh, or linked with it and too simple to gossip. */
  reaches(id: string): boolean
  /**
   * What a link of ours is to the mesh: `redundant` when both ends stay connected without it, whatever the others end at the same time;
   * `bridge` when they do not; `unknown` while too little is known of what lies behind it.
   */
  role(id: string): 'redundant' | 'bridge' | 'unknown'
  /** Number of links that the neighbour itself says it has; undefined when it has not said. */
  degreeOf(id: string): number | undefined
}

/** What an engine has to do now. Nothing in it is repeated by the plan's own doing: what is not done yet is in the next answer again. */
export interface LinkActions {
  /** Devices to dial, the most important first. The engine says {@link LinkPlan.dialling} for each that it begins, and may leave others waiting. */
  readonly dial: readonly { readonly id: string; readonly reason: WantReason }[]
  /** Links to end in order. They count as ended from now on. */
  readonly end: readonly { readonly id: string; readonly reason: EndReason }[]
  /** Neighbours who have to be told whether we want the link, because it changed or was never said. They count as told from now on. */
  readonly tell: readonly { readonly id: string; readonly wanted: boolean }[]
  /** The next monotonic instant at which the answer changes although nothing else happens; Infinity when there is none. */
  readonly nextAt: number
}

/** Whether one more connection may stay. */
export type Admission =
  | { readonly accept: true /** The link that ends for it. */; readonly instead: string | undefined }
  | { readonly accept: false; readonly reason: 'full' | 'quarantined' }

/** How a device stands with the plan. */
export interface DeviceStanding {
  readonly wanted: WantReason | undefined
  readonly passedOver: { readonly reason: PassOverReason /** Monotonic milliseconds. */; readonly until: number } | undefined
  /** When it is dialled next, monotonic milliseconds, if it is not connected and nothing changes; Infinity: not at all. */
  readonly dialAt: number
}

/** Times of a plan, in milliseconds. */
export interface LinkPlanTimes {
  /**
   * How long a device must be wanted before it is dialled, if others came into view within this time before: discovery comes in bursts.
   * A fifth of it while few devices are around. Default 500.
   */
  readonly settle: number
  /** How much longer the side waits that the rule of both peer ids makes the second to dial. Default 1,500. */
  readonly patience: number
  /** After this time in vain the next device on the ring is wanted as well. Default 1,500. */
  readonly overdue: number
  /** How long nobody must have wanted a link before it ends. Default 10,000. */
  readonly grace: number
  /** A device that failed is passed over for this time, doubled with every failure in a row. Default 1,000. */
  readonly suspectMin: number
  /** Default 60,000. */
  readonly suspectMax: number
  /** How long a device that was full is passed over, doubled in the same way up to ten times of it. Default 15,000. */
  readonly full: number
  /** How long a device is passed over that does not accept us or that we do not accept, doubled in the same way up to ten times of it. Default 60,000. */
  readonly refused: number
  /** Shortest time for which a device must be missing from our part of the mesh before we join it. Default 3,000. */
  readonly join: number
  /** Mean pause between audits. Default 600,000. */
  readonly audit: number
  /** How long an audit lasts. Default 60,000. */
  readonly auditHold: number
}

/** The topology of somebody who does not gossip: nobody is missing, and no link is indispensable. */
export const noTopology: LinkTopology = {
  revision: 0,
  intervalMs: 1000,
  grewAt: 0,
  reaches: () => true,
  role: () => 'redundant',
  degreeOf: () => undefined
}

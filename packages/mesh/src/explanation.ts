import type { ConnectionReport } from '@kithmesh/core'
import { type KithmeshError, isKithmeshError } from '@kithmesh/core/plugin'
import type { MeshLink } from './contracts.ts'
import { meshErrors } from './errors.ts'
import type { DeviceStanding, WantReason } from './topology/contracts.ts'
import type { QuarantinedDevice } from './topology/quarantine.ts'

/**
 * What the mesh has decided about a device:
 * - `connected`, `restricted`: as in `LinkState`
 * - `dialling`: it is being connected to, now
 * - `pausing`: it failed, and is tried again
 * - `other-side-dials`: a link is wanted, and by the rule that both compute alike the other side makes it
 * - `not-needed`: it is seen, and there is no need of a link with it
 * - `full`: it has as many links as it may have
 * - `refused`: one of the two does not accept the other
 * - `quarantined`: it misbehaved
 * - `not-seen`: it is in the mesh, and discovery does not see it
 * - `unknown`: nobody knows it
 * - `self`, `stopped`: it is this device; the mesh is not started
 */
export type LinkDecision =
  | 'connected'
  | 'restricted'
  | 'dialling'
  | 'pausing'
  | 'other-side-dials'
  | 'not-needed'
  | 'full'
  | 'refused'
  | 'quarantined'
  | 'not-seen'
  | 'unknown'
  | 'self'
  | 'stopped'

/** Why there is a link with a device, or none. A snapshot. */
export interface DeviceExplanation {
  readonly peerId: string
  readonly decision: LinkDecision
  /** A sentence for people. */
  readonly reason: string
  /** What a person can do about it, if anything. */
  readonly hint: string | undefined
  /** When that is decided anew at the latest, wall-clock milliseconds; undefined where time changes nothing. */
  readonly until: number | undefined
  /** What went wrong last. */
  readonly error: Error | undefined
  /** The link, as in `Mesh.links`. */
  readonly link: MeshLink | undefined
  /** Documents reach it, over however many others. */
  readonly reached: boolean
  /** Whom it is linked with, as far as gossip tells. */
  readonly neighbours: readonly string[]
  /** What was tried in the latest attempt to connect to it. */
  readonly report: ConnectionReport | undefined
}

export interface ExplanationFacts {
  readonly peerId: string
  readonly localPeerId: string
  readonly started: boolean
  readonly link: MeshLink | undefined
  readonly standing: DeviceStanding | undefined
  readonly quarantined: QuarantinedDevice | undefined
  /** Why it may not come in, whatever its certificate says. */
  readonly refusal: KithmeshError | undefined
  readonly reached: boolean
  readonly neighbours: readonly string[]
  readonly report: ConnectionReport | undefined
  /** Wall-clock time of a monotonic one; undefined for what never comes. */
  readonly wallTime: (monotonic: number) => number | undefined
}

const WANTED: Readonly<Record<WantReason, string>> = {
  all: 'few devices are around, so that everybody links with everybody',
  ring: 'it is our next on one of the rings',
  'stand-in': 'it stands in for our next on one of the rings',
  join: 'gossip does not show it in our part of the mesh',
  audit: 'it was drawn by lot, to see whether gossip tells the truth'
}

/** Puts what is known of a device into words. Pure. */
export function explainDevice(facts: ExplanationFacts): DeviceExplanation {
  const { peerId, link, reached, neighbours, report } = facts
  const { hint, until, error, ...verdict } = decide(facts)
  return { peerId, ...verdict, hint: hint ?? hintOf(error), until, error, link, reached, neighbours, report }
}

type Verdict = Pick<DeviceExplanation, 'decision' | 'reason'> &
  Partial<Record<'hint', string>> & { until?: number | undefined; error?: Error | undefined }

function decide({
  peerId,
  localPeerId,
  started,
  link,
  standing,
  quarantined,
  refusal,
  reached,
  neighbours,
  wallTime
}: ExplanationFacts): Verdict {
  const error = link?.error
  if (peerId === localPeerId) return { decision: 'self', reason: 'This is the device itself' }
  if (!started) return { decision: 'stopped', reason: 'The mesh is not started', hint: 'Call start().' }
  if (refusal !== undefined) return { decision: 'refused', reason: refusal.message, error: refusal }
  if (quarantined !== undefined) {
    const { kind, detail, until } = quarantined
    const { hint } = meshErrors.create('ERR_MESH_QUARANTINED', '')
    return { decision: 'quarantined', reason: `It is kept away for a while (${kind}): ${detail}`, until: wallTime(until), error, hint }
  }
  if (link?.route !== undefined) return connected(link, standing)
  if (link?.state === 'connecting') return { decision: 'dialling', reason: `It is being connected to${because(standing)}`, error }
  const over = standing?.passedOver
  const until = over === undefined ? undefined : wallTime(over.until)
  if (over?.reason === 'refused')
    return { decision: 'refused', reason: error?.message ?? 'One of the two does not accept the other', until, error }
  if (over?.reason === 'full')
    return { decision: 'full', reason: 'It has as many links as it may have; others serve in its place', until, error }
  if (over !== undefined)
    return { decision: 'pausing', reason: `It failed, and is tried again${error === undefined ? '' : `: ${error.message}`}`, until, error }
  if (link === undefined)
    return reached || neighbours.length > 0
      ? { decision: 'not-seen', reason: 'It is in the mesh, linked with others, and discovery does not see it from here' }
      : {
          decision: 'unknown',
          reason: 'Neither discovery nor gossip knows it',
          hint: 'Is it switched on, in the same group, and on a network or broker that this device uses?'
        }
  if (link.state === 'offline')
    return {
      decision: 'pausing',
      reason: `It is tried again${error === undefined ? '' : `: ${error.message}`}`,
      until: wallTime(standing?.dialAt ?? Infinity),
      error
    }
  if (link.state === 'waiting')
    return {
      decision: 'other-side-dials',
      reason: `The other side makes the link, by the rule that both compute alike${because(standing)}`,
      until: wallTime(standing?.dialAt ?? Infinity),
      error
    }
  return {
    decision: 'not-needed',
    reason: reached ? 'There is no need of a link: it is reached over others' : 'There is no need of a link: there are enough with others',
    error
  }
}

function connected({ state, route, direction, quality, error }: MeshLink, standing: DeviceStanding | undefined): Verdict {
  if (state === 'restricted')
    return { decision: 'restricted', reason: `Connected by ${route ?? '?'}, but one of the two does not trust the other`, error }
  const by = direction === 'incoming' ? 'the other side dialled' : 'this side dialled'
  const better = quality === 'direct' || quality === undefined ? '' : '; a better way is looked for'
  return { decision: 'connected', reason: `Connected by ${route ?? '?'} (${by})${because(standing)}${better}`, error }
}

function because(standing: DeviceStanding | undefined): string {
  return standing?.wanted === undefined ? '' : `, because ${WANTED[standing.wanted]}`
}

function hintOf(error: Error | undefined): string | undefined {
  return isKithmeshError(error) && error.hint !== '' ? error.hint : undefined
}

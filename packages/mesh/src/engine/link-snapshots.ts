import type { LinkFacts } from '../contracts.ts'
import type { DeviceLink } from '../link/device-link.ts'
import type { LinkPlan } from '../topology/link-plan.ts'
import type { Discipline } from './discipline.ts'
import type { UnclaimedDevices } from './unclaimed-devices.ts'

export interface LinkSnapshotParts {
  /** Names of the devices that discovery sees, by peer id, in the order of discovery. */
  readonly listed: ReadonlyMap<string, string>
  readonly links: ReadonlyMap<string, DeviceLink>
  readonly unclaimed: UnclaimedDevices
  readonly discipline: Discipline
  readonly plan: LinkPlan
}

/** One entry per known device: first those that discovery sees, then those that are only linked, then those that claim no peer id. */
export function linkSnapshots({ listed, links, unclaimed, discipline, plan }: LinkSnapshotParts): readonly LinkFacts[] {
  const wanted = (deviceId: string): boolean => {
    const standing = plan.standing(deviceId)
    return standing.wanted !== undefined || standing.passedOver !== undefined
  }
  const standby = (deviceId: string, displayName: string): LinkFacts => ({
    deviceId,
    displayName,
    state: wanted(deviceId) ? 'waiting' : 'standby',
    direction: undefined,
    route: undefined,
    quality: undefined,
    error: undefined
  })
  const shown = (link: LinkFacts): LinkFacts => {
    const error = discipline.of(link.deviceId)
    return error === undefined ? link : { ...link, state: 'quarantined', error }
  }
  const seen = [...listed].map(([id, name]) => links.get(id)?.snapshot(wanted(id)) ?? standby(id, name))
  const others = [...links].filter(([id]) => !listed.has(id)).map(([id, link]) => link.snapshot(wanted(id)))
  return [...seen, ...others, ...unclaimed.snapshots].map(shown)
}

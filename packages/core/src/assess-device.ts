import type { ConnectDeviceOptions } from './connect-device.ts'
import { connectTarget } from './connect-target.ts'
import type { DeviceAssessment, ReportedSighting, RouteAssessment } from './contracts/report.ts'
import type { Peer, ResolvedUrl } from './contracts/peer.ts'
import type { ConnectTarget } from './contracts/transport.ts'
import { assessRoute } from './dialer.ts'
import type { Dialer } from './dialer.ts'
import { failureFacts } from './route-report.ts'

export type AssessDeviceOptions = Pick<ConnectDeviceOptions, 'device' | 'dialers' | 'localNetwork' | 'resolve' | 'refuses' | 'signal'> & {
  /** Why the device is not to be connected to at all. */
  readonly refused: string | undefined
}

/** Finds out how a device would be connected to, and connects to nobody: every sighting is resolved, and every dialer assesses it. Never rejects. */
export async function assessDevice(options: AssessDeviceOptions): Promise<DeviceAssessment> {
  const { device, refused } = options
  const peers = await Promise.all(device.peers.map((peer) => assessPeer(peer, options)))
  const routes = peers.flatMap((peer) => peer.routes)
  // As in the race: what would be begun earlier comes first, what is not tried last.
  const ordered = routes.sort((one, other) => (one.rank ?? Infinity) - (other.rank ?? Infinity) || 0)
  return Object.freeze({
    deviceId: device.id,
    displayName: device.displayName,
    refused,
    sightings: Object.freeze(peers.map(({ sighting }) => Object.freeze(sighting))),
    routes: Object.freeze(ordered.map((route) => Object.freeze(route)))
  })
}

async function assessPeer(
  peer: Peer,
  options: AssessDeviceOptions
): Promise<{ readonly sighting: ReportedSighting; readonly routes: readonly RouteAssessment[] }> {
  const { resolve, signal, dialers } = options
  const { id: peerId, provider, connectable } = peer
  const bare: ReportedSighting = { peerId, provider, connectable, url: undefined, addresses: [], signaling: false }
  const not = (strategy: string, facts: Partial<RouteAssessment>): RouteAssessment => ({
    strategy,
    peerId,
    provider,
    address: undefined,
    usable: false,
    rank: undefined,
    reason: undefined,
    code: undefined,
    hint: undefined,
    ...facts
  })
  if (!connectable) return { sighting: bare, routes: [not('*', { reason: 'The peer cannot be connected to at the moment' })] }
  let resolved: ResolvedUrl
  try {
    resolved = await resolve(peer, signal)
  } catch (error) {
    return { sighting: bare, routes: [not('*', failureFacts(error))] }
  }
  const { url, addresses, network } = resolved
  const { target, refused } = connectTarget(peer, resolved, options)
  return {
    sighting: { ...bare, url, addresses: Object.freeze([...addresses]), signaling: network !== undefined },
    routes: [
      ...refused.map((refusal) => not('*', refusal)),
      ...(dialers.length === 0 ? [not('*', { reason: 'There is no transport' })] : []),
      ...dialers.map((dialer) => not(dialer.name, judge(dialer, target, options)))
    ]
  }
}

function judge(dialer: Dialer, target: ConnectTarget, { refuses }: AssessDeviceOptions): Partial<RouteAssessment> {
  const verdict = assessRoute(dialer, target, refuses)
  if (verdict.usable) return { usable: true, rank: verdict.rank }
  return verdict.error === undefined ? { reason: verdict.reason } : failureFacts(verdict.error)
}

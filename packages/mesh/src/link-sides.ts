import type { MessageSocket } from '@kithmesh/core/plugin'
import type { PassiveReplication, Replicator } from '@kithmesh/replicator'
import type { BetterRoute } from './better-route.ts'
import type { MeshLink } from './contracts.ts'
import type { OutgoingConnection } from './outgoing.ts'

/** Our side of the link: a replicator that dials. */
export interface Active {
  readonly replicator: Replicator
  activity: Replicator['status']['activity']
  /** What it runs over. */
  connection: OutgoingConnection | undefined
  /** A better connection, to be used at the next opening. */
  next: OutgoingConnection | undefined
  betterRoute: BetterRoute<OutgoingConnection> | undefined
}

/** Their side: an incoming connection that is served. */
export interface Passive {
  readonly service: PassiveReplication
  readonly socket: MessageSocket
  readonly route: string
  readonly relayed: boolean
  idle: boolean
}

type ConnectedState = Pick<MeshLink, 'state' | 'direction' | 'route' | 'relayed'>

/** What is shown of a link that we dialled. */
export function outgoingState({ activity, connection }: Active): ConnectedState {
  return { state: activity === 'idle' ? 'idle' : 'busy', direction: 'outgoing', route: connection?.route, relayed: connection?.relayed }
}

/** What is shown of a link that the device dialled. */
export function incomingState({ idle, route, relayed }: Passive): ConnectedState {
  return { state: idle ? 'idle' : 'busy', direction: 'incoming', route, relayed }
}

/**
 * Goes on over another connection: it is open and authenticated before the old one is left, the checkpoint is saved in between, and
 * replication continues where it was.
 */
export function moveTo(active: Active, connection: OutgoingConnection): void {
  active.next = connection
  active.replicator.suspend()
  active.replicator.resume()
}

/** The better connection that waits to be used, once. */
export function takeNext(active: Active): OutgoingConnection | undefined {
  const { next } = active
  active.next = undefined
  return next
}

/** Nothing more is to be opened for it. */
export function abandon(active: Active): void {
  active.betterRoute?.stop()
  active.betterRoute = undefined
  const next = takeNext(active)
  if (next !== undefined) discard(next)
}

/** Closes a connection that came too late. */
export function discard({ socket }: OutgoingConnection): void {
  socket.close(1000, 'no longer wanted')
}

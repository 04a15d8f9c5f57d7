import { type Clock, type MessageSocket, withDeadline } from '@kithmesh/core/plugin'
import type { PassiveReplication, Replicator } from '@kithmesh/replicator'
import type { BetterRoute } from './better-route.ts'
import type { MeshLink } from './contracts.ts'
import type { OutgoingConnection } from './outgoing.ts'

/** How long a connection that a newer one of the same device replaces may go on: the device ends it itself when it moves to a better route. */
const replacedMs = 10_000

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

/** Resolves when the device has ended a connection that a newer one replaced, which is done for it after a while, or when the signal aborts. */
export function endReplaced(
  { service }: Passive,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal }
): Promise<void> {
  const gone = new Promise<void>((resolve) => {
    service.onStatus(({ activity }) => {
      if (activity === 'stopped') resolve()
    })
  })
  return withDeadline(() => gone, { clock, ms: replacedMs, what: 'Being replaced', signal }).catch(() => service.stop(1000))
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
  takeNext(active)?.socket.close(1000, 'no longer wanted')
}

import { type TransportContext, type TransportFactory, TRANSPORT_CONTRACT_VERSION } from '@kithmesh/core'
import { createTurnClient } from '@kithmesh/stun'
import type { CreateTurnClient } from './allocate.ts'
import { TurnStrategy } from './strategy.ts'
import { type TurnServer, waysOf } from './ways.ts'

export interface TurnOptions {
  /** Tried in this order, with a short head start each. Without any, the relays of other devices are used where they have some. */
  readonly servers: readonly TurnServer[]
}

/**
 * Connections through a TURN relay, for devices that nothing else connects. One of the two devices needs a server; the other one connects to the relay
 * plainly, from behind any NAT. Both need signalling.
 * @throws ERR_STUN_URI for a URL that is none; TypeError for the URL of a STUN server.
 */
export function turn(options: TurnOptions): TransportFactory {
  return turnWith(options, createTurnClient)
}

/** The same over another TURN client. */
function turnWith({ servers }: TurnOptions, createClient: CreateTurnClient): TransportFactory {
  const ways = waysOf(servers)
  return Object.freeze({
    name: 'turn',
    contractVersion: TRANSPORT_CONTRACT_VERSION,
    capabilities: Object.freeze({ listens: true, relayed: true }),
    create: (context: TransportContext) => new TurnStrategy(context, servers, ways, createClient)
  })
}

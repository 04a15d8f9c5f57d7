import type { Clock } from '@kithmesh/core'
import { openStunTcp, type StunUdp, type TransportAddress } from '@kithmesh/stun'

const DEADLINE_MS = 2_000
const RTO_MS = 150

/** What this device's address looks like from a relay's server over TCP; undefined when it does not say. */
export async function reflexiveOverTcp(server: TransportAddress, clock: Clock, signal: AbortSignal): Promise<string | undefined> {
  try {
    const connection = await openStunTcp({ server, clock, signal, deadlineMs: DEADLINE_MS })
    try {
      return (await connection.bind({ signal, deadlineMs: DEADLINE_MS })).mapped.address
    } finally {
      await connection.close()
    }
  } catch {
    return undefined
  }
}

/** The same over UDP, from the socket that the datagrams will come from. */
export async function reflexiveOverUdp(socket: StunUdp, server: TransportAddress, signal: AbortSignal): Promise<string | undefined> {
  try {
    return (await socket.bind(server, { signal, deadlineMs: DEADLINE_MS, rtoMs: RTO_MS })).mapped.address
  } catch {
    return undefined
  }
}

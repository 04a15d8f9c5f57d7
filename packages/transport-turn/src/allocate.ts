import { errorCode, type Clock, type Logger, staggered } from '@kithmesh/core/plugin'
import type { TcpAllocation, TurnClient, TurnClientOptions, UdpAllocation } from '@kithmesh/stun'
import { turnErrors } from './errors.ts'
import type { Relay } from './offer.ts'
import type { TurnServer, Way } from './ways.ts'

/** Head start of each way over the next: more than the three round trips that one takes on most networks. */
const STAGGER_MS = 750
const DEADLINE_MS = 8_000
/** After these it makes no sense to ask the same server in another way. */
const FATAL = ['ERR_STUN_CREDENTIALS', 'ERR_STUN_RESOLVE', 'ERR_STUN_URI', 'ERR_TURN_QUOTA']

export type CreateTurnClient = (options: TurnClientOptions) => TurnClient

/** A relay of this device. Whoever has it closes it. */
export type Allocated = { readonly relay: Relay; close(): Promise<void> } & (
  | { readonly kind: 'tcp'; readonly allocation: TcpAllocation }
  | { readonly kind: 'udp'; readonly allocation: UdpAllocation }
)

export interface AllocateRelayOptions {
  readonly createClient: CreateTurnClient
  readonly clock: Clock
  readonly logger: Logger
  readonly signal: AbortSignal
  readonly progress: (phase: string, address?: string) => void
}

/**
 * Asks for a relay in one way after the other, with a short head start each, and takes the first.
 * @throws ERR_TURN_ALLOCATE with all attempts, or the signal's reason
 */
export async function allocateRelay(ways: readonly Way[], options: AllocateRelayOptions): Promise<Allocated> {
  const { clock, signal } = options
  const dead = new Map<TurnServer, unknown>()
  const tasks = ways.map((way) => async (unwanted: AbortSignal): Promise<Allocated> => {
    if (dead.has(way.server)) throw dead.get(way.server)
    try {
      return await allocate(way, { ...options, signal: unwanted })
    } catch (error) {
      if (FATAL.includes(errorCode(error) ?? '')) dead.set(way.server, error)
      throw error
    }
  })
  try {
    return await staggered(tasks, { clock, signal, staggerMs: STAGGER_MS, discard: (late) => void late.close() })
  } catch (cause) {
    signal.throwIfAborted()
    const errors = (cause as AggregateError).errors as Error[]
    const attempts = ways.map((way, index) => ({ server: way.uri, relay: way.kind, code: errorCode(errors[index]) ?? 'ERROR' }))
    const said = [...new Set(ways.map((way, index) => `${way.server.url}: ${errors[index]?.message}`))]
    throw turnErrors.create('ERR_TURN_ALLOCATE', `No TURN server gave a relay: ${said.join('; ')}`, { cause, details: { attempts } })
  }
}

async function allocate({ server, uri, kind, plain }: Way, options: AllocateRelayOptions): Promise<Allocated> {
  const { createClient, clock, logger, signal, progress } = options
  progress('allocate', uri)
  const client = createClient({
    uri,
    username: server.username,
    credential: server.credential,
    clock,
    logger,
    ...(server.tls && { tls: server.tls })
  })
  try {
    const made =
      kind === 'tcp'
        ? { kind, allocation: await client.allocateTcp({ signal, deadlineMs: DEADLINE_MS }) }
        : { kind, allocation: await client.allocateUdp({ signal, deadlineMs: DEADLINE_MS }) }
    signal.throwIfAborted()
    const relay: Relay = { kind, address: made.allocation.relayed, stun: plain ? made.allocation.server : undefined }
    const close = async (): Promise<void> => {
      await made.allocation.close()
      await client.close()
    }
    return { ...made, relay, close }
  } catch (error) {
    await client.close()
    throw error
  }
}

import { type Clock, errorCode, systemClock } from '@kithmesh/core'
import { limitedSignal } from '@kithmesh/core/plugin'
import { createTurnClient, parseStunUri, type TransportAddress } from '@kithmesh/stun'
import type { CreateTurnClient } from './allocate.ts'
import { type TurnServer, type Way, waysOf } from './ways.ts'

/** One kind of relay that was asked for, over one transport. */
export interface TurnProbe {
  /** Server and transport, as `turn:relay.example.org:3478?transport=tcp`. */
  readonly uri: string
  /** What the relay would carry. */
  readonly relay: 'tcp' | 'udp'
  /** How the server was asked. */
  readonly transport: 'udp' | 'tcp' | 'tls'
  /** Until the relay was there, or until it failed, milliseconds. */
  readonly elapsedMs: number
  /** Where others would connect to, or send to. */
  readonly relayed: TransportAddress | undefined
  /** This machine as the server sees it. */
  readonly mapped: TransportAddress | undefined
  readonly error: Error | undefined
}

export interface ProbeTurnServerOptions {
  /** For everything together, 1 to 3,600,000 milliseconds. @default 6,000 */
  readonly timeoutMs?: number
  /** @default systemClock */
  readonly clock?: Clock
  readonly signal?: AbortSignal
}

const TIMEOUT_MS = 6_000
const MAX_TIMEOUT_MS = 3_600_000
/** After these another way to the same server says nothing new. */
const FATAL = ['ERR_STUN_CREDENTIALS', 'ERR_STUN_RESOLVE', 'ERR_TURN_QUOTA']
/** The server does not answer over a transport, so that another relay over the same one need not be asked for. */
const SILENT = ['ERR_STUN_CONNECT', 'ERR_STUN_TIMEOUT', 'ERR_STUN_UNREACHABLE']

/**
 * Asks a TURN server for each kind of relay that {@link turn} would ask it for, one after the other, and gives each back at once. Nothing is relayed.
 * What does not work is told, not thrown; ways that cannot work after that are left out.
 * @throws ERR_STUN_URI, TypeError for the URL of a STUN server or a time that makes no sense; the signal's reason
 */
export async function probeTurnServer(server: TurnServer, options: ProbeTurnServerOptions = {}): Promise<TurnProbe[]> {
  return await probeTurnServerWith(server, options, createTurnClient)
}

/** The same over another TURN client. */
async function probeTurnServerWith(
  server: TurnServer,
  { timeoutMs = TIMEOUT_MS, clock = systemClock, signal }: ProbeTurnServerOptions,
  createClient: CreateTurnClient
): Promise<TurnProbe[]> {
  const ways = waysOf([server])
  if (!(timeoutMs >= 1 && timeoutMs <= MAX_TIMEOUT_MS)) throw new TypeError(`timeoutMs is from 1 to ${MAX_TIMEOUT_MS}, not ${timeoutMs}`)
  signal?.throwIfAborted()
  const ending = limitedSignal(clock, timeoutMs, () => new Error(`no answer within ${timeoutMs} ms`), signal)
  const results: TurnProbe[] = []
  try {
    for (const [index, way] of ways.entries()) {
      if (ending.signal.aborted) break
      const { transport } = parseStunUri(way.uri)
      if (results.some((result) => result.transport === transport && SILENT.includes(errorCode(result.error) ?? ''))) continue
      // What is left is shared by what is left to ask, so that a way that is blocked leaves time for the others.
      const deadlineMs = Math.max(1, (timeoutMs - elapsedOf(results)) / (ways.length - index))
      const result = await ask(way, transport, { clock, signal: ending.signal, deadlineMs, createClient })
      results.push(result)
      if (FATAL.includes(errorCode(result.error) ?? '')) break
    }
  } finally {
    ending.release()
  }
  signal?.throwIfAborted()
  return results
}

function elapsedOf(results: readonly TurnProbe[]): number {
  return results.reduce((sum, { elapsedMs }) => sum + elapsedMs, 0)
}

async function ask(
  { server, uri, kind }: Way,
  transport: TurnProbe['transport'],
  {
    clock,
    signal,
    deadlineMs,
    createClient
  }: { readonly clock: Clock; readonly signal: AbortSignal; readonly deadlineMs: number; readonly createClient: CreateTurnClient }
): Promise<TurnProbe> {
  const begun = clock.monotonic()
  const { username, credential, tls } = server
  const client = createClient({ uri, username, credential, clock, ...(tls && { tls }) })
  const told = { uri, relay: kind, transport }
  try {
    const options = { signal, deadlineMs }
    const { relayed, mapped } = kind === 'tcp' ? await client.allocateTcp(options) : await client.allocateUdp(options)
    return { ...told, elapsedMs: clock.monotonic() - begun, relayed, mapped, error: undefined }
  } catch (error) {
    return { ...told, elapsedMs: clock.monotonic() - begun, relayed: undefined, mapped: undefined, error: error as Error }
  } finally {
    await client.close()
  }
}

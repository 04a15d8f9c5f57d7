import type { Clock } from '@kithmesh/core'
import { Deferred, joinSignals } from '@kithmesh/core/plugin'
import { sameAddress, sameTransportAddress } from '../codec/transport-address.ts'
import type { TransportAddress } from '../codec/transport-address.ts'
import { usableOther } from './credibility.ts'
import type { FilteringObservation } from './filtering.ts'
import type { Findings, SeenPort } from './nat-classification.ts'
import type { LocalPorts } from './local-ports.ts'
import { openUdpPort, tcpPort } from './ports.ts'
import type { Outcome, ProbePort, ProbeTarget, UdpProbePort } from './ports.ts'

/** A server as it is asked from one route. */
export interface ProbeServer extends ProbeTarget {
  /** As it was configured. */
  readonly name: string
  readonly overUdp: boolean
}

/** What examining one route needs, and what its two protocols tell each other. */
export interface RouteContext {
  readonly localAddress: string
  readonly servers: readonly ProbeServer[]
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly localPorts: LocalPorts
  /** The probe's deadline divided by two seconds: all waits are multiples of it. */
  readonly scale: number
  /** The second address of each server, by name; undefined once it is known that there is none. */
  readonly others: ReadonlyMap<string, Deferred<TransportAddress | undefined>>
  /** Round trips, milliseconds, by name. */
  readonly roundTrips: Map<string, number>
}

/** Until a server counts as silent. */
export const ASK_MS = 700
/** The transmissions of a request for an answer from elsewhere, and what its answer may take beyond the round trip. */
const ELSEWHERE_MS = 330
const ELSEWHERE_SLACK_MS = 120
const OPEN_TRIES = 4

/** How servers' second addresses are made known between the protocols of one route. */
export function unknownOthers(servers: readonly ProbeServer[]): Map<string, Deferred<TransportAddress | undefined>> {
  return new Map(servers.map(({ name }) => [name, new Deferred<TransportAddress | undefined>()]))
}

/**
 * Mapping and filtering over UDP. One port asks all servers, at their second addresses too; each server's filtering test has a port of its own,
 * which contacts nothing but that one address, and is over before the second address is contacted at all (nat-lab.md §6).
 */
export async function examineUdp(context: RouteContext, findings: Findings): Promise<void> {
  const servers = context.servers.filter(({ overUdp }) => overUdp)
  try {
    const mappingPort = servers.length === 0 ? undefined : await openOneUdpPort(context)
    if (mappingPort === undefined) return
    findings.local = mappingPort.local
    try {
      await Promise.all(servers.map((server) => examineServer(server, mappingPort, context, findings)))
    } finally {
      await mappingPort.close()
    }
  } finally {
    for (const other of context.others.values()) other.resolve(undefined)
  }
}

async function examineServer(server: ProbeServer, mappingPort: ProbePort, context: RouteContext, findings: Findings): Promise<void> {
  const [, observation] = await Promise.all([
    askAndNote(server, server, mappingPort, context, findings),
    testFiltering(server, context, findings)
  ])
  if (observation === undefined) return
  const { other } = observation
  const answered = await askOthers(server, other, mappingPort, context, findings)
  const second = answered.some(({ address }) => sameAddress(address, other.address))
  findings.filtering.push({ ...observation, capable: observation.capable && second })
}

/** From a new port: whether answers from elsewhere arrive. Undefined when the server has no second address, or does not answer. */
async function testFiltering(
  server: ProbeServer,
  context: RouteContext,
  findings: Findings
): Promise<(FilteringObservation & { readonly other: TransportAddress }) | undefined> {
  const port = await openOneUdpPort(context)
  if (port === undefined) return undefined
  try {
    const outcome = await port.ask(server, { deadlineMs: ASK_MS * context.scale, signal: context.signal, again: true })
    const other = outcome.kind === 'answer' ? usableOther(outcome.result.other, server) : undefined
    context.others.get(server.name)?.resolve(other)
    if (outcome.kind !== 'answer') return undefined
    findings.unordered.push(seenPort(server, port, outcome.result.mapped))
    if (other === undefined) return undefined
    return { ...(await answersFromElsewhere(server, port, outcome.result.roundTripMs, context)), other }
  } finally {
    await port.close()
  }
}

async function answersFromElsewhere(
  server: ProbeServer,
  port: UdpProbePort,
  roundTripMs: number,
  { scale, signal }: RouteContext
): Promise<FilteringObservation> {
  const enough = joinSignals(signal)
  const deadlineMs = ELSEWHERE_MS * scale + Math.max(ELSEWHERE_SLACK_MS * scale, 2 * roundTripMs)
  const answeredFrom: TransportAddress[] = []
  let honoured = true
  const ask = async (ip: boolean, legacy: boolean): Promise<void> => {
    const answer = await port.askElsewhere(server, {
      change: { ip, port: true },
      legacy,
      again: !legacy,
      deadlineMs,
      signal: enough.signal
    })
    if (answer === undefined) return
    if (answer === 'refused' || sameTransportAddress(answer, server)) honoured &&= legacy
    else answeredFrom.push(answer)
    if (answeredFrom.some(({ address }) => !sameAddress(address, server.address)))
      enough.abort(new DOMException('Enough is known', 'AbortError'))
  }
  await Promise.all([ask(true, false), ask(false, false), ask(true, true), ask(false, true)]).finally(enough.release)
  return { server: server.name, contacted: server, answeredFrom, capable: honoured || answeredFrom.length > 0 }
}

/**
 * Mapping over TCP: connections to all servers from one local port. A second address is that which the server named over TCP, or else over
 * UDP.
 */
export async function examineTcp(context: RouteContext, findings: Findings): Promise<void> {
  for (let tries = 0; tries < OPEN_TRIES && !context.signal.aborted; tries++) {
    const port = tcpPort({ address: context.localAddress, port: context.localPorts.one() }, context.clock)
    findings.local = port.local
    try {
      const outcomes = await Promise.all(context.servers.map((server) => examineServerOverTcp(server, port, context, findings)))
      if (outcomes.some((kind) => kind !== 'local')) return
    } finally {
      await port.close()
    }
  }
}

async function examineServerOverTcp(
  server: ProbeServer,
  port: ProbePort,
  context: RouteContext,
  findings: Findings
): Promise<Outcome['kind']> {
  const outcome = await askAndNote(server, server, port, context, findings)
  if (outcome.kind !== 'answer') return outcome.kind
  findings.unordered.push(seenPort(server, port, outcome.result.mapped))
  if (server.tls !== undefined) return 'answer'
  const other = usableOther(outcome.result.other, server) ?? (await context.others.get(server.name)?.promise)
  if (other !== undefined) await askOthers(server, other, port, context, findings)
  return 'answer'
}

/** Asks a server at its second port and its second address; which of them answered. */
async function askOthers(
  server: ProbeServer,
  other: TransportAddress,
  port: ProbePort,
  context: RouteContext,
  findings: Findings
): Promise<readonly TransportAddress[]> {
  const targets: ProbeTarget[] = [
    { address: server.address, port: other.port },
    { address: other.address, port: server.port }
  ]
  const outcomes = await Promise.all(targets.map((target) => askAndNote(server, target, port, context, findings)))
  return targets.filter((_, index) => outcomes[index]?.kind === 'answer')
}

async function askAndNote(
  server: ProbeServer,
  target: ProbeTarget,
  port: ProbePort,
  context: RouteContext,
  findings: Findings
): Promise<Outcome> {
  const outcome = await port.ask(target, { deadlineMs: ASK_MS * context.scale, signal: context.signal, again: true })
  if (outcome.kind !== 'local' && !context.signal.aborted) findings.asked++
  if (outcome.kind === 'refused') findings.refused++
  if (outcome.kind === 'answer') {
    const { mapped, roundTripMs } = outcome.result
    findings.mapping.push({ server: server.name, target: { address: target.address, port: target.port }, mapped })
    if (target === server) context.roundTrips.set(server.name, roundTripMs)
  }
  return outcome
}

export function seenPort(server: ProbeServer, port: ProbePort, mapped: TransportAddress): SeenPort {
  return { server: server.name, address: mapped.address, local: port.local.port, external: mapped.port }
}

/** Another port when one is taken; undefined when none can be had. */
async function openOneUdpPort({ localAddress, localPorts, clock, signal }: RouteContext): Promise<UdpProbePort | undefined> {
  for (let tries = 0; tries < OPEN_TRIES && !signal.aborted; tries++) {
    try {
      return await openUdpPort({ address: localAddress, port: localPorts.one() }, clock)
    } catch {
      // Taken by somebody else: the next one.
    }
  }
  return undefined
}

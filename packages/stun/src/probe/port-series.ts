import { openUdpPort, tcpPort } from './ports.ts'
import type { ProbePort } from './ports.ts'
import { ASK_MS, seenPort } from './examine.ts'
import type { ProbeServer, RouteContext } from './examine.ts'
import { mappingOf, needsSeries } from './nat-classification.ts'
import type { Findings, SeenPort } from './nat-classification.ts'

/** Mappings of one series. */
const LENGTH = 8
/** Between two of them, milliseconds: enough for the packets to stay in order, little enough that few foreign flows come in between. */
const PACE_MS = 8
/** From here on, making mappings that may turn out to be needless costs less time than waiting for the first series. */
const LONG_ROUND_TRIP_MS = 40

/**
 * Makes new mappings one after the other, first from ports that are no neighbours and, if those do not tell, from neighbours, and notes which
 * ports the NAT picked. Nothing else may make mappings meanwhile. Does nothing when the rule is known.
 */
export async function measurePorts(context: RouteContext, findings: Findings, protocol: 'udp' | 'tcp'): Promise<void> {
  const server = fastestServer(context, findings, protocol)
  if (server === undefined) return
  if (!needsSeries(findings)) return
  const scattered = scatteredPorts(context)
  const neighbours = neighbouringPorts(context)
  if ((context.roundTrips.get(server.name) ?? 0) > LONG_ROUND_TRIP_MS) {
    const seen = await series(context, server, protocol, [...scattered, ...neighbours])
    findings.scattered.push(...seen.filter(({ local }) => scattered.includes(local)))
    findings.consecutive.push(...seen.filter(({ local }) => neighbours.includes(local)))
    return
  }
  findings.scattered.push(...(await series(context, server, protocol, scattered)))
  if (needsSeries(findings)) findings.consecutive.push(...(await series(context, server, protocol, neighbours)))
}

function fastestServer({ servers, roundTrips }: RouteContext, findings: Findings, protocol: 'udp' | 'tcp'): ProbeServer | undefined {
  const believed = new Set(mappingOf(findings).believed.map(({ server }) => server))
  const roundTrip = ({ name }: ProbeServer): number => roundTrips.get(name) ?? Infinity
  return servers
    .filter(({ name, overUdp }) => believed.has(name) && (protocol === 'tcp' || overUdp))
    .sort((a, b) => roundTrip(a) - roundTrip(b))[0]
}

function scatteredPorts({ localPorts }: RouteContext): number[] {
  return Array.from({ length: LENGTH }, () => localPorts.one())
}

function neighbouringPorts({ localPorts }: RouteContext): number[] {
  const first = localPorts.neighbours(LENGTH)
  return Array.from({ length: LENGTH }, (_, index) => first + index)
}

async function series(
  context: RouteContext,
  server: ProbeServer,
  protocol: 'udp' | 'tcp',
  numbers: readonly number[]
): Promise<readonly SeenPort[]> {
  const { clock, signal, scale } = context
  const ports = await open(context, protocol, numbers)
  try {
    const asked: Promise<SeenPort | undefined>[] = []
    for (const port of ports) {
      if (asked.length > 0) await clock.sleep(PACE_MS, { signal }).catch(() => {})
      if (signal.aborted) break
      asked.push(
        port
          .ask(server, { deadlineMs: ASK_MS * scale, signal, again: false })
          .then((outcome) => (outcome.kind === 'answer' ? seenPort(server, port, outcome.result.mapped) : undefined))
      )
    }
    return (await Promise.all(asked)).filter((seen) => seen !== undefined)
  } finally {
    await Promise.all(ports.map((port) => port.close()))
  }
}

/** In the order given; those that are taken are left out. */
async function open({ localAddress, clock }: RouteContext, protocol: 'udp' | 'tcp', numbers: readonly number[]): Promise<ProbePort[]> {
  const local = numbers.map((port) => ({ address: localAddress, port }))
  if (protocol === 'tcp') return local.map((address) => tcpPort(address, clock))
  const opened = await Promise.all(local.map((address) => openUdpPort(address, clock).catch(() => undefined)))
  return opened.filter((port) => port !== undefined)
}

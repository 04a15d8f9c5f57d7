import { type ConnectionReport, type NetworkFacts, type ReportedSighting, formatConnectionReport } from '@kithmesh/core'
import { natType } from '../doctor/nat.ts'
import { type Io, jsonLine, line } from '../io.ts'
import { printable } from '../printable.ts'
import type { Trial, Verdict } from './try-device.ts'

/** Tells what came of a trial: a table for people, or one JSON line. @param own whether the identity is that of a database directory */
export function printTrial(
  io: Io,
  trial: Trial,
  { json, own, network }: { readonly json: boolean; readonly own: boolean; readonly network: NetworkFacts }
): void {
  const { peerId, name, connected, route, report, identity, here, there } = trial
  if (json) {
    jsonLine(io, { event: 'explained', peerId, name, connected, route, identity, here, there, report, network: network.routes })
    return
  }
  const say = (text: string): void => {
    line(io, printable(text))
  }
  const colour = (code: number, text: string): string => (io.colours ? `\u001b[${code}m${text}\u001b[0m` : text)
  const verdict = connected ? colour(32, 'connected') : colour(31, 'not connected')
  const how = report === undefined || route === undefined ? '' : ` by ${printable(route)} after ${Math.round(report.elapsedMs)} ms`
  line(io, `${printable(name)} (${peerId}): ${verdict}${how}`)
  say('seen')
  for (const sighting of report?.sightings ?? []) say(`  ${describeSighting(sighting)}`)
  for (const { localAddress, tcp, udp } of network.routes)
    if (tcp.mapping !== 'unknown' || udp.mapping !== 'unknown')
      say(`  from ${localAddress}: ${natType(tcp)} over TCP, ${natType(udp)} over UDP`)
  if (report !== undefined) {
    say('tried')
    for (const text of tableOf(report)) say(text)
  }
  tell(say, 'identity', identity, {
    yes: `it proved to be ${peerId.slice(0, 16)}…`,
    no: 'it did not prove to be the one',
    unknown: 'nobody answered'
  })
  if (!connected) return
  tell(say, 'here', here, {
    yes: 'this side accepts it',
    no: 'this side does not accept it',
    proof: 'this side accepts it once it has proved itself',
    unknown: 'whether this side accepts it was not asked: give --dir, or the options of sync for that'
  })
  tell(say, 'there', there, {
    yes: `it accepts ${own ? 'this side' : 'an unknown device'}, or asks it for a proof`,
    no: own ? 'it does not accept this side' : 'it does not accept an unknown device: with --dir it is asked about the one that "sync" is',
    unknown: 'whether it accepts this side is not known'
  })
}

function tell(say: (text: string) => void, what: string, verdict: Verdict, texts: Partial<Record<Verdict['state'], string>>): void {
  const { state, reason, code, hint } = verdict
  const why = reason === undefined || state === 'yes' ? '' : `: ${reason}${code === undefined ? '' : ` [${code}]`}`
  say(`${what.padEnd(8)}  ${texts[state] ?? state}${why}`)
  if (hint !== undefined) say(`          hint: ${hint}`)
}

function describeSighting({ provider, peerId, url, addresses, connectable, signaling }: ReportedSighting): string {
  const about = [...(connectable ? [] : ['not connectable now']), ...(signaling ? ['with signalling'] : [])]
  const where = url === undefined ? '(unresolved)' : [url, ...addresses].join(' ')
  return `${provider}  ${peerId}  ${where}${about.length === 0 ? '' : `, ${about.join(', ')}`}`
}

/** The rows of the report without its heading. */
function tableOf(report: ConnectionReport): string[] {
  return formatConnectionReport(report).split('\n').slice(1)
}

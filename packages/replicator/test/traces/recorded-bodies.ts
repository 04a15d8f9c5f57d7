import { applyDelta } from '../../dist/delta/apply-delta.js'
import { readTraceConnections, traceNames } from './trace-file.ts'
import { decodeTraceMessages } from './trace-messages.ts'

/** Recordings of which one goes on where the other ended. */
const SEQUELS = ['delta-seed', 'delta-push', 'delta-pull']

/** The bodies of the revisions that a recording and those before it show, whole, by revision id: deltas applied to their sources. */
export function recordedBodies(name: string): Map<string, Buffer> {
  const bodies = new Map<string, Buffer>()
  const prefix = name.slice(0, name.indexOf('-') + 1)
  const known = traceNames(prefix)
  const sequels = SEQUELS.map((part) => prefix + part)
  const names = sequels.includes(name) ? sequels.slice(0, sequels.indexOf(name) + 1).filter((part) => known.includes(part)) : [name]
  for (const connection of names.flatMap((part) => readTraceConnections(part))) {
    for (const { type, properties, body } of decodeTraceMessages(connection)) {
      const { Profile: profile, rev, deltaSrc } = properties
      if (type !== 'REQ' || profile !== 'rev' || rev === undefined) continue
      const source = deltaSrc === undefined ? undefined : bodies.get(deltaSrc)
      bodies.set(rev, source === undefined ? body : applyDelta(source, body))
    }
  }
  return bodies
}

import { setImmediate as nextTurn } from 'node:timers/promises'

/** What Node itself opens and closes as it likes. */
const NOT_OURS: ReadonlySet<string> = new Set(['Immediate', 'TickObject', 'FSReqCallback', 'FSReqPromise', 'TTYWrap', 'CloseReq'])

/** How many handles and timers of each kind keep this process alive. */
export async function openHandles(): Promise<ReadonlyMap<string, number>> {
  await nextTurn()
  const counts = new Map<string, number>()
  for (const type of process.getActiveResourcesInfo()) if (!NOT_OURS.has(type)) counts.set(type, (counts.get(type) ?? 0) + 1)
  return counts
}

/** What there is more of now than before, for people; undefined when there is nothing. */
export async function leftOver(before: ReadonlyMap<string, number>): Promise<string | undefined> {
  const more = [...(await openHandles())].filter(([type, count]) => count > (before.get(type) ?? 0))
  return more.length === 0 ? undefined : more.map(([type, count]) => `${count - (before.get(type) ?? 0)} × ${type}`).join(', ')
}

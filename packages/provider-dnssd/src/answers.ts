/** Which records answer a question. Pure. */
import { nameKey } from './names.ts'
import { recordKey, rrType } from './rdata.ts'
import type { ServiceRecords } from './records.ts'
import type { Question, ResourceRecord } from './dns-message.ts'

export interface Answer {
  readonly record: ResourceRecord
  /** What the asker will want to know next. */
  readonly additionals: readonly ResourceRecord[]
  /** Other hosts may have answers, too: wait a little (RFC 6762 §6). */
  readonly shared: boolean
}

/** What one service says to a question; empty when it does not concern it. */
export function answersOf(records: ServiceRecords, question: Question): Answer[] {
  const name = nameKey(question.name)
  const wanted = (record: ResourceRecord): boolean =>
    nameKey(record.name) === name && (question.type === rrType.ANY || question.type === record.data.type)
  const answers: Answer[] = []
  for (const record of [...records.shared, records.typeListing]) {
    if (!wanted(record)) continue
    const additionals = record === records.typeListing ? [] : [...records.instance, ...records.addresses, ...records.negative]
    answers.push({ record, additionals, shared: true })
  }
  for (const record of records.instance) {
    if (wanted(record))
      answers.push({
        record,
        additionals: record.data.type === rrType.SRV ? [...records.addresses, ...records.negative] : [],
        shared: false
      })
  }
  for (const record of records.addresses) {
    if (wanted(record))
      answers.push({ record, additionals: [...records.addresses.filter((other) => other !== record), ...records.negative], shared: false })
  }
  if (answers.length === 0) {
    // We alone know this name and there is no such record: say so (RFC 6762 §6.1).
    for (const record of records.negative) if (nameKey(record.name) === name) answers.push({ record, additionals: [], shared: false })
  }
  return answers
}

/** Whether the asker's list holds the record with at least half of its life left (RFC 6762 §7.1). */
export function isKnown(record: ResourceRecord, known: ReadonlyMap<string, number>): boolean {
  const ttl = known.get(recordKey(record))
  return ttl !== undefined && ttl * 2 >= record.ttl
}

/** Known answers by record, with the TTL the asker has left. */
export function knownAnswerMap(records: readonly ResourceRecord[]): Map<string, number> {
  return new Map(records.map((record) => [recordKey(record), record.ttl]))
}

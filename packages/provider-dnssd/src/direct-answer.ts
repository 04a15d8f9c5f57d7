/** Answers for simple resolvers that know nothing of multicast (RFC 6762 §6.7). Pure. */
import type { Buffer } from 'node:buffer'
import type { Answer } from './answers.ts'
import { packGroups } from './packets.ts'
import { rrType } from './rdata.ts'
import type { Message, ResourceRecord } from './dns-message.ts'

/** Seconds; nobody tells such a resolver when something changes. */
const legacyTtl = 10
/** Questions of one packet that are answered. */
export const maxDirectQuestions = 4

/** One packet with the asker's id and questions, without cache-flush bits; what does not fit is left out. */
export function directAnswer({ id, questions }: Message, answers: readonly Answer[]): Buffer | undefined {
  const simple = (record: ResourceRecord): ResourceRecord => ({ ...record, flush: false, ttl: Math.min(record.ttl, legacyTtl) })
  const groups = answers.map(({ record, additionals }) => ({
    answers: [simple(record)],
    additionals: additionals.filter(({ data }) => data.type !== rrType.NSEC).map(simple)
  }))
  const [first = {}, ...rest] = groups
  const asked = questions.slice(0, maxDirectQuestions).map(({ name, type }) => ({ name, type }))
  return packGroups([{ ...first, questions: asked }, ...rest], { response: true, id })[0]
}

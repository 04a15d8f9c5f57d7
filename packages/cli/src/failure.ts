import { errorCode } from '@kithmesh/core'
import type { Io } from './io.ts'

/** Writes why a command failed: one sentence, its code, the causes, and what can be done. With `json` as one JSON line on stderr. */
export function reportFailure(io: Io, error: unknown, json: boolean): void {
  const chain = causes(error)
  const hint =
    chain.map((each) => (each as { hint?: unknown }).hint).find((each): each is string => typeof each === 'string' && each !== '') ?? ''
  if (json) {
    io.stderr.write(
      `${JSON.stringify({ error: chain[0]?.message ?? String(error), code: errorCode(error), hint, causes: chain.slice(1).map((each) => ({ message: each.message, code: errorCode(each) })) })}\n`
    )
    return
  }
  const code = errorCode(error)
  const red = (text: string): string => (io.colours ? `\u001b[31m${text}\u001b[0m` : text)
  io.stderr.write(`${red('error')} ${chain[0]?.message ?? String(error)}${code === undefined ? '' : ` [${code}]`}\n`)
  for (const cause of chain.slice(1))
    io.stderr.write(`  because: ${cause.message}${errorCode(cause) === undefined ? '' : ` [${errorCode(cause)}]`}\n`)
  if (hint !== '') io.stderr.write(`  hint: ${hint}\n`)
}

/** The error and its causes, outermost first, at most eight. */
function causes(error: unknown): Error[] {
  const chain: Error[] = []
  for (let each = error; each instanceof Error && chain.length < 8; each = each.cause) {
    chain.push(each)
    if (each instanceof AggregateError) chain.push(...each.errors.filter((inner): inner is Error => inner instanceof Error).slice(0, 4))
  }
  return chain
}

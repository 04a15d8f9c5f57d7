const MAX_LENGTH = 2000
const MAX_CAUSES = 5
const FRAMES = 4

/** What a failed check threw, as text for the report: messages with code and hint down the causes, and where the first was made. */
export function describeError(error: unknown): string {
  const lines: string[] = []
  let current = error
  for (let depth = 0; depth < MAX_CAUSES && current !== undefined; depth++) {
    lines.push(`${depth === 0 ? '' : 'caused by '}${headline(current)}`)
    current = (current as { cause?: unknown } | null)?.cause
  }
  lines.push(...frames(error))
  const text = lines.join('\n')
  return text.length > MAX_LENGTH ? `${text.slice(0, MAX_LENGTH)}…` : text
}

function headline(error: unknown): string {
  if (!(error instanceof Error)) return `${typeof error === 'object' ? 'something that is no error: ' : ''}${plain(error)}`
  const { code, hint } = error as { code?: unknown; hint?: unknown }
  const withCode = typeof code === 'string' && code !== 'ERR_ASSERTION' && !error.message.includes(code) ? ` [${code}]` : ''
  return `${error.message || error.name}${withCode}${typeof hint === 'string' ? ` (${hint})` : ''}`
}

/** Frames outside Node; an error's own text may make accessing it throw, which must not hide the failure. */
function frames(error: unknown): string[] {
  try {
    const { stack } = error as Error
    return (typeof stack === 'string' ? stack : '')
      .split('\n')
      .filter((line) => /^\s+at /.test(line) && !line.includes('node:'))
      .slice(0, FRAMES)
      .map((line) => `  ${line.trim()}`)
  } catch {
    return []
  }
}

function plain(value: unknown): string {
  try {
    return typeof value === 'object' ? (JSON.stringify(value) ?? String(value)) : String(value)
  } catch {
    return 'a value that cannot be shown'
  }
}
